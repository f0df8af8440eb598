-- How far a group has applied a topic. Moves in the transaction that moves the figures.
CREATE TABLE offsets (
    consumer_group TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (consumer_group, topic, partition)
) WITHOUT ROWID;

-- Latencies by slots of ten seconds, counted from 1970. Older ones than five minutes are deleted.
CREATE TABLE slots (
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    sum_ms REAL NOT NULL,
    PRIMARY KEY (slot, kind)
) WITHOUT ROWID;

CREATE TABLE buckets (
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (slot, kind, bucket)
) WITHOUT ROWID;

-- When the first message of a kind was published, in milliseconds since 1970.
CREATE TABLE first_messages (
    kind TEXT PRIMARY KEY,
    first_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE series_trained (
    series_id TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE model_usage (
    series_id TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX busiest ON model_usage (count);

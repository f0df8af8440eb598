-- As in Postgres, except for training_data. Times are milliseconds since 1970.

-- The counter that numbers the versions of a series. It outlives them, so that no number is given out twice.
CREATE TABLE series (
    series_id    TEXT NOT NULL PRIMARY KEY,
    last_version INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE models (
    series_id  TEXT NOT NULL,
    version    INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    -- Only what is ready is ever shown.
    status     TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ready')),
    detector   TEXT NOT NULL,
    format     INTEGER NOT NULL,
    points     INTEGER NOT NULL,
    -- The detector's own text, with its checksum inside.
    model      TEXT NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    ready_at   INTEGER,
    PRIMARY KEY (series_id, version)
) WITHOUT ROWID;

CREATE INDEX models_by_ready_at ON models (ready_at) WHERE status = 'ready';
CREATE INDEX models_pending ON models (created_at) WHERE status = 'pending';

-- Up to 10,000 points in a row, from `position` on: for each its timestamp, a 64 bit integer, and its value, a 64 bit float,
-- both little endian. A row for each point took six times as long to write and thirty times as long to read, and a column
-- declared REAL would turn -0.0 into 0.
CREATE TABLE training_data (
    series_id TEXT NOT NULL,
    version   INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    points    BLOB NOT NULL,
    PRIMARY KEY (series_id, version, position),
    FOREIGN KEY (series_id, version) REFERENCES models ON DELETE CASCADE
);

-- The first offset of each partition that a group has not applied. Moves in the transaction that stores the effects.
CREATE TABLE consumer_offsets (
    "group"     TEXT NOT NULL,
    topic       TEXT NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY ("group", topic, partition)
) WITHOUT ROWID;

-- Streams: how far the topic `points` is judged, the state of every stream, and what was found.
--
-- Times are milliseconds since 1970. They come from the log, except `stored_at`, `owned_at` and `failed_at`, so that a replay writes the
-- same rows.

-- The number of partitions of the topic, once it is known. It decides which partition a series is in, so it never changes.
CREATE TABLE stream_layout (
    id         INTEGER PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    partitions INTEGER NOT NULL
);

-- Of all records below `effects`, the effects are stored. Of every series in the partition, the stored state covers all records below
-- `safe`, where a replay begins. Both move in the transaction that stores effects and states.
CREATE TABLE stream_partitions (
    log       TEXT NOT NULL,
    partition INTEGER NOT NULL,
    effects   INTEGER NOT NULL DEFAULT 0,
    safe      INTEGER NOT NULL DEFAULT 0,
    -- The time of the records below `safe`, and how much of it was an outage of ours, in milliseconds.
    now_ms    INTEGER NOT NULL DEFAULT 0,
    outage_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (log, partition)
);

-- Who judges a partition at the moment. Only told, never relied on.
CREATE TABLE stream_owners (
    partition INTEGER PRIMARY KEY,
    owner     TEXT NOT NULL,
    owned_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER))
);

CREATE TABLE stream_sessions (
    series_id      TEXT NOT NULL PRIMARY KEY,
    partition      INTEGER NOT NULL,
    -- The first record of the partition that the state does not cover.
    next_offset    INTEGER NOT NULL,
    run            INTEGER NOT NULL,
    points         INTEGER NOT NULL,
    last_timestamp INTEGER,
    last_arrival   INTEGER NOT NULL,
    due            INTEGER,
    -- The version of the model that it began from; null if it warmed up.
    begun_from     INTEGER,
    labels         TEXT NOT NULL,
    detector       TEXT,
    -- Of `state`.
    format         INTEGER NOT NULL,
    -- The stream has ended. The row keeps a replay of earlier records from beginning it again, and goes when none can come.
    has_ended      INTEGER NOT NULL,
    stored_at      INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    state          BLOB NOT NULL
);

CREATE INDEX stream_sessions_by_partition ON stream_sessions (partition);
CREATE INDEX stream_sessions_ended ON stream_sessions (partition) WHERE has_ended;

-- What was found. `document` is the anomaly as the API gives it, except its incident; the other columns serve to search.
CREATE TABLE anomalies (
    anomaly_id  TEXT NOT NULL PRIMARY KEY,
    series_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    is_open     INTEGER NOT NULL,
    -- The timestamp of the point at which it was found.
    start       INTEGER NOT NULL,
    -- The timestamp of its last abnormal point and the number of its alarms, which tell an earlier state from a later one.
    last        INTEGER NOT NULL,
    alarms      INTEGER NOT NULL,
    -- From 0, none, to 4, critical.
    severity    INTEGER NOT NULL,
    ratio       REAL NOT NULL,
    opened_at   INTEGER NOT NULL,
    closed_at   INTEGER,
    silenced    INTEGER NOT NULL,
    incident_id TEXT,
    labels      TEXT NOT NULL,
    document    TEXT NOT NULL,
    -- The points before it, 16 bytes each: timestamp and value, little endian.
    context     BLOB NOT NULL
);

CREATE INDEX anomalies_by_series ON anomalies (series_id, start DESC);
CREATE INDEX anomalies_by_opened_at ON anomalies (opened_at DESC, anomaly_id DESC);
CREATE INDEX anomalies_by_ratio ON anomalies (ratio DESC, anomaly_id DESC);
CREATE INDEX anomalies_open ON anomalies (opened_at DESC, anomaly_id DESC) WHERE is_open;
CREATE INDEX anomalies_by_closed_at ON anomalies (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX anomalies_by_incident ON anomalies (incident_id) WHERE incident_id IS NOT NULL;

-- Anomalies of one group that people are told of together. A group has one open incident at most.
CREATE TABLE incidents (
    incident_id TEXT NOT NULL PRIMARY KEY,
    group_key   TEXT NOT NULL,
    opened_at   INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    closed_at   INTEGER,
    -- People are told of it then.
    due         INTEGER NOT NULL,
    -- Its anomalies, and those of them that are open.
    anomalies   INTEGER NOT NULL,
    open        INTEGER NOT NULL,
    severity    INTEGER NOT NULL,
    -- The severity that people were told of.
    told        INTEGER NOT NULL,
    -- How often it was opened.
    openings    INTEGER NOT NULL
);

CREATE UNIQUE INDEX incidents_open ON incidents (group_key) WHERE closed_at IS NULL;
CREATE INDEX incidents_by_opened_at ON incidents (opened_at DESC, incident_id DESC);

-- What is to be told, and what was.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    -- The same whenever the event is written again.
    event_id   TEXT NOT NULL UNIQUE,
    channel    TEXT NOT NULL,
    payload    TEXT NOT NULL,
    state      TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    -- When it happened.
    at         INTEGER NOT NULL,
    -- When it is tried next.
    next_at    INTEGER NOT NULL,
    last_error TEXT,
    failed_at  INTEGER
);

CREATE INDEX outbox_due ON outbox (channel, next_at) WHERE state = 'pending';
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';
CREATE INDEX outbox_done ON outbox (at) WHERE state <> 'pending';

CREATE TABLE silences (
    silence_id TEXT NOT NULL PRIMARY KEY,
    starts_at  INTEGER NOT NULL,
    ends_at    INTEGER NOT NULL,
    document   TEXT NOT NULL
);

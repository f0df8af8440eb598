-- Streams: how far the topic `points` is judged, the state of every stream, and what was found.
--
-- Times are milliseconds since 1970. They come from the log, except `stored_at`, `owned_at` and `failed_at`, so that a replay writes the
-- same rows.

-- The number of partitions of the topic, once it is known. It decides which partition a series is in, so it never changes.
CREATE TABLE stream_layout (
    id         integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    partitions integer NOT NULL
);

-- Of all records below `effects`, the effects are stored. Of every series in the partition, the stored state covers all records below
-- `safe`, where a replay begins. Both move in the transaction that stores effects and states.
CREATE TABLE stream_partitions (
    log       text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    effects   bigint NOT NULL DEFAULT 0,
    safe      bigint NOT NULL DEFAULT 0,
    -- The time of the records below `safe`, and how much of it was an outage of ours, in milliseconds.
    now_ms    bigint NOT NULL DEFAULT 0,
    outage_ms bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (log, partition)
) WITH (fillfactor = 50);

-- Who judges a partition at the moment. Only told, never relied on.
CREATE TABLE stream_owners (
    partition integer PRIMARY KEY,
    owner     text NOT NULL,
    owned_at  bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
);

CREATE TABLE stream_sessions (
    series_id      text COLLATE "C" PRIMARY KEY,
    partition      integer NOT NULL,
    -- The first record of the partition that the state does not cover.
    next_offset    bigint NOT NULL,
    run            bigint NOT NULL,
    points         bigint NOT NULL,
    last_timestamp bigint,
    last_arrival   bigint NOT NULL,
    due            bigint,
    -- The version of the model that it began from; null if it warmed up.
    begun_from     bigint,
    labels         text NOT NULL,
    detector       text,
    -- Of `state`.
    format         integer NOT NULL,
    -- The stream has ended. The row keeps a replay of earlier records from beginning it again, and goes when none can come.
    has_ended      boolean NOT NULL,
    stored_at      bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    -- Compressed already.
    state          bytea NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);

ALTER TABLE stream_sessions ALTER COLUMN state SET STORAGE EXTERNAL;

CREATE INDEX stream_sessions_by_partition ON stream_sessions (partition);
CREATE INDEX stream_sessions_ended ON stream_sessions (partition) WHERE has_ended;

-- What was found. `document` is the anomaly as the API gives it, except its incident; the other columns serve to search.
CREATE TABLE anomalies (
    anomaly_id  text COLLATE "C" PRIMARY KEY,
    series_id   text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    is_open     boolean NOT NULL,
    -- The timestamp of the point at which it was found.
    start       bigint NOT NULL,
    -- The timestamp of its last abnormal point and the number of its alarms, which tell an earlier state from a later one.
    last        bigint NOT NULL,
    alarms      bigint NOT NULL,
    -- From 0, none, to 4, critical.
    severity    integer NOT NULL,
    ratio       double precision NOT NULL,
    opened_at   bigint NOT NULL,
    closed_at   bigint,
    silenced    boolean NOT NULL,
    incident_id text COLLATE "C",
    labels      jsonb NOT NULL,
    -- Not jsonb, which would spell the numbers anew.
    document    json NOT NULL,
    -- The points before it, 16 bytes each: timestamp and value, little endian.
    context     bytea NOT NULL
);

CREATE INDEX anomalies_by_series ON anomalies (series_id, start DESC);
CREATE INDEX anomalies_by_opened_at ON anomalies (opened_at DESC, anomaly_id DESC);
CREATE INDEX anomalies_by_ratio ON anomalies (ratio DESC, anomaly_id DESC);
CREATE INDEX anomalies_open ON anomalies (opened_at DESC, anomaly_id DESC) WHERE is_open;
CREATE INDEX anomalies_by_closed_at ON anomalies (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX anomalies_by_incident ON anomalies (incident_id) WHERE incident_id IS NOT NULL;
CREATE INDEX anomalies_by_labels ON anomalies USING gin (labels jsonb_path_ops);

-- Anomalies of one group that people are told of together. A group has one open incident at most.
CREATE TABLE incidents (
    incident_id text COLLATE "C" PRIMARY KEY,
    group_key   text COLLATE "C" NOT NULL,
    opened_at   bigint NOT NULL,
    last_at     bigint NOT NULL,
    closed_at   bigint,
    -- People are told of it then.
    due         bigint NOT NULL,
    -- Its anomalies, and those of them that are open.
    anomalies   bigint NOT NULL,
    open        bigint NOT NULL,
    severity    integer NOT NULL,
    -- The severity that people were told of.
    told        integer NOT NULL,
    -- How often it was opened.
    openings    bigint NOT NULL
);

CREATE UNIQUE INDEX incidents_open ON incidents (group_key) WHERE closed_at IS NULL;
CREATE INDEX incidents_by_opened_at ON incidents (opened_at DESC, incident_id DESC);

-- What is to be told, and what was.
CREATE TABLE outbox (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The same whenever the event is written again.
    event_id   text COLLATE "C" NOT NULL UNIQUE,
    channel    text NOT NULL,
    payload    text NOT NULL,
    state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
    attempts   bigint NOT NULL DEFAULT 0,
    -- When it happened.
    at         bigint NOT NULL,
    -- When it is tried next.
    next_at    bigint NOT NULL,
    last_error text,
    failed_at  bigint
);

CREATE INDEX outbox_due ON outbox (channel, next_at) WHERE state = 'pending';
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';
CREATE INDEX outbox_done ON outbox (at) WHERE state <> 'pending';

CREATE TABLE silences (
    silence_id text COLLATE "C" PRIMARY KEY,
    starts_at  bigint NOT NULL,
    ends_at    bigint NOT NULL,
    document   json NOT NULL
);

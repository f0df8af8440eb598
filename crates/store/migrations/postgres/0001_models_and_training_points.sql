-- Ids are opaque bytes: they are compared as such, whatever the language of the database.

-- The counter that numbers the versions of a series. It outlives them, so that no number is given out twice.
CREATE TABLE series (
    series_id    text COLLATE "C" PRIMARY KEY,
    last_version bigint NOT NULL
);

CREATE TABLE models (
    series_id  text COLLATE "C" NOT NULL,
    version    bigint NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    -- Only what is ready is ever shown.
    status     text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ready')),
    detector   text NOT NULL,
    format     integer NOT NULL,
    points     bigint NOT NULL,
    -- The detector's own text, with its checksum inside. Not jsonb, which would spell it anew.
    model      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ready_at   timestamptz,
    PRIMARY KEY (series_id, version)
);

-- For predictors that ask what changed, and for the sweep. The newest version of a series is found by the primary key.
CREATE INDEX models_by_ready_at ON models (ready_at) WHERE status = 'ready';
CREATE INDEX models_pending ON models (created_at) WHERE status = 'pending';

-- No foreign key, which would be looked up for every row: whoever adds points locks the row of their model, once.
CREATE TABLE training_data (
    series_id text COLLATE "C" NOT NULL,
    version   bigint NOT NULL,
    position  bigint NOT NULL,
    timestamp bigint NOT NULL,
    value     double precision NOT NULL,
    PRIMARY KEY (series_id, version, position)
);

-- The first offset of each partition that a group has not applied. Moves in the transaction that stores the effects.
CREATE TABLE consumer_offsets (
    "group"     text NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY ("group", topic, partition)
);

-- What a client was told of a version that it asked for with an Idempotency-Key, so that another try is told the same. Kept for a
-- day, whatever becomes of the version.
CREATE TABLE receipts (
    series_id  text COLLATE "C" NOT NULL,
    key        text COLLATE "C" NOT NULL,
    -- Of the request, to tell another one with the same key.
    digest     text NOT NULL,
    version    bigint NOT NULL,
    -- The revision of the series and the version that served it when this one became visible.
    revision   bigint NOT NULL,
    serving    bigint NOT NULL,
    -- The rest of the reply.
    reply      text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (series_id, key)
);

CREATE INDEX receipts_by_created_at ON receipts (created_at);

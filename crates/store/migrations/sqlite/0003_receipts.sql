-- What a client was told of a version that it asked for with an Idempotency-Key, so that another try is told the same. Kept for a
-- day, whatever becomes of the version.
CREATE TABLE receipts (
    series_id  TEXT NOT NULL,
    key        TEXT NOT NULL,
    -- Of the request, to tell another one with the same key.
    digest     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    -- The revision of the series and the version that served it when this one became visible.
    revision   INTEGER NOT NULL,
    serving    INTEGER NOT NULL,
    -- The rest of the reply.
    reply      TEXT NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    PRIMARY KEY (series_id, key)
) WITHOUT ROWID;

CREATE INDEX receipts_by_created_at ON receipts (created_at);

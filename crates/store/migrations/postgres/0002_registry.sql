-- Which model of a series judges, what else is there, and what changed.

-- `revision` counts what can be seen to change: a version that becomes ready, an alias, a deletion. It never goes back, for the row
-- outlives the models. `changed_at` is when that was last; null while there was nothing to see.
ALTER TABLE series
    ADD COLUMN revision bigint NOT NULL DEFAULT 0,
    ADD COLUMN changed_at timestamptz;

UPDATE series SET revision = ready.versions, changed_at = ready.latest
FROM (
    SELECT series_id, count(*) AS versions, COALESCE(max(ready_at), clock_timestamp()) AS latest
    FROM models WHERE status = 'ready' GROUP BY series_id
) ready
WHERE ready.series_id = series.series_id;

-- For predictors that ask what changed.
CREATE INDEX series_by_changed_at ON series (changed_at);
DROP INDEX models_by_ready_at;

-- How long a fit took was not recorded before: 0.
ALTER TABLE models
    ADD COLUMN params text NOT NULL DEFAULT '{}',
    ADD COLUMN fit_ms double precision NOT NULL DEFAULT 0,
    ADD COLUMN first_timestamp bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_timestamp bigint NOT NULL DEFAULT 0,
    ADD COLUMN size_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN checksum text NOT NULL DEFAULT '',
    ADD COLUMN source text NOT NULL DEFAULT 'fit' CHECK (source IN ('fit', 'import'));

-- Not by way of JSON: a document that was damaged must not stop the others.
UPDATE models SET
    size_bytes = octet_length(model),
    checksum = COALESCE(substring(model FROM '"checksum":"([0-9a-f]{64})"'), ''),
    first_timestamp = COALESCE((
        SELECT timestamp FROM training_data t
        WHERE t.series_id = models.series_id AND t.version = models.version AND position = 0
    ), 0),
    last_timestamp = COALESCE((
        SELECT timestamp FROM training_data t
        WHERE t.series_id = models.series_id AND t.version = models.version AND position = points - 1
    ), 0);

-- What can be seen of a series: how many versions, the newest, a page of them.
CREATE INDEX models_ready ON models (series_id, version) WHERE status = 'ready';

-- Names for versions. What is called `champion` judges; without one the newest does.
CREATE TABLE aliases (
    series_id  text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    -- The version that it named before. May be gone.
    previous   bigint,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (series_id, name),
    FOREIGN KEY (series_id, version) REFERENCES models
);

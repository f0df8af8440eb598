-- Which model of a series judges, what else is there, and what changed.

-- `revision` counts what can be seen to change: a version that becomes ready, an alias, a deletion. It never goes back, for the row
-- outlives the models. `changed_at` is when that was last; null while there was nothing to see.
ALTER TABLE series ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN changed_at INTEGER;

UPDATE series SET revision = ready.versions, changed_at = ready.latest
FROM (
    SELECT series_id, count(*) AS versions, COALESCE(max(ready_at), CAST(unixepoch('subsec') * 1000 AS INTEGER)) AS latest
    FROM models WHERE status = 'ready' GROUP BY series_id
) ready
WHERE ready.series_id = series.series_id;

-- For predictors that ask what changed.
CREATE INDEX series_by_changed_at ON series (changed_at);
DROP INDEX models_by_ready_at;

-- How long a fit took was not recorded before: 0.
ALTER TABLE models ADD COLUMN params TEXT NOT NULL DEFAULT '{}';
ALTER TABLE models ADD COLUMN fit_ms REAL NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN first_timestamp INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN last_timestamp INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN checksum TEXT NOT NULL DEFAULT '';
ALTER TABLE models ADD COLUMN source TEXT NOT NULL DEFAULT 'fit' CHECK (source IN ('fit', 'import'));

-- Not by way of JSON: a document that was damaged must not stop the others.
UPDATE models SET size_bytes = length(CAST(model AS BLOB));
UPDATE models SET checksum = substr(model, instr(model, '"checksum":"') + 12, 64) WHERE instr(model, '"checksum":"') > 0;

-- The timestamp of a point is the first eight of its sixteen bytes, the lowest first; here in hexadecimal.
WITH ends AS (
    SELECT m.series_id, m.version, hex(substr(f.points, 1, 8)) AS first, hex(substr(l.points, -16, 8)) AS last
    FROM models m
    JOIN training_data f ON f.series_id = m.series_id AND f.version = m.version AND f.position = 0
    JOIN training_data l ON l.series_id = m.series_id AND l.version = m.version AND l.position + length(l.points) / 16 = m.points
), bytes AS (
    SELECT series_id, version, at,
        instr('123456789ABCDEF', substr(first, 2 * at + 1, 1)) * 16 + instr('123456789ABCDEF', substr(first, 2 * at + 2, 1)) AS first,
        instr('123456789ABCDEF', substr(last, 2 * at + 1, 1)) * 16 + instr('123456789ABCDEF', substr(last, 2 * at + 2, 1)) AS last
    FROM ends, (SELECT 0 AS at UNION VALUES (1), (2), (3), (4), (5), (6), (7))
), known AS (
    SELECT series_id, version, sum(first << 8 * at) AS first, sum(last << 8 * at) AS last
    FROM bytes GROUP BY series_id, version
)
UPDATE models SET first_timestamp = known.first, last_timestamp = known.last
FROM known WHERE known.series_id = models.series_id AND known.version = models.version;

-- What can be seen of a series: how many versions, the newest, a page of them. With a partial index, as in Postgres, it would walk
-- over the documents: it takes the primary key, which has as many terms.
CREATE INDEX models_by_status ON models (series_id, status, version);

-- Names for versions. What is called `champion` judges; without one the newest does.
CREATE TABLE aliases (
    series_id  TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    -- The version that it named before. May be gone.
    previous   INTEGER,
    changed_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    PRIMARY KEY (series_id, name),
    FOREIGN KEY (series_id, version) REFERENCES models
) WITHOUT ROWID;

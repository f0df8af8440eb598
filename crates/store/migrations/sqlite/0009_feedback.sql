-- What people say of anomalies, and why nobody was told of some.

-- `dismissed` or `budget`; null if people were told, or nobody was to be.
ALTER TABLE anomalies ADD COLUMN held_back TEXT;

CREATE TABLE feedback (
    anomaly_id TEXT PRIMARY KEY,
    series_id  TEXT NOT NULL,
    -- `confirmed` or `dismissed`.
    verdict    TEXT NOT NULL,
    -- When it was said, in milliseconds since 1970.
    at         INTEGER NOT NULL,
    -- Of the anomaly at that time.
    ratio      REAL NOT NULL,
    -- The timestamps of its first and its last abnormal point at that time.
    began      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    -- As the API gives it.
    document   TEXT NOT NULL
);
CREATE INDEX feedback_by_series ON feedback (series_id, at);

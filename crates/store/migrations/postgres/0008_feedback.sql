-- What people say of anomalies, and why nobody was told of some.

-- `dismissed` or `budget`; null if people were told, or nobody was to be.
ALTER TABLE anomalies ADD COLUMN held_back text;

CREATE TABLE feedback (
    anomaly_id text COLLATE "C" PRIMARY KEY,
    series_id  text COLLATE "C" NOT NULL,
    -- `confirmed` or `dismissed`.
    verdict    text NOT NULL,
    -- When it was said, in milliseconds since 1970.
    at         bigint NOT NULL,
    -- Of the anomaly at that time.
    ratio      double precision NOT NULL,
    -- The timestamps of its first and its last abnormal point at that time.
    began      bigint NOT NULL,
    last       bigint NOT NULL,
    -- As the API gives it.
    document   text NOT NULL
);
CREATE INDEX feedback_by_series ON feedback (series_id, at);

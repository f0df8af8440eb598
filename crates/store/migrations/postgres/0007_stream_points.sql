-- Points that streams have learned, for people to look at: in blocks that are named by the timestamp of their first point and grow with
-- every commit. 41 bytes a point: timestamp, value, expected, lower and upper limit (little-endian), and flags.
CREATE TABLE stream_points (
    series_id text COLLATE "C" NOT NULL,
    first     bigint NOT NULL,
    last      bigint NOT NULL,
    -- When the last of them arrived, in milliseconds since 1970.
    arrived   bigint NOT NULL,
    points    bytea NOT NULL,
    PRIMARY KEY (series_id, first)
);
CREATE INDEX stream_points_arrived ON stream_points (arrived);

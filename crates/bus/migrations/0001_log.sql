-- Where each partition ends. Offsets never repeat, also after events were deleted.
CREATE TABLE partitions (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

CREATE TABLE events (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    -- When it was published: milliseconds since 1970.
    timestamp_ms INTEGER NOT NULL,
    key BLOB,
    -- A JSON array of pairs of name and value.
    headers TEXT NOT NULL,
    -- Last, because columns behind a large one are slow to get at.
    payload BLOB NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);

-- How far each group says that it is done. Decides what may be deleted, never where a group goes on.
CREATE TABLE group_offsets (
    group_name TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_name, topic, partition)
) WITHOUT ROWID;

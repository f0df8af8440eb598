-- Which log this is: another file has other events at the same offsets.
CREATE TABLE log (
    id TEXT NOT NULL
);

INSERT INTO log VALUES (lower(hex(randomblob(16))));

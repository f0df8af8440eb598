-- Of a block of points and the key of its row, so that what the disk changed is never taken for what was written. Null in rows that
-- an older program wrote: these are read as they are.
ALTER TABLE training_data ADD COLUMN checksum INTEGER;

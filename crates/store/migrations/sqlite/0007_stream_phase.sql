-- What a stream does: learning, ready or silent, for lists of series. Of a stream that has been here, as far as its row tells; the next
-- time that it is stored corrects it.
ALTER TABLE stream_sessions ADD COLUMN phase TEXT NOT NULL DEFAULT 'learning';
UPDATE stream_sessions SET phase = 'ready' WHERE begun_from IS NOT NULL OR points >= 750;

-- A session's own eviction policy; NULL: the one of the server that serves it.
ALTER TABLE session ADD COLUMN policy TEXT;

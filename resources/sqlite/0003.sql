-- Calls of other tools: what a session bound, and what a workspace has learned.

ALTER TABLE session ADD COLUMN bindings INTEGER NOT NULL DEFAULT 0;  -- the last `$v` number

CREATE INDEX log_of_calls ON log(ses, key) 
  WHERE kind IN ('call', 'call_seen', 'binding_used', 'verdict', 'restore');
CREATE INDEX log_of_lessons ON log(key) WHERE 
  kind IN ('call', 'fix', 'promote', 'verdict', 'forget');

-- What folding the log up to a position gave, so that it need not be folded from its beginning.
CREATE TABLE folded(
  ws INTEGER NOT NULL,
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  codec INTEGER NOT NULL,
  checksum BLOB NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY(ws, name)
) STRICT, WITHOUT ROWID;

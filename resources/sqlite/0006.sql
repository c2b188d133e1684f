-- What pages are superseded by, on each branch: as long as `by` was not forgotten, its last line counts.

CREATE TABLE superseded(
  ws INTEGER NOT NULL,
  page TEXT NOT NULL,
  branch INTEGER NOT NULL,
  position INTEGER NOT NULL,
  by TEXT,                                 -- NULL: the page itself is read again
  PRIMARY KEY(ws, page, branch, position)
) STRICT, WITHOUT ROWID;

DROP INDEX log_of_moves;
CREATE INDEX log_of_moves ON log(ses, key)
  WHERE kind IN ('version', 'revert', 'pin', 'fault_in', 'demote', 'evict', 'supersede');

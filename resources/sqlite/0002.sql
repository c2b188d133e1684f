-- Forks, heads that went back to an earlier version, checkpoints. A fork and its ancestors are found by session.parent and session.forked_at.

-- What was written before there were forks is in the past of all of them.
ALTER TABLE written ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

CREATE TABLE reverted(
  ws INTEGER NOT NULL,
  page TEXT NOT NULL,
  branch INTEGER NOT NULL,
  position INTEGER NOT NULL,               -- of the line since which the branch's head is `version`
  version INTEGER NOT NULL,
  PRIMARY KEY(ws, page, branch, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX log_of_moves ON log(ses, key)
  WHERE kind IN ('version', 'revert', 'pin', 'fault_in', 'demote', 'evict');
CREATE INDEX log_of_checkpoints ON log(ses, key) WHERE kind = 'checkpoint';

-- A branch may go back to a version that it had: the index then has it once for each time.
DROP INDEX index_document_page;

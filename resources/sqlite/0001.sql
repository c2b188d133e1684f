-- Everything here but `content`, `counter`, `principal` and `workspace` is a projection of `log`: what folding its lines gives.
-- Keys of log and content hold the workspace in their upper bits: workspace.key << 40 | number.

CREATE TABLE principal(key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE workspace(
  key INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL REFERENCES principal(key),
  id TEXT NOT NULL,
  name TEXT NOT NULL,
  fingerprint TEXT,
  tokenizer TEXT NOT NULL,
  created_at REAL NOT NULL,
  position INTEGER NOT NULL DEFAULT 0,     -- of the last log line
  content INTEGER NOT NULL DEFAULT 0,      -- the last content id
  indexable INTEGER NOT NULL DEFAULT 0,    -- position of the last line that the index follows
  indexed INTEGER NOT NULL DEFAULT 0,      -- how far the index has followed
  index_format INTEGER NOT NULL DEFAULT 0,
  UNIQUE(owner, id)
) STRICT;
CREATE UNIQUE INDEX workspace_of_fingerprint ON workspace(owner, fingerprint)
  WHERE fingerprint IS NOT NULL;

CREATE TABLE counter(ws INTEGER NOT NULL, prefix TEXT NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY(ws, prefix)) STRICT, WITHOUT ROWID;

CREATE TABLE content(key INTEGER PRIMARY KEY, codec INTEGER NOT NULL, checksum BLOB NOT NULL,
  data BLOB NOT NULL) STRICT;

CREATE TABLE log(
  key INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  ses INTEGER,
  segment INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  page TEXT,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX log_of_events ON log(ses, key) WHERE kind = 'event';
CREATE INDEX log_of_page ON log(page, key) WHERE page IS NOT NULL;

CREATE TABLE session(
  key INTEGER PRIMARY KEY,
  ws INTEGER NOT NULL,
  id TEXT NOT NULL,
  revision INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL,
  active_at REAL NOT NULL,
  title TEXT,
  parent TEXT,
  forked_at INTEGER,
  model TEXT,
  budget INTEGER,
  mode TEXT,
  turn INTEGER NOT NULL DEFAULT 0,
  turn_cause TEXT NOT NULL DEFAULT 'start',
  segment INTEGER NOT NULL DEFAULT 1,
  faults INTEGER NOT NULL DEFAULT 0,        -- of this turn, as is fault_tokens
  fault_tokens INTEGER NOT NULL DEFAULT 0,
  messages INTEGER NOT NULL DEFAULT 0,
  user_messages INTEGER NOT NULL DEFAULT 0,
  ai_messages INTEGER NOT NULL DEFAULT 0,
  tool_calls INTEGER NOT NULL DEFAULT 0,
  tokens INTEGER NOT NULL DEFAULT 0,
  prompt_tokens INTEGER NOT NULL DEFAULT 0,
  completion_tokens INTEGER NOT NULL DEFAULT 0,
  total_faults INTEGER NOT NULL DEFAULT 0,
  UNIQUE(ws, id)
) STRICT;

CREATE TABLE page(
  ws INTEGER NOT NULL,
  id TEXT NOT NULL,
  home INTEGER NOT NULL,                    -- the session it was made in: its home branch
  page_type TEXT NOT NULL,
  role TEXT,
  name TEXT,
  event_id TEXT,
  payload INTEGER,                          -- content: tool calls, arguments and the like
  tool_call_id TEXT,
  tool_name TEXT,
  created_at REAL,
  recorded_at REAL NOT NULL,
  position INTEGER NOT NULL,
  forgotten INTEGER,                        -- position of the tombstone
  PRIMARY KEY(ws, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX page_of_home ON page(home, page_type, position);

CREATE TABLE version(
  ws INTEGER NOT NULL,
  page TEXT NOT NULL,
  version INTEGER NOT NULL,
  branch INTEGER NOT NULL,
  parent INTEGER,
  modality TEXT NOT NULL,
  content INTEGER NOT NULL,
  hint INTEGER,
  tokens INTEGER NOT NULL,
  size INTEGER NOT NULL,
  source TEXT NOT NULL,
  trust INTEGER NOT NULL,
  importance REAL NOT NULL,
  derived_from TEXT NOT NULL,
  at REAL NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY(ws, page, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE derivation(ws INTEGER NOT NULL, source TEXT NOT NULL, page TEXT NOT NULL,
  PRIMARY KEY(ws, source, page)) STRICT, WITHOUT ROWID;

CREATE TABLE representation(
  ws INTEGER NOT NULL,
  page TEXT NOT NULL,
  version INTEGER NOT NULL,
  level INTEGER NOT NULL,
  origin TEXT NOT NULL,
  content INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  PRIMARY KEY(ws, page, version, level)
) STRICT, WITHOUT ROWID;

CREATE TABLE resident(
  ses INTEGER NOT NULL,
  page TEXT NOT NULL,
  version INTEGER NOT NULL,
  level INTEGER,                            -- NULL: evicted, remembered for damping
  tokens INTEGER NOT NULL,
  touched INTEGER NOT NULL,
  turn INTEGER NOT NULL,
  mapped_turn INTEGER NOT NULL,
  protected_until INTEGER NOT NULL,
  PRIMARY KEY(ses, page)
) STRICT, WITHOUT ROWID;

CREATE TABLE pin(ses INTEGER NOT NULL, page TEXT NOT NULL, until_turn INTEGER,
  PRIMARY KEY(ses, page)) STRICT, WITHOUT ROWID;

CREATE TABLE written(ses INTEGER NOT NULL, key TEXT NOT NULL, event_id TEXT, page TEXT,
  PRIMARY KEY(ses, key)) STRICT, WITHOUT ROWID;

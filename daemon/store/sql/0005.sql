-- Schema 5: capabilities, and who did what with them.

-- `scope`: JSON with rights, sessions and ops, which never change; `hash`: SHA-256 of the token's secret, which is kept nowhere.
CREATE TABLE capability (
  id TEXT PRIMARY KEY,
  parent TEXT,
  label TEXT NOT NULL,
  scope TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  created_at INTEGER NOT NULL,
  used_at INTEGER,
  hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- `outcome`: "ok", "duplicate", or the kind of the refusal. `session` is the id that was named, whether it is there or not.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  capability TEXT NOT NULL,
  actor TEXT NOT NULL,
  method TEXT NOT NULL,
  session TEXT,
  outcome TEXT NOT NULL
) STRICT;
CREATE INDEX audit_capability ON audit (capability, id);

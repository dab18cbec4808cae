-- Schema 7: sinks and what is on its way to them.

-- `cursor`, `seq`: what was acknowledged last. `filter`: JSON of an EventFilter, null for all. `token`: what is shown there; it is
-- kept as it is, since it must be sent.
CREATE TABLE sink (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  url TEXT NOT NULL,
  token TEXT,
  filter TEXT,
  state TEXT NOT NULL,
  cursor TEXT NOT NULL,
  seq INTEGER NOT NULL,
  last_error TEXT,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `through`: the cursor that the sink has when this is acknowledged. `items`: the JSON text that is sent, the same each time; ''
-- once it was acknowledged. `rejected`: JSON of what the other side refused of it, with its reasons.
CREATE TABLE batch (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  sink TEXT NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  through TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_retry_at INTEGER,
  last_error TEXT,
  items TEXT NOT NULL,
  rejected TEXT NOT NULL
) STRICT;
CREATE INDEX batch_sink ON batch (sink, key);

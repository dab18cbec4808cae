-- Schema 1. Forward only: this file is never edited once a release carries it.
-- A record is encoded once: its text stands in `body` under the seq of the event that wrote it, and the event and the
-- table's row both mean that row. Sessions are the exception: fields that follow from other events change them without
-- an event of their own, so their row holds its own text.

CREATE TABLE store (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  store_id TEXT NOT NULL,
  -- head is kept here, never derived from the journal, which may be pruned empty (P9)
  head_seq INTEGER NOT NULL,
  head_tag INTEGER NOT NULL,
  last_at INTEGER NOT NULL,
  floor_seq INTEGER NOT NULL,
  floor_tag INTEGER NOT NULL
) STRICT;

CREATE TABLE actor (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE session (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  -- as created: what the filters of feeds match, also after a deletion
  directory TEXT,
  agent TEXT,
  -- copies of fields of `record`, to list by
  parent_id TEXT,
  origin_source TEXT,
  origin_external TEXT,
  current_agent TEXT,
  status TEXT NOT NULL,
  archived INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  next_message INTEGER NOT NULL,
  -- the seq of its last event
  changed_seq INTEGER NOT NULL,
  -- null once deleted: the row stays, and with it the id stays taken
  record TEXT
) STRICT;
CREATE INDEX session_newest ON session (updated_at, key) WHERE record IS NOT NULL;
CREATE INDEX session_parent ON session (parent_id) WHERE record IS NOT NULL AND parent_id IS NOT NULL;
CREATE INDEX session_origin ON session (origin_external) WHERE record IS NOT NULL AND origin_external IS NOT NULL;

CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  -- rows of session and actor are never deleted, so a check for each event would find nothing
  session INTEGER NOT NULL,
  version INTEGER NOT NULL,
  type TEXT NOT NULL,
  at INTEGER NOT NULL,
  occurred_at INTEGER,
  actor INTEGER NOT NULL,
  op_id TEXT NOT NULL,
  -- the seq of the last event of its op: batches end only there, also when a filter leaves that event out
  op_last INTEGER NOT NULL,
  tag INTEGER NOT NULL
) STRICT;

CREATE TABLE body (seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;

-- The keys below tie message, part, turn and blocker to one session: a row that points into another cannot be written.
CREATE TABLE turn (
  session INTEGER NOT NULL REFERENCES session (key),
  idx INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL,
  body INTEGER NOT NULL,
  PRIMARY KEY (session, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE message (
  session INTEGER NOT NULL REFERENCES session (key),
  idx INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  turn INTEGER,
  body INTEGER NOT NULL,
  PRIMARY KEY (session, idx),
  FOREIGN KEY (session, turn) REFERENCES turn (session, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE part (
  session INTEGER NOT NULL,
  message INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  body INTEGER NOT NULL,
  -- lengths in UTF-16 units of body plus chunks; null where the part has no such text
  text_units INTEGER,
  output_units INTEGER,
  PRIMARY KEY (session, message, idx),
  FOREIGN KEY (session, message) REFERENCES message (session, idx)
) STRICT, WITHOUT ROWID;

-- Streamed text: one row a delta, pointing to its event's body; joined when read.
CREATE TABLE chunk (
  session INTEGER NOT NULL,
  message INTEGER NOT NULL,
  part INTEGER NOT NULL,
  field TEXT NOT NULL,
  at_unit INTEGER NOT NULL,
  body INTEGER NOT NULL,
  PRIMARY KEY (session, message, part, field, at_unit),
  FOREIGN KEY (session, message, part) REFERENCES part (session, message, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocker (
  session INTEGER NOT NULL REFERENCES session (key),
  idx INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  turn INTEGER,
  state TEXT NOT NULL,
  body INTEGER NOT NULL,
  PRIMARY KEY (session, idx),
  FOREIGN KEY (session, turn) REFERENCES turn (session, idx)
) STRICT, WITHOUT ROWID;

CREATE TABLE artifact (
  session INTEGER NOT NULL REFERENCES session (key),
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  body INTEGER NOT NULL,
  PRIMARY KEY (session, kind, key)
) STRICT, WITHOUT ROWID;

-- Ids of removed messages and parts: they stay taken.
CREATE TABLE removed (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- Op ids and their first results; digest is SHA-256 over type and params. Rows are appended, and found by op_key, some
-- bits of a hash over principal and op id: clients choose op ids at random, and an index of the ids themselves would
-- touch a page of its own for each op.
CREATE TABLE ledger (
  entry INTEGER PRIMARY KEY,
  op_key INTEGER NOT NULL,
  principal TEXT NOT NULL,
  op_id TEXT NOT NULL,
  digest BLOB NOT NULL,
  seq INTEGER,
  version INTEGER NOT NULL,
  ids TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_op ON ledger (op_key);
CREATE TABLE ledger_batch (
  principal TEXT NOT NULL,
  batch_id TEXT NOT NULL,
  digest BLOB NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (principal, batch_id)
) STRICT, WITHOUT ROWID;

-- What each record of a source last put, kept for ever. The key is some bits of the op id's hash and the digest is taken
-- over the op id too, so that two records which share a key cannot be taken for one another.
CREATE TABLE source_record (op_key INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT;

-- How far each transcript was read; written in the transaction of the ops it stands for. Kept for ever.
CREATE TABLE source_position (
  source TEXT NOT NULL,
  path TEXT NOT NULL,
  session_key TEXT NOT NULL,
  inode INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ms REAL NOT NULL,
  -- checksum of the bytes before offset (the last of them), to tell a rewrite from growth
  tail BLOB NOT NULL,
  state TEXT NOT NULL,
  bad_records INTEGER NOT NULL,
  PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;

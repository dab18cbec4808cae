-- Schema 7: what goes out to others, and what comes in from another store.

-- `cursor`, `seq`: up to there all was acknowledged or is not for it. `held`: what the other side said last that it holds.
-- `filter`: JSON, null for all. `token`: what is shown there; it is kept as it is, since it must be sent. `resync`: nobody knows
-- what it has, or the journal has not what it lacks: it is sent whole sessions.
CREATE TABLE sink (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  url TEXT NOT NULL,
  token TEXT,
  filter TEXT,
  mask INTEGER NOT NULL,
  state TEXT NOT NULL,
  cursor TEXT NOT NULL,
  seq INTEGER NOT NULL,
  held TEXT,
  resync INTEGER NOT NULL,
  last_error TEXT,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each session was put into batches for a sink: up to `version`; up to `seen` the rest is not for it. `state`: 'at'; or
-- 'unknown', the next op tells; 'stale': it must be sent whole; 'gone': nothing more is sent of it; 'large': neither, since the
-- other side takes nothing as large.
CREATE TABLE sink_session (
  sink TEXT NOT NULL,
  session TEXT NOT NULL,
  version INTEGER NOT NULL,
  seen INTEGER NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (sink, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX sink_session_stale ON sink_session (sink) WHERE state = 'stale';

-- `through`: the cursor that the sink has when this is acknowledged. `items`: the JSON text that is sent, the same each time; ''
-- once it was acknowledged. `count`: how many items. `rejected`: JSON of what the other side refused of it, with its reasons.
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
  count INTEGER NOT NULL,
  rejected TEXT NOT NULL
) STRICT;
CREATE INDEX batch_sink ON batch (sink, key);

-- Sessions shared through a host. Rows of their own: they outlive their session (P29). The sink of the same name sends it.
-- `maker`: the capability that it was made with, null for the owner: it ends with that.
-- `capability`: here, what its guests may do; null where they may but read. `ended_at`: revoked here; the row goes when the host
-- knows.
CREATE TABLE share (
  id TEXT PRIMARY KEY,
  session TEXT NOT NULL,
  host TEXT NOT NULL,
  rights TEXT NOT NULL,
  maker TEXT,
  capability TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  ended_at INTEGER
) STRICT, WITHOUT ROWID;

-- Sessions whose home is another store, and how far they are held, for ever. `version`: the home's; `ahead`: what is to be added
-- to it for the version here, which is less where part/delta was left out and more where whole sessions were sent in between.
-- `capability`: what brought it; '' for the owner. `snapshot`, `piece`: the snapshot that came last, and the index of its next
-- piece. `state`: 'held'; or 'arriving', a snapshot is under way; 'discarded', the owner deleted it here.
CREATE TABLE replica (
  session TEXT PRIMARY KEY,
  origin TEXT NOT NULL,
  capability TEXT NOT NULL,
  version INTEGER NOT NULL,
  ahead INTEGER NOT NULL,
  snapshot TEXT,
  piece INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How far the journal of another store is held of what came by a capability, for ever.
CREATE TABLE replica_origin (
  capability TEXT NOT NULL,
  origin TEXT NOT NULL,
  cursor TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (capability, origin)
) STRICT, WITHOUT ROWID;

-- Ops of guests on their way home. `digest`: of type and params; `op`: '' once it has a result; `units`: of its text, in UTF-16
-- units; `result`: JSON of what became of it there, null until then.
CREATE TABLE guest_op (
  key INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  session TEXT NOT NULL,
  principal TEXT NOT NULL,
  actor TEXT NOT NULL,
  op_id TEXT NOT NULL,
  digest BLOB NOT NULL,
  op TEXT NOT NULL,
  units INTEGER NOT NULL,
  result TEXT,
  at INTEGER NOT NULL,
  UNIQUE (principal, op_id)
) STRICT;
CREATE INDEX guest_op_waiting ON guest_op (key) WHERE result IS NULL;
CREATE INDEX guest_op_waiting_of ON guest_op (session, units) WHERE result IS NULL;

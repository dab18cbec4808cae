-- Schema 2: sources that a person added or removed; a position knows by which version of its source it was read.

-- `removed`: a source that would be there by default and must not be.
CREATE TABLE source (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  path TEXT NOT NULL,
  removed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each transcript was read, without what its source remembers of it: that is large, and needed only when there is
-- something new, where the rest of all rows is read at each start. `version`: of the source; 0 is from before sources had
-- versions. What another version read is read anew.
CREATE TABLE source_mark (
  source TEXT NOT NULL,
  path TEXT NOT NULL,
  session_key TEXT NOT NULL,
  inode INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ms REAL NOT NULL,
  -- checksum of the bytes before offset (the last of them), to tell a rewrite from growth
  tail BLOB NOT NULL,
  bad_records INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;
INSERT INTO source_mark
  SELECT source, path, session_key, inode, offset, size, mtime_ms, tail, bad_records, 0 FROM source_position;
DROP TABLE source_position;
CREATE TABLE source_state (
  source TEXT NOT NULL,
  path TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (source, path)
) STRICT, WITHOUT ROWID;

-- What each record of a source last put, kept for ever: a row for each record, session by session. Before, the rows of a
-- session lay all over the table, so that each op of a commit touched a page of its own. The old ones are not needed:
-- transcripts are read anew by the new version of their source, and what the tables hold already makes no event.
DROP TABLE source_record;
CREATE TABLE source_record (op_key INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT;

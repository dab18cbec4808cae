-- Schema 2: sources that a person added or removed; a position knows by which version of its source it was read.

-- `removed`: a source that would be there by default and must not be.
CREATE TABLE source (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  path TEXT NOT NULL,
  removed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- 0: before sources had versions. What another version read is read anew.
ALTER TABLE source_position ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- What each record of a source last put, kept for ever: a row for each record, session by session. Before, the rows of a
-- session lay all over the table, so that each op of a commit touched a page of its own. The old ones are not needed:
-- transcripts are read anew by the new version of their source, and what the tables hold already makes no event.
DROP TABLE source_record;
CREATE TABLE source_record (op_key INTEGER PRIMARY KEY, digest BLOB NOT NULL) STRICT;

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

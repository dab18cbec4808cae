-- Schema 4: named subscribers.

-- How far each who reads by name has come; `seq` is that of `cursor`, for retention. They are the daemon's own: an op neither
-- makes nor changes them.
CREATE TABLE subscriber (
  principal TEXT NOT NULL,
  name TEXT NOT NULL,
  cursor TEXT NOT NULL,
  seq INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  used_at INTEGER NOT NULL,
  PRIMARY KEY (principal, name)
) STRICT, WITHOUT ROWID;

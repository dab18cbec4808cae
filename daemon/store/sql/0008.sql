-- Schema 8: op ids are found by an index that is written in the order of its keys, many at a time. Clients choose op ids at random: an
-- index that took each at once wrote a page of its own for each op, two thirds of all pages of a commit.

-- `op_key` of each row of the ledger up to `store.ledger_keyed`; those behind it are few, and held in memory (store/op-keys.ts).
CREATE TABLE ledger_key (
  op_key INTEGER NOT NULL,
  entry INTEGER NOT NULL,
  PRIMARY KEY (op_key, entry)
) STRICT, WITHOUT ROWID;
INSERT INTO ledger_key SELECT op_key, entry FROM ledger ORDER BY op_key, entry;
DROP INDEX ledger_op;
ALTER TABLE store ADD COLUMN ledger_keyed INTEGER NOT NULL DEFAULT 0;
UPDATE store SET ledger_keyed = (SELECT ifnull(max(entry), 0) FROM ledger);

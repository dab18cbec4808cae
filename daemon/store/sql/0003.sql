-- Schema 3: turns and blockers are written. Ways to find the open and pending ones at once, and what hangs on a turn.

CREATE INDEX turn_state ON turn (state);
CREATE INDEX turn_open ON turn (session) WHERE state IN ('created', 'streaming');
CREATE INDEX blocker_state ON blocker (state);
CREATE INDEX message_turn ON message (session, turn) WHERE turn IS NOT NULL;
CREATE INDEX blocker_turn ON blocker (session, turn) WHERE turn IS NOT NULL;

-- To find the batches that are too old to be kept. Of the ledger's own rows the oldest come first.
CREATE INDEX ledger_batch_at ON ledger_batch (at);

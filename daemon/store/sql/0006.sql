-- Schema 6: what stands for a token in a browser.

-- SHA-256 of the cookie that POST /login gave last; null where none was given.
ALTER TABLE capability ADD COLUMN cookie BLOB;

-- Of one capability what was done is counted apart from what was refused.
DROP INDEX audit_capability;
CREATE INDEX audit_capability ON audit (capability, outcome = 'ok');

-- 32 random bytes, made when a store comes to have this: what page tokens are encrypted with.
ALTER TABLE store ADD COLUMN secret BLOB;

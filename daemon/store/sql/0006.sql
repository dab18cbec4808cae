-- Schema 6: what stands for a token in a browser.

-- SHA-256 of the cookie that POST /login gave last; null where none was given.
ALTER TABLE capability ADD COLUMN cookie BLOB;

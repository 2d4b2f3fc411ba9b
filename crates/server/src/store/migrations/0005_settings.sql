-- What the server decided once and keeps: secrets of digest nonces, the hash of the admin password.
CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What a user signs in with besides the password: each device has a name and a secret of its own, and can be revoked.
CREATE TABLE devices (
    authorization_user TEXT    NOT NULL PRIMARY KEY,
    user               TEXT    NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    label              TEXT    NOT NULL,
    realm              TEXT    NOT NULL,
    ha1_md5            BLOB    NOT NULL CHECK (length(ha1_md5) = 16),
    ha1_sha256         BLOB    NOT NULL CHECK (length(ha1_sha256) = 32),
    ha1_sha512_256     BLOB    NOT NULL CHECK (length(ha1_sha512_256) = 32),
    created            INTEGER NOT NULL,
    revoked            INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_of_user ON devices (user);

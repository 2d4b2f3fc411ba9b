-- Who may sign in. The hashes are H(name:realm:password), RFC 3261 §22.4 and RFC 7616 §3.4.2.
CREATE TABLE users (
    name           TEXT    NOT NULL PRIMARY KEY,
    realm          TEXT    NOT NULL,
    ha1_md5        BLOB    NOT NULL CHECK (length(ha1_md5) = 16),
    ha1_sha256     BLOB    NOT NULL CHECK (length(ha1_sha256) = 32),
    ha1_sha512_256 BLOB    NOT NULL CHECK (length(ha1_sha512_256) = 32),
    display        TEXT    NOT NULL,
    created        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The location service (RFC 3261 §10): where each address of record is reached. `key` is the number that the location
-- service gave the binding; times are Unix milliseconds; `q` is in thousandths; `recency` orders the bindings of an
-- address of record. Texts of the wire are kept as the bytes that came.
CREATE TABLE bindings (
    aor        TEXT    NOT NULL,
    key        BLOB    NOT NULL,
    contact    BLOB    NOT NULL,
    uri        BLOB    NOT NULL,
    instance   BLOB,
    reg_id     INTEGER,
    expires    INTEGER NOT NULL,
    q          INTEGER NOT NULL,
    recency    INTEGER NOT NULL,
    path       BLOB    NOT NULL,
    call_id    BLOB    NOT NULL,
    cseq       INTEGER NOT NULL,
    transport  TEXT    NOT NULL,
    local      TEXT    NOT NULL,
    remote     TEXT    NOT NULL,
    user_agent BLOB    NOT NULL,
    PRIMARY KEY (aor, key)
) STRICT, WITHOUT ROWID;

-- One row a call and one a leg. `call` is our own name of the call, unique for all time, so that a record that is
-- written twice after a fault is there once.
CREATE TABLE cdrs (
    call        TEXT    NOT NULL PRIMARY KEY,
    started     INTEGER NOT NULL,
    answered    INTEGER,
    ended       INTEGER NOT NULL,
    caller      TEXT    NOT NULL,
    callee      TEXT    NOT NULL,
    answered_by TEXT,
    status      INTEGER NOT NULL,
    reason      TEXT    NOT NULL,
    ended_by    TEXT    NOT NULL
) STRICT;

CREATE INDEX cdrs_by_start ON cdrs (started);

CREATE TABLE cdr_legs (
    call             TEXT    NOT NULL REFERENCES cdrs (call) ON DELETE CASCADE,
    leg              INTEGER NOT NULL,
    party            TEXT    NOT NULL,
    call_id          TEXT    NOT NULL,
    transport        TEXT    NOT NULL,
    remote           TEXT    NOT NULL,
    media_profile    TEXT    NOT NULL,
    codec            TEXT,
    packets_received INTEGER NOT NULL,
    octets_received  INTEGER NOT NULL,
    packets_sent     INTEGER NOT NULL,
    octets_sent      INTEGER NOT NULL,
    packets_lost     INTEGER NOT NULL,
    packets_dropped  INTEGER NOT NULL,
    PRIMARY KEY (call, leg)
) STRICT, WITHOUT ROWID;

-- What a user has set for the calls that come for it. A user of the configuration has no row in `users` and may have one
-- here; a user who has set nothing has none.
CREATE TABLE features (
    user              TEXT    NOT NULL PRIMARY KEY,
    forward_always    TEXT,
    forward_busy      TEXT,
    forward_no_answer TEXT,
    ring_seconds      INTEGER,
    do_not_disturb    INTEGER NOT NULL CHECK (do_not_disturb IN (0, 1)),
    waiting           INTEGER,
    pickup_group      TEXT
) STRICT, WITHOUT ROWID;

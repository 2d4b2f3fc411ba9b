-- Rooms, so that they outlive the process. Tokens are what members come back with; they are as secret as the file.
CREATE TABLE rooms (
    name        TEXT    PRIMARY KEY,
    owner       TEXT    NOT NULL,
    expires     INTEGER NOT NULL,
    pin         TEXT,
    locked      INTEGER NOT NULL,
    knock       INTEGER NOT NULL,
    host        INTEGER,
    last_member INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE room_members (
    room  TEXT    NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
    id    INTEGER NOT NULL,
    name  TEXT    NOT NULL,
    token TEXT    NOT NULL,
    PRIMARY KEY (room, id)
) STRICT, WITHOUT ROWID;

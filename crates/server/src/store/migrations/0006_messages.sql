-- Instant messages for users who are away. `number` orders them and is never given twice; times are Unix milliseconds.
-- Texts of the wire are kept as the bytes that came.
CREATE TABLE messages (
    number       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user         TEXT    NOT NULL,
    sender       TEXT    NOT NULL,
    display      TEXT    NOT NULL,
    headers      BLOB    NOT NULL,
    content_type BLOB    NOT NULL,
    body         BLOB    NOT NULL,
    sent         INTEGER NOT NULL,
    expires      INTEGER NOT NULL
) STRICT;

CREATE INDEX messages_of_user ON messages (user, number);

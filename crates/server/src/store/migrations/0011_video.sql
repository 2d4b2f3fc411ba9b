-- What was counted of the video beside the audio of a leg: a row where there was video. A request for a picture is a PLI or a
-- FIR; packets_repeated were sent to the party again.
CREATE TABLE cdr_videos (
    call                      TEXT    NOT NULL REFERENCES cdrs (call) ON DELETE CASCADE,
    leg                       INTEGER NOT NULL,
    packets_received          INTEGER NOT NULL,
    octets_received           INTEGER NOT NULL,
    packets_sent              INTEGER NOT NULL,
    octets_sent               INTEGER NOT NULL,
    packets_lost              INTEGER NOT NULL,
    packets_dropped           INTEGER NOT NULL,
    packets_repeated          INTEGER NOT NULL,
    nacks_received            INTEGER NOT NULL,
    nacks_sent                INTEGER NOT NULL,
    picture_requests_received INTEGER NOT NULL,
    picture_requests_sent     INTEGER NOT NULL,
    PRIMARY KEY (call, leg)
) STRICT, WITHOUT ROWID;

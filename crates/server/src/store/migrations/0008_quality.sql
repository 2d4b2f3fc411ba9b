-- How good each leg was, and why its party was not heard. "received" is what came from the party, "sent" what it says came
-- to it. Scores are mean opinion scores (1 to 4.5), losses percent, times milliseconds; those that end in `_after` count
-- from the answer of the leg.
ALTER TABLE cdr_legs ADD COLUMN mos_received REAL;
ALTER TABLE cdr_legs ADD COLUMN mos_received_worst REAL;
ALTER TABLE cdr_legs ADD COLUMN mos_sent REAL;
ALTER TABLE cdr_legs ADD COLUMN mos_sent_worst REAL;
ALTER TABLE cdr_legs ADD COLUMN loss_received REAL;
ALTER TABLE cdr_legs ADD COLUMN loss_sent REAL;
ALTER TABLE cdr_legs ADD COLUMN jitter_received REAL;
ALTER TABLE cdr_legs ADD COLUMN jitter_sent REAL;
ALTER TABLE cdr_legs ADD COLUMN round_trip REAL;
ALTER TABLE cdr_legs ADD COLUMN round_trip_longest REAL;
ALTER TABLE cdr_legs ADD COLUMN packets_late INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdr_legs ADD COLUMN packets_duplicate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdr_legs ADD COLUMN audio_missing INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdr_legs ADD COLUMN ice_after INTEGER;
ALTER TABLE cdr_legs ADD COLUMN dtls_after INTEGER;
ALTER TABLE cdr_legs ADD COLUMN received_after INTEGER;
ALTER TABLE cdr_legs ADD COLUMN sent_after INTEGER;
ALTER TABLE cdr_legs ADD COLUMN silent_because TEXT;
ALTER TABLE cdr_legs ADD COLUMN verdict TEXT;

-- What the phone of each leg has said of what it heard (RFC 6035), by its own measure; NULL where it has said nothing.
-- Losses are percent, times milliseconds, scores mean opinion scores (1 to 5).
ALTER TABLE cdr_legs ADD COLUMN reported_loss REAL;
ALTER TABLE cdr_legs ADD COLUMN reported_discarded REAL;
ALTER TABLE cdr_legs ADD COLUMN reported_jitter REAL;
ALTER TABLE cdr_legs ADD COLUMN reported_round_trip REAL;
ALTER TABLE cdr_legs ADD COLUMN reported_mos_lq REAL;
ALTER TABLE cdr_legs ADD COLUMN reported_mos_cq REAL;

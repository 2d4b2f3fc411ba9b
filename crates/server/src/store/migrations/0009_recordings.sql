-- The files below `recordings/` in the data directory that a call was recorded in, with spaces between their names. Nothing
-- here follows when they are removed.
ALTER TABLE cdrs ADD COLUMN recordings TEXT;

-- For rows of the source whose changes stay in the outbox, the row as of the last drain.
CREATE TEMP TABLE {later} ({typed_columns}) ON COMMIT DROP

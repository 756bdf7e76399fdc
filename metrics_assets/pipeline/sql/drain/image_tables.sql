-- The images of one source: its row before (-1) and after (+1) everything that this drain takes of it.
-- `later` holds, for rows of the source whose changes stay in the outbox, the row as of the last drain.
CREATE TEMP TABLE {image} (side smallint NOT NULL, {columns}) ON COMMIT DROP;
CREATE TEMP TABLE {later} ({columns}) ON COMMIT DROP;

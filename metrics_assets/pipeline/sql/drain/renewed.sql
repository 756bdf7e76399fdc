-- Rows that came or went since the last drain, for good or for a moment: one that went and came again looks like one that was
-- updated, or was not touched. Reads {outbox}, before it is taken; writes {renewed}.
CREATE TEMP TABLE {renewed} ON COMMIT DROP AS
SELECT DISTINCT {key} FROM {outbox} WHERE op <> 'U'

-- Reads: the state of one set, by its key. Writes nothing.
SELECT clock_timestamp(), state, coalesce(pause_reason, CASE WHEN paused_at IS NOT NULL THEN 'paused' END),
       inexact_reason, complete_through, changed_at
FROM metrics.set_state
WHERE set_name = {set_name};

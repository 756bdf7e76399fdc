-- Runs in ClickHouse. Downloads of versions by UTC day of `time`: distinct events of type Download.
-- Rows that are equal in all six columns are one event delivered again; such rows share their day, so the log can be
-- counted in ranges of days. Zero and below name no version.
-- Reads: modelVersionEvents.

SELECT
    'Download'                                                        AS metric_type,
    modelVersionId                                                    AS version_id,
    toDate32(toTimeZone(time, 'UTC'))                                 AS day,
    uniqExact((type, time, userId, modelId, modelVersionId, ip))      AS total
FROM modelVersionEvents
WHERE type = 'Download'
  AND modelVersionId BETWEEN 1 AND 2147483647
  AND time >= toDateTime('{first_day} 00:00:00', 'UTC')
  AND time <= toDateTime('{last_day} 23:59:59', 'UTC')
  AND {of_these_versions}
  AND {of_counted_users}
GROUP BY version_id, day

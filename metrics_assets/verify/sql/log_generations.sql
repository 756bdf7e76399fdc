-- Runs in ClickHouse. Generations of versions by UTC day: a job counts once per version that any of its deliveries
-- names, on the day of the earliest createdAt of those deliveries. Deliveries of one job may lie anywhere in the log,
-- so the log is counted in slices of jobs, never of days. Zero and below name no version.
-- Reads: orchestration.jobs.

SELECT
    'Generation'  AS metric_type,
    version_id,
    day,
    count()       AS total
FROM (
    SELECT
        version_id,
        jobId,
        toDate32(toTimeZone(min(createdAt), 'UTC')) AS day
    FROM orchestration.jobs
    ARRAY JOIN resourcesUsed AS version_id
    WHERE version_id BETWEEN 1 AND 2147483647
      AND cityHash64(jobId) % {slices} = {slice}
      AND {of_these_versions}
      AND {of_counted_users}
    GROUP BY version_id, jobId
)
GROUP BY version_id, day

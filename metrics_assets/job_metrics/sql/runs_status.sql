-- Which of the runs exist, and their status.
SELECT run_id, status FROM metrics.job_run WHERE run_id = ANY (%(run_ids)s::text[])

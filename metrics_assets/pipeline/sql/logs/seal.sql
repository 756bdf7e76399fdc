-- Days whose count moved, for entityMetricDaily: in the transaction that moves the totals by them, so that the one never
-- knows more than the other. Reads log_day; writes batch_day, batch, log_count.
INSERT INTO metrics.batch_day (batch_id, entity_type, entity_id, metric_type, day, total)
SELECT {version}, {entity}, entity_id, {metric}, day, total FROM log_day WHERE total <> stored;

INSERT INTO metrics.batch (id, kind, total_rows)
SELECT {version}, 'days', count(*) FROM metrics.batch_day WHERE batch_id = {version} HAVING count(*) > 0;

INSERT INTO metrics.log_count AS c (entity_type, metric_type, daily_version)
SELECT {entity}, {metric}, id FROM metrics.batch WHERE id = {version}
ON CONFLICT (entity_type, metric_type) DO UPDATE SET daily_version = excluded.daily_version;

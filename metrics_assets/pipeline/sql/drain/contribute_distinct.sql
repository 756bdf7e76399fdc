-- One contribution per member that counts, on the day of its first row that does, before and after. In between, each of
-- its rows may have been the first one: side 0 on other days, so that ClickHouse hears that the member does not count there.
-- Reads {member}; writes change.
INSERT INTO change (side, entity_type, entity_id, metric_type, day, event_key, user_id, value, created_at, source)
WITH counted AS MATERIALIZED (
    SELECT {entity_id} AS counted_id, {distinct_by} AS counted_member,
           min({counted_at}) FILTER (WHERE side = -1) AS before, min({counted_at}) FILTER (WHERE side = 1) AS after,
           min({counted_at})::date AS first_day, max({counted_at})::date AS last_day
    FROM {member}
    WHERE ({where}) AND {entity_id} > 0
    GROUP BY 1, 2
)
SELECT first_row.side, {entity}, counted_id, {metric}, first_row.at::date, counted_member, counted_member, 1, first_row.at, {source}
FROM counted
CROSS JOIN LATERAL (VALUES (-1, before), (1, after)) AS first_row (side, at)
WHERE first_row.at IS NOT NULL
UNION ALL
SELECT 0, {entity}, counted_id, {metric}, {counted_at}::date, counted_member, counted_member, 1, min({counted_at}), {source}
FROM counted
JOIN {member} ON {entity_id} = counted_id AND {distinct_by} = counted_member
WHERE ({where}) AND (first_day <> last_day OR coalesce(before, after) IS NULL)
  AND {counted_at}::date IS DISTINCT FROM before::date AND {counted_at}::date IS DISTINCT FROM after::date
GROUP BY counted_id, counted_member, {counted_at}::date;

-- Contributions of one kind in a range of days, straight from the source, with the number of the snapshot as version.
-- Reads {table}. Columns as entityMetricEvents has them: users and keys are unsigned there.
COPY (
    SELECT {entity}, {metric}, {counted_at}::date, {entity_id},
           {event_key} & 9223372036854775807, {user} & 4294967295, {value},
           {counted_at}::timestamp(3), {version}, {source}
    FROM {table} s
    WHERE ({where}) AND {entity_id} > 0 AND {in_days}
      AND NOT ({uncountable})
      AND {s_admitted}
) TO STDOUT

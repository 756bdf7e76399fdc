-- Members that count, in the range of days that their first row that counts falls in. Reads {table}.
COPY (
    SELECT {entity}, {metric}, min({counted_at})::date, {entity_id},
           {distinct_by} & 9223372036854775807, {distinct_by} & 4294967295, 1,
           min({counted_at})::timestamp(3), {version}, {source}
    FROM {table} s
    WHERE ({where}) AND {entity_id} > 0
      AND {member_in_days}
      AND NOT ({uncountable})
      AND {s_admitted}
    GROUP BY {entity_id}, {distinct_by}
    HAVING min({counted_at}) >= {first} AND min({counted_at}) < {end}
) TO STDOUT

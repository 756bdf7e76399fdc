-- Rows of a source by the month that they count in; what lies before 1970 is done together with it. Reads {table}.
SELECT date_trunc('month', greatest({counted_at}, timestamp 'epoch'))::date, count(*)
FROM {table} s
WHERE NOT ({uncountable})
GROUP BY 1

-- Configurations by what their indexes are for. A filter that is null is none.
SELECT *
FROM metrics.model_config
WHERE (%(provider)s::text IS NULL OR provider = %(provider)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND capabilities @> %(capabilities)s::text[]
  AND (%(updated_since)s::timestamptz IS NULL OR updated_at >= %(updated_since)s)
ORDER BY name, id

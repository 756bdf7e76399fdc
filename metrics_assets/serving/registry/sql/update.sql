-- Writes every field of a configuration. Safe to repeat: the same values again are one more version in its history.
UPDATE metrics.model_config
SET name = %(name)s, provider = %(provider)s, description = %(description)s, status = %(status)s,
    capabilities = %(capabilities)s, pricing = %(pricing)s, retires_at = %(retires_at)s, replaced_by = %(replaced_by)s
WHERE id = %(id)s
RETURNING *

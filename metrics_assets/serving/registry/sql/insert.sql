-- Creates a configuration. Writes model_config; its triggers give version and history. A key that is there makes it fail.
INSERT INTO metrics.model_config
    (id, name, provider, description, status, capabilities, pricing, retires_at, replaced_by)
VALUES
    (%(id)s, %(name)s, %(provider)s, %(description)s, %(status)s, %(capabilities)s, %(pricing)s, %(retires_at)s,
     %(replaced_by)s)
RETURNING *

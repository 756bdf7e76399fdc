-- Per source: a hash of what its capture consists of; what its rows lie in and are captured by, each with the transaction
-- that wrote it last; and why its changes cannot be seen, null when they can.
-- The second is files, captured columns with the labels of their enums, triggers and their functions: all of it can change
-- values, or miss changes, without a trigger that fires, and look as before by the next tick.
-- Parameters: table names, the same as a statement has them, the names that their functions carry, their captured columns as
-- JSON. Reads catalogs only.
SELECT s.table_name,
       md5(concat_ws(
           E'\n',
           t.definitions,
           (SELECT string_agg(concat_ws(' ', f.proname, f.prosrc, f.prosecdef, f.proconfig), E'\n' ORDER BY f.proname)
            FROM pg_proc f
            WHERE f.oid = ANY (s.functions)),
           (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
            FROM pg_attribute a
            WHERE a.attrelid = to_regclass('metrics.outbox_' || s.short_name) AND a.attnum > 0 AND NOT a.attisdropped)
       )) AS fingerprint,
       concat_ws(
           ' ',
           t.files,
           (SELECT string_agg(concat_ws(':', f.oid, f.xmin), ' ' ORDER BY f.oid) FROM pg_proc f WHERE f.oid = ANY (s.functions))
       ) AS files,
       t.unseen
FROM (
    SELECT given.*,
           ARRAY(SELECT f.oid FROM pg_proc f
                 WHERE f.pronamespace = to_regnamespace('metrics')
                   AND f.proname IN (SELECT 'capture_' || given.short_name || '_' || event
                                     FROM unnest('{{insert,update,delete,truncate}}'::text[]) event)) AS functions
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::jsonb[]) AS given (table_name, relation, short_name, columns)
) s
CROSS JOIN LATERAL (
    SELECT string_agg(
               coalesce(
                   (SELECT string_agg(concat_ws(' ', g.tgname, g.tgenabled, pg_get_triggerdef(g.oid)), E'\n' ORDER BY g.tgname)
                    FROM pg_trigger g WHERE g.tgrelid = r.relid AND g.tgname LIKE 'metrics_capture_%%'),
                   'a relation without capture'),
               E'\n' ORDER BY r.relid) AS definitions,
           string_agg(
               concat_ws(
                   ' ',
                   pg_relation_filenode(r.relid),
                   (SELECT string_agg(concat_ws(':', g.oid, g.xmin), ' ' ORDER BY g.oid)
                    FROM pg_trigger g WHERE g.tgrelid = r.relid AND g.tgname LIKE 'metrics_capture_%%'),
                   captured.columns,
                   feed.subscriptions,
                   kept.hidden),
               ',' ORDER BY r.relid) AS files,
           string_agg(DISTINCT coalesce(feed.unseen, captured.unseen, kept.unseen), '; ') AS unseen
    FROM (WITH RECURSIVE relation (relid) AS (
              SELECT to_regclass(s.relation)::oid
              UNION
              SELECT i.inhrelid FROM pg_inherits i JOIN relation ON i.inhparent = relation.relid
          )
          SELECT relid FROM relation) r
    CROSS JOIN LATERAL (
        SELECT string_agg(
                   concat_ws(
                       ':', a.attnum, a.xmin,
                       (SELECT md5(string_agg(concat_ws(':', e.enumlabel, e.xmin), ',' ORDER BY e.oid))
                        FROM pg_enum e WHERE e.enumtypid = a.atttypid)),
                   ' ' ORDER BY a.attnum) AS columns,
               string_agg(
                   format('column "%%s" is generated when it is read (VIRTUAL), and triggers do not see its values: make it '
                          'STORED', a.attname),
                   '; ') FILTER (WHERE a.attgenerated = 'v') AS unseen
        FROM pg_attribute a
        WHERE a.attrelid = r.relid AND a.attnum > 0 AND NOT a.attisdropped AND s.columns ? a.attname
    ) captured
    CROSS JOIN LATERAL (
        SELECT string_agg('fed by ' || b.srsubid, ' ' ORDER BY b.srsubid) AS subscriptions,
               max('fed by a subscription, whose changes statement triggers do not see: install capture on the publisher')
                   AS unseen
        FROM pg_subscription_rel b
        WHERE b.srrelid = r.relid
    ) feed
    LEFT JOIN LATERAL (
        SELECT CASE WHEN row_security THEN 'hidden' END AS hidden,
               CASE
                   WHEN row_security THEN
                       'row-level security hides rows from the role of METRICS_POSTGRES_DSN: give that role BYPASSRLS'
                   WHEN relpersistence = 'u' THEN
                       'UNLOGGED, so that a crash of the server empties it and no trigger fires: ALTER TABLE … SET LOGGED'
               END AS unseen
        FROM (SELECT relpersistence, row_security_active(oid) AND oid = to_regclass(s.relation) AS row_security
              FROM pg_class WHERE oid = r.relid) c
    ) kept ON TRUE
) t

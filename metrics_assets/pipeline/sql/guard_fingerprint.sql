-- Per source: a hash of what its capture consists of, and the files that its rows lie in, each with the transactions that
-- wrote its triggers last: a trigger that was switched off and on again looks as before and has missed something.
-- Parameters: table names, and the names that its functions carry. Reads catalogs only.
SELECT s.table_name,
       md5(concat_ws(
           E'\n',
           t.definitions,
           (SELECT string_agg(concat_ws(' ', f.proname, f.prosrc, f.prosecdef, f.proconfig), E'\n' ORDER BY f.proname)
            FROM pg_proc f
            WHERE f.pronamespace = 'metrics'::regnamespace
              AND f.proname = ANY (ARRAY['capture_' || s.short_name || '_insert', 'capture_' || s.short_name || '_update',
                                         'capture_' || s.short_name || '_delete', 'capture_' || s.short_name || '_truncate'])),
           (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
            FROM pg_attribute a
            WHERE a.attrelid = to_regclass('metrics.outbox_' || s.short_name) AND a.attnum > 0 AND NOT a.attisdropped)
       )) AS fingerprint,
       t.files
FROM unnest(%s::text[], %s::text[]) AS s (table_name, short_name)
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
                    FROM pg_trigger g WHERE g.tgrelid = r.relid AND g.tgname LIKE 'metrics_capture_%%')),
               ',' ORDER BY r.relid) AS files
    FROM (WITH RECURSIVE relation (relid) AS (
              SELECT to_regclass(quote_ident(s.table_name))::oid
              UNION
              SELECT i.inhrelid FROM pg_inherits i JOIN relation ON i.inhparent = relation.relid
          )
          SELECT relid FROM relation) r
) t

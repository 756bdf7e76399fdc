-- Triggers that call these functions, on relations other than these. Parameters: names of functions in our schema, quoted
-- names of relations. Reads catalogs only.
SELECT quote_ident(g.tgname), g.tgrelid::regclass::text
FROM pg_trigger g
JOIN pg_proc f ON f.oid = g.tgfoid
WHERE f.pronamespace = to_regnamespace('metrics') AND f.proname = ANY (%s::text[])
  AND g.tgrelid <> ALL (%s::text[]::regclass[]::oid[])
ORDER BY 1, 2

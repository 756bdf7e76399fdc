-- The staged rows that became nothing, by file and reason.
-- Reads the classified rows (post, comment, vote); writes nothing.

SELECT 'Posts' AS file, unused AS reason, count(*) AS rows FROM post WHERE unused IS NOT NULL GROUP BY unused
UNION ALL
SELECT 'Comments', unused, count(*) FROM comment WHERE unused IS NOT NULL GROUP BY unused
UNION ALL
SELECT 'Votes', unused, count(*) FROM vote WHERE unused IS NOT NULL GROUP BY unused
ORDER BY file, rows DESC, reason

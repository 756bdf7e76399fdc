-- A row of an excluded user may at most have counted in between: where its user is excluded now, and was when the last drain
-- counted. Reads metrics.excluded_user, image_excluded_user; writes {image}.
UPDATE {image} i SET side = 0
FROM metrics.excluded_user u
WHERE u.user_id = i.{made_by}
  AND (i.side = 1 OR NOT EXISTS (SELECT FROM image_excluded_user e WHERE e.user_id = u.user_id));

UPDATE {image} i SET side = 0
FROM image_excluded_user e
WHERE e.user_id = i.{made_by} AND e.side = -1 AND i.side = -1;

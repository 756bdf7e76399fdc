-- Whose rows count nowhere, before (-1) and after (+1) everything that this drain takes.
-- Reads metrics.excluded_user, image_excluded_user; writes left_out.
CREATE TEMP TABLE left_out ON COMMIT DROP AS
SELECT 1::smallint AS side, user_id FROM metrics.excluded_user
UNION
SELECT -1, user_id FROM image_excluded_user WHERE side = -1
UNION
SELECT -1, user_id FROM metrics.excluded_user u WHERE NOT EXISTS (SELECT FROM image_excluded_user i WHERE i.user_id = u.user_id);

ANALYZE left_out;

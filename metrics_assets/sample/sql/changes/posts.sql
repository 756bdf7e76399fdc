-- What happens to posts, images and their reactions and threads. Format and places: changes.py.
-- Reads ids, writes "Post", "Image", "ImageReaction", "Thread", "CommentV2".

-- change: post_added (weight 3): published or a draft, of a version or of none
INSERT INTO "Post" (id, "userId", "modelVersionId", title, "publishedAt", "createdAt")
VALUES (
    {new_post}, {a_user}, CASE WHEN %(chance)s < 0.9 THEN {some_version} END, 'A new post',
    CASE WHEN %(chance)s < 0.7 THEN %(now)s::timestamp END, %(now)s)
ON CONFLICT DO NOTHING;

-- change: post_published (weight 3): its images begin to count
UPDATE "Post" SET "publishedAt" = %(now)s WHERE id = {some_post} AND "publishedAt" IS NULL;

-- change: post_unpublished (weight 2): its images no longer count
UPDATE "Post" SET "publishedAt" = NULL WHERE id = {some_post} AND "publishedAt" IS NOT NULL;

-- change: post_rescheduled (weight 0.5): the time changes, what counts does not
UPDATE "Post" SET "publishedAt" = %(at)s WHERE id = {some_post} AND "publishedAt" IS NOT NULL;

-- change: post_given_to_version (weight 2): its images count for another version, or for none
UPDATE "Post" SET "modelVersionId" = CASE WHEN %(chance)s < 0.8 THEN {other_version} END WHERE id = {some_post};

-- change: posts_unpublished (weight 0.5): a range in one statement
UPDATE "Post" SET "publishedAt" = NULL WHERE id BETWEEN {some_post} AND {some_post} + %(few)s;

-- change: post_deleted (weight 0.5): alone; its images stay behind
DELETE FROM "Post" WHERE id = {some_post};

-- change: post_deleted_whole (weight 0.2): with its images
DELETE FROM "Post" WHERE id = {some_post} RETURNING id;
DELETE FROM "Image" WHERE "postId" = %(id)s;

-- change: post_made_again (weight 0.5, apart): its id names a post of another version
DELETE FROM "Post" WHERE id = {some_post} RETURNING id, "userId" AS user_id;
INSERT INTO "Post" (id, "userId", "modelVersionId", title, "publishedAt", "createdAt")
VALUES (%(id)s, %(user_id)s, {other_version}, 'A post made again', %(now)s, %(now)s)
ON CONFLICT DO NOTHING;

-- change: image_added (weight 6): in a post, or in none yet
INSERT INTO "Image" (id, "userId", "postId", "createdAt")
VALUES ({new_image}, {a_user}, CASE WHEN %(chance)s < 0.95 THEN {some_post} END, %(at)s)
ON CONFLICT DO NOTHING;

-- change: images_added (weight 1): many in one statement
INSERT INTO "Image" (id, "userId", "postId", "createdAt")
SELECT {new_image} + n, {a_user}, {some_post}, %(at)s
FROM generate_series(1, %(many)s) AS n
ON CONFLICT DO NOTHING;

-- change: image_moved (weight 3): to another post
UPDATE "Image" SET "postId" = {other_post} WHERE id = {some_image};

-- change: images_moved (weight 0.5): a range to another post in one statement
UPDATE "Image" SET "postId" = {other_post} WHERE id BETWEEN {some_image} AND {some_image} + %(few)s;

-- change: image_taken_out (weight 1): of its post
UPDATE "Image" SET "postId" = NULL WHERE id = {some_image} AND "postId" IS NOT NULL;

-- change: image_redated (weight 0.5): the day that it counts for changes
UPDATE "Image" SET "createdAt" = %(at)s WHERE id = {some_image};

-- change: image_deleted (weight 2): hard
DELETE FROM "Image" WHERE id = {some_image};

-- change: image_made_again (weight 1): its id names an image of another post
DELETE FROM "Image" WHERE id = {some_image} RETURNING id, "userId" AS user_id;
INSERT INTO "Image" (id, "userId", "postId", "createdAt") VALUES (%(id)s, %(user_id)s, {other_post}, %(at)s);

-- change: reaction_added (weight 8): a user reacts to an image
INSERT INTO "ImageReaction" (id, "imageId", "userId", reaction, "createdAt")
SELECT {new_reaction}, id, {a_user}, %(reaction)s, %(at)s
FROM "Image"
WHERE id = {some_image}
ON CONFLICT DO NOTHING;

-- change: reaction_changed (weight 1): into another kind
UPDATE "ImageReaction" AS r
SET reaction = %(reaction)s
WHERE r.id = {some_reaction}
    AND NOT EXISTS (
        SELECT FROM "ImageReaction" AS o
        WHERE o."imageId" = r."imageId" AND o."userId" = r."userId" AND o.reaction = %(reaction)s);

-- change: reaction_withdrawn (weight 3): hard
DELETE FROM "ImageReaction" WHERE id = {some_reaction};

-- change: thread_opened (weight 1): of a post
INSERT INTO "Thread" (id, "postId")
SELECT {new_thread}, id FROM "Post" WHERE id = {some_post}
ON CONFLICT DO NOTHING;

-- change: thread_comment_added (weight 5): on a post or an image
INSERT INTO "CommentV2" (id, "threadId", "userId", "createdAt")
SELECT {new_thread_comment}, id, {a_user}, %(at)s FROM "Thread" WHERE id = {some_thread}
ON CONFLICT DO NOTHING;

-- change: thread_comment_against_rules (weight 1): a violation is found, or withdrawn
UPDATE "CommentV2" SET "tosViolation" = NOT "tosViolation" WHERE id = {some_thread_comment};

-- change: thread_comment_deleted (weight 1): hard
DELETE FROM "CommentV2" WHERE id = {some_thread_comment};

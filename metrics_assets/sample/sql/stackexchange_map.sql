-- The dump in the application's tables: one statement a table, in the order of the ids.
-- Reads the classified rows (post, comment, vote) and dump_user; writes the application's tables, which are empty.
-- %(unknown)s: the user who owns what nobody owns; %(voters)s: what a vote's id is raised by to make its voter.

INSERT INTO "User" (id, "createdAt")
SELECT id, created
FROM dump_user
UNION ALL
SELECT %(unknown)s, coalesce((SELECT min(created) FROM dump_user), 'epoch')
ORDER BY id;

INSERT INTO "Model" (id, name, "userId", status, "createdAt", "updatedAt")
SELECT id, coalesce(title, ''), owner, 'Published', created, active
FROM post
WHERE becomes = 'question'
ORDER BY id;

INSERT INTO "ModelVersion" (id, "modelId", name, "baseModel", status, "publishedAt", "createdAt", "updatedAt")
SELECT a.id, a.parent, 'answer ' || a.id, coalesce(q.tag, 'untagged'), 'Published', a.created, a.created, a.active
FROM post AS a
JOIN post AS q ON q.id = a.parent
WHERE a.becomes = 'answer'
ORDER BY a.id;

INSERT INTO "Post" (id, "userId", "modelVersionId", title, "publishedAt", "createdAt")
SELECT id, owner, CASE becomes WHEN 'answer' THEN id END, title, created, created
FROM post
WHERE becomes IS NOT NULL
ORDER BY id;

INSERT INTO "Thread" (id, "postId")
SELECT id, id
FROM post
WHERE becomes IS NOT NULL
ORDER BY id;

INSERT INTO "Image" (id, "userId", "postId", "createdAt")
SELECT id, owner, id, created
FROM post
WHERE becomes = 'question'
ORDER BY id;

INSERT INTO "Comment" (id, "modelId", "userId", "createdAt")
SELECT id, post, author, created
FROM comment
WHERE becomes = 'Comment'
ORDER BY id;

INSERT INTO "CommentV2" (id, "threadId", "userId", "createdAt")
SELECT id, post, author, created
FROM comment
WHERE becomes = 'CommentV2'
ORDER BY id;

INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt", "updatedAt")
SELECT id, on_parent, post, %(voters)s + id, kind = 2, created, created
FROM vote
WHERE becomes = 'ResourceReview'
ORDER BY id;

INSERT INTO "ImageReaction" (id, "imageId", "userId", reaction, "createdAt")
SELECT id, post, %(voters)s + id, CASE kind WHEN 2 THEN 'Like' ELSE 'Dislike' END, created
FROM vote
WHERE becomes = 'ImageReaction'
ORDER BY id;

INSERT INTO "Collection" (id, "userId", name, type, "createdAt")
SELECT voter, voter, 'Favourites', 'Model', min(created)
FROM vote
WHERE becomes = 'CollectionItem'
GROUP BY voter
ORDER BY voter;

INSERT INTO "CollectionItem" (
    id, "collectionId", "modelId", "postId", "addedById", status, "createdAt", "updatedAt")
SELECT
    id,
    voter,
    CASE on_becomes WHEN 'question' THEN post END,
    CASE on_becomes WHEN 'answer' THEN post END,
    voter,
    'ACCEPTED',
    created,
    created
FROM vote
WHERE becomes = 'CollectionItem'
ORDER BY id;

INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt", "updatedAt")
SELECT 'Model', post, voter, min(on_owner), sum(bounty), min(created), max(created)
FROM vote
WHERE becomes = 'BuzzTip'
GROUP BY post, voter
ORDER BY post, voter;

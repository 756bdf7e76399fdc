-- A small application in which every counter of every set is something else than zero. Days lie in the past, relative
-- to today, so that a tick touches more days than its own. Writes the captured tables.

INSERT INTO "Model" (id, "userId", status) VALUES (1, 901, 'Published'), (2, 902, 'Published'), (3, 903, 'Draft');

INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES
    (10, 1, 'SDXL', 'Published'),
    (11, 1, 'Pony', 'Published'),
    (20, 2, 'SDXL', 'Published'),
    (21, 2, 'SDXL', 'Published'),
    (30, 3, 'Flux', 'Draft');

INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt")
SELECT n, v."modelId", v.id, u, u % 4 > 0, localtimestamp - n * interval '9 hours'
FROM (SELECT id, "modelId", row_number() OVER (ORDER BY id) AS place FROM "ModelVersion") v,
     generate_series(1, 6) u,
     LATERAL (SELECT (v.place * 10 + u)::integer AS n) numbered;

INSERT INTO "Comment" (id, "modelId", "userId", "tosViolation", "createdAt")
SELECT n, 1 + n % 3, n, n % 5 = 0, localtimestamp - n * interval '1 day' FROM generate_series(1, 12) n;

INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "addedById", "createdAt")
SELECT n, n, 1 + n % 3, nullif(n % 4, 0), CASE WHEN n % 6 > 0 THEN localtimestamp - n * interval '1 day' END
FROM generate_series(1, 12) n;

INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt")
SELECT 'Model', 1 + n % 2, n, 901, 10 * n, localtimestamp - n * interval '1 day'
FROM generate_series(1, 10) n
WHERE n % 5 > 0;

INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) VALUES
    ('Image', 2, 5, 901, 50), ('Image', 1, 10, 901, 100);

INSERT INTO "Donation" (id, "modelVersionId", "userId", amount, "createdAt")
SELECT n, 10 + n % 2, n, 100, localtimestamp - n * interval '1 day' FROM generate_series(1, 6) n;

INSERT INTO "Post" (id, "userId", "modelVersionId", "publishedAt") VALUES
    (100, 1, 10, localtimestamp), (101, 1, 11, localtimestamp), (102, 1, 20, NULL), (103, 1, NULL, localtimestamp);

INSERT INTO "Image" (id, "userId", "postId", "createdAt")
SELECT n, 1, 100 + n % 4, localtimestamp - n * interval '11 hours' FROM generate_series(1, 16) n;

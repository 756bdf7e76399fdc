-- What an application may do to a handful of rows, one statement each; {names} are drawn anew for every statement
-- (test_nasty_workload.py). Ids are few on purpose: keys are used again, rows meet, and writers get in each other's way.

INSERT INTO "Model" (id, "userId", status) VALUES ({id}, 1, {status}) ON CONFLICT (id) DO UPDATE SET status = excluded.status;
DELETE FROM "Model" WHERE id = {id};
UPDATE "Model" SET id = {other} WHERE id = {id};

INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES ({id}, {other}, {base}, {status})
ON CONFLICT (id) DO UPDATE SET "modelId" = excluded."modelId", "baseModel" = excluded."baseModel", status = excluded.status;
INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES ({id}, {other}, {base}) ON CONFLICT DO NOTHING;
DELETE FROM "ModelVersion" WHERE id = {id};
UPDATE "ModelVersion" SET "modelId" = {other} WHERE id = {id};
UPDATE "ModelVersion" SET "modelId" = 6 - "modelId";
UPDATE "ModelVersion" SET "baseModel" = {base} WHERE id = {id};
UPDATE "ModelVersion" SET status = {status} WHERE id = {id};
UPDATE "ModelVersion" SET id = {other} WHERE id = {id};
WITH gone AS (DELETE FROM "ModelVersion" WHERE id = {id} RETURNING *)
INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) SELECT id, {other}, "baseModel", status FROM gone;

INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, exclude, "createdAt")
VALUES ({row}, {id}, {other}, {user}, {truth}, {truth}, {at})
ON CONFLICT ("modelVersionId", "userId") DO UPDATE SET recommended = excluded.recommended, "modelId" = excluded."modelId";
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt")
VALUES ({row}, {id}, {other}, {user}, {truth}, {at}) ON CONFLICT DO NOTHING;
INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt")
SELECT 20 + 10 * id + n, "modelId", id, n, {truth}, {at} FROM "ModelVersion", generate_series(1, 3) n ON CONFLICT DO NOTHING;
DELETE FROM "ResourceReview" WHERE id = {row};
DELETE FROM "ResourceReview" WHERE "userId" = {user};
UPDATE "ResourceReview" SET recommended = NOT recommended;
UPDATE "ResourceReview" SET recommended = {truth} WHERE "userId" = {user};
UPDATE "ResourceReview" SET exclude = {truth}, "tosViolation" = {truth} WHERE id = {row};
UPDATE "ResourceReview" SET "modelId" = {id} WHERE id = {row};
UPDATE "ResourceReview" SET "modelVersionId" = {id} WHERE id = {row};
UPDATE "ResourceReview" SET "userId" = {user} WHERE id = {row};
UPDATE "ResourceReview" SET "createdAt" = {at} WHERE id = {row};
UPDATE "ResourceReview" SET id = 13 - id WHERE id IN ({row}, {id});
MERGE INTO "ResourceReview" r USING (SELECT id, {user} AS user_id FROM "ModelVersion") v
ON r."modelVersionId" = v.id AND r."userId" = v.user_id
WHEN MATCHED AND r.recommended THEN DELETE
WHEN MATCHED THEN UPDATE SET recommended = true
WHEN NOT MATCHED THEN INSERT (id, "modelId", "modelVersionId", "userId") VALUES (1000 + 10 * v.id, {id}, v.id, v.user_id);

INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") VALUES ({row}, {id}, 1, coalesce({at}, timestamp 'epoch'))
ON CONFLICT (id) DO UPDATE SET "modelId" = excluded."modelId", "tosViolation" = {truth};
DELETE FROM "Comment" WHERE id = {row};
INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "addedById", "createdAt") VALUES ({row}, 1, {id}, {user}, {at})
ON CONFLICT (id) DO UPDATE SET "modelId" = nullif({id}, {other});
DELETE FROM "CollectionItem" WHERE id = {row};
INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) VALUES ('Model', {id}, {user}, 1, {row})
ON CONFLICT ("entityType", "entityId", "fromUserId") DO UPDATE SET amount = "BuzzTip".amount + excluded.amount;
UPDATE "BuzzTip" SET "entityType" = CASE "entityType" WHEN 'Model' THEN 'Image' ELSE 'Model' END;
DELETE FROM "BuzzTip" WHERE "entityId" = {id};
INSERT INTO "Donation" (id, "modelVersionId", "userId", amount, "createdAt")
VALUES ({row}, {id}, 1, {row}, coalesce({at}, timestamp 'epoch'))
ON CONFLICT (id) DO UPDATE SET "modelVersionId" = excluded."modelVersionId", amount = 0;
DELETE FROM "Donation" WHERE id = {row};

INSERT INTO "Post" (id, "userId", "modelVersionId", "publishedAt") VALUES ({id}, 1, {other}, {at})
ON CONFLICT (id) DO UPDATE SET "modelVersionId" = excluded."modelVersionId", "publishedAt" = excluded."publishedAt";
DELETE FROM "Post" WHERE id = {id};
UPDATE "Post" SET "modelVersionId" = nullif({other}, {id}) WHERE id = {id};
UPDATE "Post" SET "publishedAt" = {at} WHERE id = {id};
UPDATE "Post" SET id = {other} WHERE id = {id};
INSERT INTO "Image" (id, "userId", "postId", "createdAt") VALUES ({row}, 1, {id}, coalesce({at}, timestamp 'epoch'))
ON CONFLICT (id) DO UPDATE SET "postId" = nullif({id}, {other});
UPDATE "Image" SET "postId" = 6 - "postId";
DELETE FROM "Image" WHERE id = {row};

INSERT INTO metrics.excluded_user (user_id) VALUES ({user}) ON CONFLICT (user_id) DO UPDATE SET reason = 'again';
DELETE FROM metrics.excluded_user WHERE user_id = {user};
DELETE FROM metrics.excluded_user;
UPDATE metrics.excluded_user SET user_id = user_id + 1 WHERE user_id = (SELECT max(user_id) FROM metrics.excluded_user);
INSERT INTO metrics.excluded_resource (entity_type, entity_id) VALUES ('ModelVersion', {id}) ON CONFLICT DO NOTHING;
INSERT INTO metrics.excluded_resource (entity_type, entity_id) VALUES ('Model', {id}) ON CONFLICT DO NOTHING;
DELETE FROM metrics.excluded_resource WHERE entity_id = {id};
UPDATE metrics.excluded_resource SET entity_id = 6 - entity_id WHERE entity_type = 'ModelVersion';

-- What happens to models, versions and users. Format and places: changes.py.
-- Reads ids, writes "User", "Model", "ModelVersion" and what goes with them.

-- change: user_added (weight 1): somebody signs up
INSERT INTO "User" (id, "createdAt") VALUES ({new_user}, %(now)s) ON CONFLICT DO NOTHING;

-- change: model_added (weight 3): without a version yet
INSERT INTO "Model" (id, name, "userId", status, "createdAt", "updatedAt")
VALUES ({new_model}, 'A new model', {a_user}, 'Draft', %(now)s, %(now)s)
ON CONFLICT DO NOTHING;

-- change: model_status_changed (weight 1): published or taken back
UPDATE "Model"
SET status = CASE status WHEN 'Published' THEN 'Unpublished' ELSE 'Published' END, "updatedAt" = %(now)s
WHERE id = {some_model};

-- change: model_flags_changed (weight 1): what listings filter by
UPDATE "Model"
SET "nsfwLevel" = ("nsfwLevel" + 1) %% 32,
    minor = NOT minor,
    poi = %(chance)s < 0.5,
    mode = CASE WHEN mode IS NULL THEN 'Archived' END,
    availability = CASE availability WHEN 'Public' THEN 'Private' ELSE 'Public' END,
    "updatedAt" = %(now)s
WHERE id = {some_model};

-- change: model_owner_changed (weight 1): a model is handed over
UPDATE "Model" SET "userId" = {a_user}, "updatedAt" = %(now)s WHERE id = {some_model};

-- change: model_deleted (weight 0.3): alone; its versions and reviews stay behind
DELETE FROM "Model" WHERE id = {some_model};

-- change: model_deleted_whole (weight 0.3): with its versions and their reviews
DELETE FROM "Model" WHERE id = {some_model} RETURNING id;
DELETE FROM "ResourceReview"
WHERE "modelVersionId" IN (SELECT v.id FROM "ModelVersion" AS v WHERE v."modelId" = %(id)s);
DELETE FROM "ModelVersion" WHERE "modelId" = %(id)s;

-- change: model_made_again (weight 0.5, apart): the id of a deleted model is used again
DELETE FROM "Model" WHERE id = {some_model} RETURNING id, "userId" AS user_id;
INSERT INTO "Model" (id, name, "userId", status, "createdAt", "updatedAt")
VALUES (%(id)s, 'A model made again', %(user_id)s, 'Published', %(now)s, %(now)s)
ON CONFLICT DO NOTHING;

-- change: version_added (weight 5): a model gets another version
INSERT INTO "ModelVersion" (id, "modelId", name, "baseModel", status, "publishedAt", "createdAt", "updatedAt")
SELECT {new_version}, id, 'new', %(base_model)s, 'Published', %(now)s, %(now)s, %(now)s
FROM "Model"
WHERE id = {some_model}
ON CONFLICT DO NOTHING;

-- change: version_unpublished (weight 2): one version
UPDATE "ModelVersion" SET status = 'Unpublished', "updatedAt" = %(now)s WHERE id = {some_version};

-- change: version_published (weight 3): one version
UPDATE "ModelVersion"
SET status = 'Published', "publishedAt" = coalesce("publishedAt", %(now)s), "updatedAt" = %(now)s
WHERE id = {some_version};

-- change: versions_unpublished (weight 0.5): every version of a model in one statement
UPDATE "ModelVersion" SET status = 'Unpublished', "updatedAt" = %(now)s WHERE "modelId" = {some_model};

-- change: base_model_renamed (weight 2): of one version
UPDATE "ModelVersion" SET "baseModel" = %(base_model)s, "updatedAt" = %(now)s WHERE id = {some_version};

-- change: base_models_renamed (weight 0.5): of every version of a model in one statement
UPDATE "ModelVersion" SET "baseModel" = %(base_model)s, "updatedAt" = %(now)s WHERE "modelId" = {some_model};

-- change: version_moved (weight 1): to another model; its reviews keep the model that they were written for
UPDATE "ModelVersion" SET "modelId" = {other_model}, "updatedAt" = %(now)s WHERE id = {some_version};

-- change: version_moved_with_reviews (weight 1): to another model, reviews included
UPDATE "ModelVersion" SET "modelId" = {other_model}, "updatedAt" = %(now)s
WHERE id = {some_version}
RETURNING id, "modelId" AS model_id;
UPDATE "ResourceReview" SET "modelId" = %(model_id)s WHERE "modelVersionId" = %(id)s;

-- change: version_deleted (weight 0.5): alone; its reviews, posts and events stay behind
DELETE FROM "ModelVersion" WHERE id = {some_version};

-- change: version_deleted_whole (weight 0.5): with its reviews, in the order of a foreign key's cascade
DELETE FROM "ModelVersion" WHERE id = {some_version} RETURNING id;
DELETE FROM "ResourceReview" WHERE "modelVersionId" = %(id)s;
UPDATE "Post" SET "modelVersionId" = NULL WHERE "modelVersionId" = %(id)s;

-- change: version_made_again (weight 0.5): its id names a version of another model and base model
DELETE FROM "ModelVersion" WHERE id = {some_version} RETURNING id;
INSERT INTO "ModelVersion" (id, "modelId", name, "baseModel", status, "publishedAt", "createdAt", "updatedAt")
SELECT %(id)s, id, 'again', %(base_model)s, 'Published', %(now)s, %(now)s, %(now)s
FROM "Model"
WHERE id = {other_model};

-- change: version_renumbered (weight 0.2): its primary key changes; what points at the old one is left behind
UPDATE "ModelVersion" SET id = {new_version} + 1 WHERE id = {some_version};

-- What happens to comments, tips, collections and follows. Format and places: changes.py.
-- Reads ids, writes "Comment", "BuzzTip", "Donation", "Collection…", "UserEngagement".

-- change: comment_added (weight 6): on a model
INSERT INTO "Comment" (id, "modelId", "userId", "createdAt")
SELECT {new_comment}, id, {a_user}, %(at)s FROM "Model" WHERE id = {some_model}
ON CONFLICT DO NOTHING;

-- change: comment_hidden (weight 1): which does not change what counts
UPDATE "Comment" SET hidden = NOT hidden WHERE id = {some_comment};

-- change: comment_against_rules (weight 1): a violation is found, or withdrawn
UPDATE "Comment" SET "tosViolation" = NOT "tosViolation" WHERE id = {some_comment};

-- change: comment_moved (weight 0.5): to another model, or to none
UPDATE "Comment" SET "modelId" = CASE WHEN %(chance)s < 0.8 THEN {other_model} END WHERE id = {some_comment};

-- change: comment_deleted (weight 2): hard
DELETE FROM "Comment" WHERE id = {some_comment};

-- change: comment_made_again (weight 0.5): its id names a comment on another model
DELETE FROM "Comment" WHERE id = {some_comment} RETURNING id, "userId" AS user_id;
INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") VALUES (%(id)s, {other_model}, %(user_id)s, %(at)s);

-- change: tip_given (weight 5): to a model; a second one by the same user adds to the first
INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt", "updatedAt")
SELECT 'Model', id, {a_user}, "userId", %(amount)s, %(at)s, %(now)s FROM "Model" WHERE id = {some_model}
ON CONFLICT ("entityType", "entityId", "fromUserId")
    DO UPDATE SET amount = "BuzzTip".amount + excluded.amount, "updatedAt" = excluded."updatedAt";

-- change: image_tip_given (weight 2): to an image
INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt", "updatedAt")
SELECT 'Image', id, {a_user}, "userId", %(amount)s, %(at)s, %(now)s FROM "Image" WHERE id = {some_image}
ON CONFLICT ("entityType", "entityId", "fromUserId")
    DO UPDATE SET amount = "BuzzTip".amount + excluded.amount, "updatedAt" = excluded."updatedAt";

-- change: tip_grown (weight 2): a giver adds to what is there
UPDATE "BuzzTip"
SET amount = amount + %(amount)s, "updatedAt" = %(now)s
WHERE ("entityType", "entityId", "fromUserId") = {some_tip};

-- change: tip_taken_back (weight 1): hard
DELETE FROM "BuzzTip" WHERE ("entityType", "entityId", "fromUserId") = {some_tip};

-- change: tip_made_again (weight 1, apart): under the same key, with another amount
DELETE FROM "BuzzTip"
WHERE ("entityType", "entityId", "fromUserId") = {some_tip}
RETURNING "entityType" AS kind, "entityId" AS id, "fromUserId" AS giver, "toUserId" AS taker;
INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt", "updatedAt")
VALUES (%(kind)s, %(id)s, %(giver)s, %(taker)s, %(amount)s, %(at)s, %(now)s)
ON CONFLICT DO NOTHING;

-- change: donation_made (weight 2): to a version
INSERT INTO "Donation" (id, "modelVersionId", "userId", amount, "createdAt")
SELECT {new_donation}, id, {a_user}, %(amount)s, %(at)s FROM "ModelVersion" WHERE id = {some_version}
ON CONFLICT DO NOTHING;

-- change: donation_corrected (weight 1): its amount, or its version
UPDATE "Donation"
SET amount = %(amount)s,
    "modelVersionId" = CASE WHEN %(chance)s < 0.3 THEN coalesce({other_version}, "modelVersionId")
        ELSE "modelVersionId" END
WHERE id = {some_donation};

-- change: donation_withdrawn (weight 1): hard
DELETE FROM "Donation" WHERE id = {some_donation};

-- change: collection_added (weight 1): empty
INSERT INTO "Collection" (id, "userId", name, "createdAt")
VALUES ({new_collection}, {a_user}, 'A new collection', %(now)s)
ON CONFLICT DO NOTHING;

-- change: collection_deleted (weight 0.3): alone; its items stay behind
DELETE FROM "Collection" WHERE id = {some_collection};

-- change: item_added (weight 8): a model, with or without somebody who added it
INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "addedById", status, "createdAt", "updatedAt")
SELECT
    {new_item}, c.id, m.id, CASE WHEN %(chance)s < 0.9 THEN c."userId" END,
    CASE WHEN %(chance)s < 0.95 THEN 'ACCEPTED' ELSE 'REVIEW' END, %(at_or_null)s::timestamp, %(now)s
FROM "Collection" AS c, "Model" AS m
WHERE c.id = {some_collection} AND m.id = {some_model}
ON CONFLICT DO NOTHING;

-- change: items_added (weight 1): many models in one statement
INSERT INTO "CollectionItem" (id, "collectionId", "modelId", status, "createdAt", "updatedAt")
SELECT {new_item} + n, c.id, {some_model} + n, 'ACCEPTED', %(at)s, %(now)s
FROM "Collection" AS c, generate_series(1, %(many)s) AS n
WHERE c.id = {some_collection}
ON CONFLICT DO NOTHING;

-- change: item_of_post_or_image_added (weight 2): one of the two
INSERT INTO "CollectionItem" (id, "collectionId", "postId", "imageId", "addedById", "createdAt", "updatedAt")
SELECT
    {new_item}, id, CASE WHEN %(chance)s < 0.5 THEN {some_post} END,
    CASE WHEN %(chance)s >= 0.5 THEN {some_image} END, "userId", %(at)s, %(now)s
FROM "Collection"
WHERE id = {some_collection}
ON CONFLICT DO NOTHING;

-- change: item_reviewed (weight 1): its status changes, what counts does not
UPDATE "CollectionItem"
SET status = CASE status WHEN 'ACCEPTED' THEN 'REJECTED' ELSE 'ACCEPTED' END, "updatedAt" = %(now)s
WHERE id = {some_item};

-- change: item_exchanged (weight 1): for another model
UPDATE "CollectionItem"
SET "modelId" = {other_model}, "postId" = NULL, "imageId" = NULL, "updatedAt" = %(now)s
WHERE id = {some_item};

-- change: item_moved (weight 1): to another collection
UPDATE "CollectionItem"
SET "collectionId" = {other_collection}, "updatedAt" = %(now)s
WHERE id = {some_item} AND {other_collection} IS NOT NULL;

-- change: item_removed (weight 3): hard
DELETE FROM "CollectionItem" WHERE id = {some_item};

-- change: items_removed (weight 0.5): a range in one statement
DELETE FROM "CollectionItem" WHERE id BETWEEN {some_item} AND {some_item} + %(few)s;

-- change: item_made_again (weight 1): its id names an item of another model
DELETE FROM "CollectionItem" WHERE id = {some_item} RETURNING id, "collectionId" AS collection_id;
INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "createdAt", "updatedAt")
VALUES (%(id)s, %(collection_id)s, {other_model}, %(at)s, %(now)s);

-- change: contributor_joined (weight 2): may see, or may add as well
INSERT INTO "CollectionContributor" ("userId", "collectionId", permissions, "createdAt", "updatedAt")
SELECT
    {a_user}, id, CASE WHEN %(chance)s < 0.7 THEN ARRAY['VIEW'] ELSE ARRAY['VIEW', 'ADD'] END, %(at)s, %(now)s
FROM "Collection"
WHERE id = {some_collection}
ON CONFLICT DO NOTHING;

-- change: permissions_changed (weight 2): a contributor may add, or no longer
UPDATE "CollectionContributor"
SET permissions = CASE WHEN 'ADD' = ANY (permissions) THEN ARRAY['VIEW'] ELSE ARRAY['VIEW', 'ADD'] END,
    "updatedAt" = %(now)s
WHERE ("userId", "collectionId") = {some_contributor};

-- change: contributor_left (weight 1): hard
DELETE FROM "CollectionContributor" WHERE ("userId", "collectionId") = {some_contributor};

-- change: user_followed (weight 3): a second time changes nothing
INSERT INTO "UserEngagement" ("userId", "targetUserId", type, "createdAt")
VALUES ({a_user}, {a_user} + 1, 'Follow', %(at)s)
ON CONFLICT DO NOTHING;

-- change: engagement_changed (weight 1): from follow to hide, or back
UPDATE "UserEngagement"
SET type = CASE type WHEN 'Follow' THEN 'Hide' ELSE 'Follow' END
WHERE ("userId", "targetUserId") = {some_engagement};

-- change: user_unfollowed (weight 1): hard
DELETE FROM "UserEngagement" WHERE ("userId", "targetUserId") = {some_engagement};

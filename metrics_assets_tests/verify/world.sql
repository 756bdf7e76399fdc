-- A small world in which every rule of the table of meanings decides something. world.py holds the numbers that
-- follow from it, counted by hand.

INSERT INTO "Model" (id, "userId", status, availability, mode, "nsfwLevel", minor, poi) VALUES
    (1, 1, 'Published', 'Public', NULL, 3, false, true),
    (2, 2, 'Unpublished', 'Private', 'Archived', 0, true, false),
    (3, 3, 'Draft', 'Public', NULL, 0, false, false);

-- 12 is no Published version; 20 came from model 1; 30, which rows below name, was deleted
INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES
    (10, 1, 'SDXL', 'Published'),
    (11, 1, 'SDXL', 'Published'),
    (12, 1, 'Pony', 'Draft'),
    (20, 2, 'SDXL', 'Published');

INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, exclude, "tosViolation", "createdAt")
VALUES
    (1,  1, 10, 1, true,  false, false, '2024-03-01 23:59:59.999'),
    (2,  1, 11, 1, true,  false, false, '2024-03-02'),
    (3,  1, 10, 2, true,  false, false, '2024-03-02'),
    (4,  1, 11, 2, false, false, false, '2024-03-03'),
    (5,  1, 12, 3, true,  false, false, NULL),
    (6,  1, 10, 4, true,  true,  false, '2024-03-01'),
    (7,  1, 10, 5, false, false, true,  '2024-03-01'),
    (8,  2, 20, 1, false, false, false, '2024-03-01'),
    (9,  2, 30, 6, true,  false, false, '2024-03-05'),
    (10, 2, 20, 7, true,  false, false, '2024-03-05'),
    (11, 1, 20, 8, true,  false, false, '2024-03-06');

INSERT INTO "Comment" (id, "modelId", "userId", "tosViolation", hidden, "createdAt") VALUES
    (1, 1,    1, false, true,  '2024-03-01'),
    (2, 1,    1, false, false, '2024-03-02'),
    (3, 1,    2, true,  false, '2024-03-02'),
    (4, 9,    2, false, false, '2024-03-02'),
    (5, NULL, 2, false, false, '2024-03-02');

INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "postId", "addedById", status, "createdAt") VALUES
    (1, 1, 1,    NULL, 1,    'ACCEPTED', '2024-03-01'),
    (2, 2, 1,    NULL, NULL, 'REJECTED', '2024-03-01'),
    (3, 3, 1,    NULL, 2,    'REVIEW',   NULL),
    (4, 3, 2,    NULL, 2,    'ACCEPTED', '2024-03-02'),
    (5, 3, NULL, 100,  2,    'ACCEPTED', '2024-03-02');

INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt") VALUES
    ('Model', 1, 1, 9, 100, '2024-03-01'),
    ('Model', 1, 2, 9, 50,  '2024-03-02'),
    ('Image', 1, 2, 9, 7,   '2024-03-02');

INSERT INTO "Donation" (id, "modelVersionId", "userId", amount, "createdAt") VALUES
    (1, 10, 1, 30, '2024-03-01'),
    (2, 10, 1, 20, '2024-03-02'),
    (3, 12, 2, 5,  '2024-03-03');

INSERT INTO "Post" (id, "userId", "modelVersionId", "publishedAt") VALUES
    (100, 1, 10,   '2024-03-01'),
    (101, 1, 10,   NULL),
    (102, 2, 20,   '2024-03-02'),
    (103, 2, NULL, '2024-03-02');

INSERT INTO "Image" (id, "userId", "postId", "createdAt") VALUES
    (1, 1, 100,  '2024-03-01'),
    (2, 1, 100,  '2024-03-01'),
    (3, 1, 100,  '2024-03-02'),
    (4, 1, 101,  '2024-03-01'),
    (5, 2, 102,  '2024-03-02'),
    (6, 2, 103,  '2024-03-02'),
    (7, 2, NULL, '2024-03-02');

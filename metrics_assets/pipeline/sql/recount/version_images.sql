-- Images of versions from the images of their published posts. Reads "Image", "Post"; writes recounted.
INSERT INTO recounted (entity_type, entity_id, metric_type, total)
SELECT 'ModelVersion', p."modelVersionId", 'Image', count(*)
FROM "Image" s
JOIN "Post" p ON p.id = s."postId"
WHERE p."publishedAt" IS NOT NULL AND p."modelVersionId" > 0 AND p.id > 0 AND {in_scope}
  AND {s_admitted}
GROUP BY p."modelVersionId"

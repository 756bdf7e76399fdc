-- Keys of captured rows that no drain has taken, by the old and the new row. Parents follow in stage_parents.sql; the
-- ones that a row has left are named here.
-- Reads: the outbox tables. Writes: pending_key.

INSERT INTO pending_key (entity_type, entity_id)
SELECT DISTINCT captured.entity_type, captured.entity_id
FROM (
    SELECT 'Model', id FROM metrics.outbox_model
    UNION ALL
    SELECT 'ModelVersion', id FROM metrics.outbox_model_version
    UNION ALL
    SELECT 'Model', unnest(ARRAY["old_modelId", "new_modelId"]) FROM metrics.outbox_model_version
    UNION ALL
    SELECT 'Post', id FROM metrics.outbox_post
    UNION ALL
    SELECT 'ModelVersion', unnest(ARRAY["old_modelVersionId", "new_modelVersionId"]) FROM metrics.outbox_post
    UNION ALL
    SELECT 'Post', unnest(ARRAY["old_postId", "new_postId"]) FROM metrics.outbox_image
    UNION ALL
    SELECT 'Model', unnest(ARRAY["old_modelId", "new_modelId"]) FROM metrics.outbox_resource_review
    UNION ALL
    SELECT 'ModelVersion', unnest(ARRAY["old_modelVersionId", "new_modelVersionId"]) FROM metrics.outbox_resource_review
    UNION ALL
    SELECT 'ModelVersion', unnest(ARRAY["old_modelVersionId", "new_modelVersionId"]) FROM metrics.outbox_donation
    UNION ALL
    SELECT 'Model', unnest(ARRAY["old_modelId", "new_modelId"]) FROM metrics.outbox_comment
    UNION ALL
    SELECT 'Model', unnest(ARRAY["old_modelId", "new_modelId"]) FROM metrics.outbox_collection_item
    UNION ALL
    SELECT 'Model', "entityId" FROM metrics.outbox_buzz_tip WHERE "entityType" = 'Model'
    UNION ALL
    SELECT entity_type, entity_id FROM metrics.outbox_excluded_resource
) AS captured (entity_type, entity_id)
WHERE captured.entity_id IS NOT NULL;

-- Indexes that consumers of the outputs read by: rows that moved since a time, and the orders of the feeds.
-- Run one statement at a time outside a transaction: CONCURRENTLY does not hold up the application.

CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelVersionMetric_updatedAt_idx" ON "ModelVersionMetric" ("updatedAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelMetric_updatedAt_idx" ON "ModelMetric" ("updatedAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelMetric_highest_rated_idx"
    ON "ModelMetric" ("thumbsUpCount" DESC, "downloadCount" DESC, "modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelMetric_most_downloaded_idx"
    ON "ModelMetric" ("downloadCount" DESC, "thumbsUpCount" DESC, "modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelMetric_most_discussed_idx"
    ON "ModelMetric" ("commentCount" DESC, "thumbsUpCount" DESC, "modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelMetric_most_collected_idx"
    ON "ModelMetric" ("collectedCount" DESC, "thumbsUpCount" DESC, "modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ReviewStatsByBaseModel_updatedAt_idx"
    ON "ReviewStatsByBaseModel" ("updatedAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelBaseModelMetric_updatedAt_idx"
    ON "ModelBaseModelMetric" ("updatedAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelBaseModelMetric_rated_idx"
    ON "ModelBaseModelMetric" ("baseModel", "thumbsUpCount" DESC, "downloadCount" DESC, "modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelBaseModelMetric_downloaded_idx"
    ON "ModelBaseModelMetric" ("baseModel", "downloadCount" DESC, "thumbsUpCount" DESC, "modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS "ModelBaseModelMetric_images_idx"
    ON "ModelBaseModelMetric" ("baseModel", "imageCount" DESC, "thumbsUpCount" DESC, "modelId");

-- The few indexes on application tables that ticks and rebuilds rely on, for production tables that lack them.
-- One statement at a time, outside a transaction.

CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_review_model_user ON "ResourceReview" ("modelId", "userId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_review_version ON "ResourceReview" ("modelVersionId", "userId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_review_created ON "ResourceReview" ("createdAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_version_model ON "ModelVersion" ("modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_collection_item_model ON "CollectionItem" ("modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_collection_item_created ON "CollectionItem" ("createdAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_comment_model ON "Comment" ("modelId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_comment_created ON "Comment" ("createdAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_tip_created ON "BuzzTip" ("createdAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_donation_version ON "Donation" ("modelVersionId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_donation_created ON "Donation" ("createdAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_post_version ON "Post" ("modelVersionId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_image_post ON "Image" ("postId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_image_created ON "Image" ("createdAt");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_review_user ON "ResourceReview" ("userId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_collection_item_user ON "CollectionItem" ("addedById");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_comment_user ON "Comment" ("userId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_tip_user ON "BuzzTip" ("fromUserId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_donation_user ON "Donation" ("userId");
CREATE INDEX CONCURRENTLY IF NOT EXISTS metrics_image_user ON "Image" ("userId");

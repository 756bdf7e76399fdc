-- The output tables in Postgres. They may exist already, with more columns than ours: then only what is missing is added.
-- Safe to repeat: every statement is IF NOT EXISTS.

CREATE TABLE IF NOT EXISTS "ModelVersionMetric" (
    "modelVersionId" integer PRIMARY KEY,
    "updatedAt"      timestamp(3) NOT NULL DEFAULT now()
);
ALTER TABLE "ModelVersionMetric"
    ADD COLUMN IF NOT EXISTS "downloadCount"     integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "generationCount"   integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "thumbsUpCount"     integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "thumbsDownCount"   integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "imageCount"        integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "tippedCount"       integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "tippedAmountCount" integer NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS "ModelMetric" (
    "modelId"   integer PRIMARY KEY,
    "updatedAt" timestamp(3) NOT NULL DEFAULT now()
);
ALTER TABLE "ModelMetric"
    ADD COLUMN IF NOT EXISTS "downloadCount"     integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "generationCount"   integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "thumbsUpCount"     integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "thumbsDownCount"   integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "commentCount"      integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "imageCount"        integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "tippedCount"       integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "tippedAmountCount" integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "collectedCount"    integer NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS "ModelBaseModelMetric" (
    "modelId"      integer NOT NULL,
    "baseModel"    text NOT NULL,
    status         text NOT NULL DEFAULT 'Draft',
    availability   text NOT NULL DEFAULT 'Public',
    mode           text,
    "nsfwLevel"    integer NOT NULL DEFAULT 0,
    minor          boolean NOT NULL DEFAULT false,
    poi            boolean NOT NULL DEFAULT false,
    "updatedAt"    timestamp(3) NOT NULL DEFAULT now(),
    PRIMARY KEY ("modelId", "baseModel")
);
ALTER TABLE "ModelBaseModelMetric"
    ADD COLUMN IF NOT EXISTS "thumbsUpCount" integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "downloadCount" integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS "imageCount"    integer NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS "ReviewStatsByBaseModel" (
    "modelId"         integer NOT NULL,
    "baseModel"       text NOT NULL,
    "thumbsUpCount"   integer NOT NULL DEFAULT 0,
    "thumbsDownCount" integer NOT NULL DEFAULT 0,
    "updatedAt"       timestamp(3) NOT NULL DEFAULT now(),
    PRIMARY KEY ("modelId", "baseModel")
);

-- one that is there is left alone: to replace it would wait for its readers, and keep later ones waiting
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('mv_review_stats_by_base_model') AND relkind = 'v') THEN
        CREATE VIEW mv_review_stats_by_base_model AS
        SELECT "modelId", "baseModel", "thumbsUpCount", "thumbsDownCount" FROM "ReviewStatsByBaseModel";
    END IF;
END $$;

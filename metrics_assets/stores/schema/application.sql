-- The application's tables, for local use and tests only: in production they exist and belong to the application.
-- Names, keys and columns are the contract with the application. Safe to repeat: every statement is IF NOT EXISTS.

CREATE TABLE IF NOT EXISTS "User" (
    id          integer PRIMARY KEY,
    "createdAt" timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "Model" (
    id           integer PRIMARY KEY,
    name         text NOT NULL DEFAULT '',
    type         text NOT NULL DEFAULT 'Checkpoint',
    "userId"     integer NOT NULL,
    status       text NOT NULL DEFAULT 'Published',
    availability text NOT NULL DEFAULT 'Public',
    mode         text,
    "nsfwLevel"  integer NOT NULL DEFAULT 0,
    minor        boolean NOT NULL DEFAULT false,
    poi          boolean NOT NULL DEFAULT false,
    "createdAt"  timestamp(3) NOT NULL DEFAULT now(),
    "updatedAt"  timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "ModelVersion" (
    id            integer PRIMARY KEY,
    "modelId"     integer NOT NULL,
    name          text NOT NULL DEFAULT '',
    "baseModel"   text NOT NULL,
    status        text NOT NULL DEFAULT 'Published',
    "publishedAt" timestamp(3),
    "createdAt"   timestamp(3) NOT NULL DEFAULT now(),
    "updatedAt"   timestamp(3) NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS "ModelVersion_modelId_idx" ON "ModelVersion" ("modelId");

CREATE TABLE IF NOT EXISTS "ResourceReview" (
    id               integer PRIMARY KEY,
    "modelId"        integer NOT NULL,
    "modelVersionId" integer NOT NULL,
    "userId"         integer NOT NULL,
    recommended      boolean NOT NULL DEFAULT true,
    exclude          boolean NOT NULL DEFAULT false,
    "tosViolation"   boolean NOT NULL DEFAULT false,
    "createdAt"      timestamp(3) DEFAULT now(),
    "updatedAt"      timestamp(3) NOT NULL DEFAULT now(),
    UNIQUE ("modelVersionId", "userId")
);

CREATE TABLE IF NOT EXISTS "Collection" (
    id          integer PRIMARY KEY,
    "userId"    integer NOT NULL,
    name        text NOT NULL DEFAULT '',
    type        text,
    "createdAt" timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "CollectionItem" (
    id             integer PRIMARY KEY,
    "collectionId" integer NOT NULL,
    "modelId"      integer,
    "postId"       integer,
    "imageId"      integer,
    "addedById"    integer,
    status         text NOT NULL DEFAULT 'ACCEPTED',
    "createdAt"    timestamp(3) DEFAULT now(),
    "updatedAt"    timestamp(3) DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "CollectionContributor" (
    "userId"       integer NOT NULL,
    "collectionId" integer NOT NULL,
    permissions    text[] NOT NULL DEFAULT '{}',
    "createdAt"    timestamp(3) DEFAULT now(),
    "updatedAt"    timestamp(3) DEFAULT now(),
    PRIMARY KEY ("userId", "collectionId")
);

CREATE TABLE IF NOT EXISTS "Post" (
    id               integer PRIMARY KEY,
    "userId"         integer NOT NULL,
    "modelVersionId" integer,
    title            text,
    "publishedAt"    timestamp(3),
    "createdAt"      timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "Image" (
    id          integer PRIMARY KEY,
    "userId"    integer NOT NULL,
    "postId"    integer,
    "createdAt" timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "ImageReaction" (
    id          integer PRIMARY KEY,
    "imageId"   integer NOT NULL,
    "userId"    integer NOT NULL,
    reaction    text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT now(),
    UNIQUE ("imageId", "userId", reaction)
);

CREATE TABLE IF NOT EXISTS "Comment" (
    id             integer PRIMARY KEY,
    "modelId"      integer,
    "userId"       integer NOT NULL,
    "tosViolation" boolean NOT NULL DEFAULT false,
    hidden         boolean NOT NULL DEFAULT false,
    "createdAt"    timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "Thread" (
    id        integer PRIMARY KEY,
    "postId"  integer UNIQUE,
    "imageId" integer UNIQUE
);

CREATE TABLE IF NOT EXISTS "CommentV2" (
    id             integer PRIMARY KEY,
    "threadId"     integer NOT NULL,
    "userId"       integer NOT NULL,
    "tosViolation" boolean NOT NULL DEFAULT false,
    hidden         boolean NOT NULL DEFAULT false,
    "createdAt"    timestamp(3) NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS "UserEngagement" (
    "userId"       integer NOT NULL,
    "targetUserId" integer NOT NULL,
    type           text NOT NULL,
    "createdAt"    timestamp(3) NOT NULL DEFAULT now(),
    PRIMARY KEY ("userId", "targetUserId")
);

CREATE TABLE IF NOT EXISTS "BuzzTip" (
    "entityType" text NOT NULL,
    "entityId"   integer NOT NULL,
    "fromUserId" integer NOT NULL,
    "toUserId"   integer NOT NULL,
    amount       integer NOT NULL,
    "createdAt"  timestamp(3) NOT NULL DEFAULT now(),
    "updatedAt"  timestamp(3) NOT NULL DEFAULT now(),
    PRIMARY KEY ("entityType", "entityId", "fromUserId")
);

CREATE TABLE IF NOT EXISTS "Donation" (
    id               integer PRIMARY KEY,
    "modelVersionId" integer NOT NULL,
    "userId"         integer NOT NULL,
    amount           integer NOT NULL,
    "createdAt"      timestamp(3) NOT NULL DEFAULT now()
);

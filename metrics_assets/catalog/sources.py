"""Where numbers come from: the captured tables, the logs, and how their rows count."""

from __future__ import annotations

from metrics_assets.catalog.declarations import Column, Contribution, Log, LogContribution, Source

# Of an entity, whose totals go by it; an id that names a row and nothing else may be longer.
ENTITY_ID = (Column("id", "integer"),)
ROW_ID = (Column("id", "bigint"),)
CREATED_AT = Column("createdAt", "timestamp(3)")

RESOURCE_REVIEW = Source(
    "ResourceReview",
    key=ROW_ID,
    columns=(
        Column("modelId", "integer"),
        Column("modelVersionId", "integer"),
        Column("userId", "integer"),
        Column("recommended", "boolean"),
        Column("exclude", "boolean"),
        Column("tosViolation", "boolean"),
        CREATED_AT,
    ),
)
COLLECTION_ITEM = Source(
    "CollectionItem",
    key=ROW_ID,
    columns=(Column("modelId", "integer"), Column("addedById", "integer"), CREATED_AT),
    user="addedById",
)
COMMENT = Source(
    "Comment",
    key=ROW_ID,
    columns=(
        Column("modelId", "integer"),
        Column("userId", "integer"),
        Column("tosViolation", "boolean"),
        CREATED_AT,
    ),
)
BUZZ_TIP = Source(
    "BuzzTip",
    key=(Column("entityType", "text"), Column("entityId", "integer"), Column("fromUserId", "integer")),
    columns=(Column("amount", "bigint"), CREATED_AT),
    user="fromUserId",
)
DONATION = Source(
    "Donation",
    key=ROW_ID,
    columns=(
        Column("modelVersionId", "integer"),
        Column("userId", "integer"),
        Column("amount", "bigint"),
        CREATED_AT,
    ),
)
IMAGE = Source(
    "Image",
    key=ROW_ID,
    columns=(Column("postId", "integer"), Column("userId", "integer"), CREATED_AT),
)

# Tables that only group: they move totals between parents and contribute nothing themselves.
POST = Source(
    "Post",
    key=ENTITY_ID,
    columns=(Column("modelVersionId", "integer"), Column("publishedAt", "timestamp(3)")),
    created_at=None,
    user=None,
)
MODEL_VERSION = Source(
    "ModelVersion",
    key=ENTITY_ID,
    columns=(Column("modelId", "integer"), Column("baseModel", "text"), Column("status", "text")),
    created_at=None,
    user=None,
)
MODEL = Source(
    "Model",
    key=ENTITY_ID,
    columns=(
        Column("status", "text"),
        Column("availability", "text"),
        Column("mode", "text"),
        Column("nsfwLevel", "integer"),
        Column("minor", "boolean"),
        Column("poi", "boolean"),
    ),
    created_at=None,
    user=None,
)

# What counts nowhere, whatever the tables above say: operators write these. All that counts is that a row is there, and
# `added_at` is captured because a source has a column beside its key.
EXCLUDED_USER = Source(
    "excluded_user",
    key=(Column("user_id", "integer"),),
    columns=(Column("added_at", "timestamptz"),),
    created_at=None,
    user=None,
    schema="metrics",
)
EXCLUDED_RESOURCE = Source(
    "excluded_resource",
    key=(Column("entity_type", "text"), Column("entity_id", "integer")),
    columns=(Column("added_at", "timestamptz"),),
    created_at=None,
    user=None,
    schema="metrics",
)

SOURCES: tuple[Source, ...] = (
    EXCLUDED_USER,
    EXCLUDED_RESOURCE,
    MODEL,
    MODEL_VERSION,
    POST,
    RESOURCE_REVIEW,
    COLLECTION_ITEM,
    COMMENT,
    BUZZ_TIP,
    DONATION,
    IMAGE,
)

# users are counted, so a review of nobody counts nowhere
_COUNTS_AS_REVIEW = '"userId" IS NOT NULL AND NOT exclude AND NOT "tosViolation"'
_UP = f"recommended AND {_COUNTS_AS_REVIEW}"
_DOWN = f"NOT recommended AND {_COUNTS_AS_REVIEW}"

CONTRIBUTIONS: tuple[Contribution, ...] = (
    # (modelVersionId, userId) is unique, so the rows of a version are its distinct users
    Contribution(RESOURCE_REVIEW, "ModelVersion", '"modelVersionId"', "ThumbsUp", where=_UP),
    Contribution(RESOURCE_REVIEW, "ModelVersion", '"modelVersionId"', "ThumbsDown", where=_DOWN),
    Contribution(RESOURCE_REVIEW, "Model", '"modelId"', "ThumbsUp", where=_UP, distinct_by='"userId"'),
    Contribution(RESOURCE_REVIEW, "Model", '"modelId"', "ThumbsDown", where=_DOWN, distinct_by='"userId"'),
    Contribution(COLLECTION_ITEM, "Model", '"modelId"', "Collection"),
    Contribution(COMMENT, "Model", '"modelId"', "Comment", where='NOT "tosViolation"'),
    Contribution(
        BUZZ_TIP,
        "Model",
        '"entityId"',
        "Tip",
        where="\"entityType\" = 'Model'",
        event_key='"fromUserId"',
    ),
    Contribution(
        BUZZ_TIP,
        "Model",
        '"entityId"',
        "Buzz",
        where="\"entityType\" = 'Model'",
        value="amount",
        event_key='"fromUserId"',
    ),
    Contribution(DONATION, "ModelVersion", '"modelVersionId"', "Tip"),
    Contribution(DONATION, "ModelVersion", '"modelVersionId"', "Buzz", value="amount"),
    Contribution(IMAGE, "Post", '"postId"', "Image"),
)

MODEL_VERSION_EVENTS = Log("modelVersionEvents")
ORCHESTRATION_JOBS = Log("jobs", database="orchestration")
LOGS: tuple[Log, ...] = (MODEL_VERSION_EVENTS, ORCHESTRATION_JOBS)

LOG_CONTRIBUTIONS: tuple[LogContribution, ...] = (
    LogContribution(MODEL_VERSION_EVENTS, "ModelVersion", "Download", "downloads"),
    LogContribution(ORCHESTRATION_JOBS, "ModelVersion", "Generation", "generations"),
)

"""The metric sets. To add a counter: a `Contribution` in sources.py (unless its metric is counted already) and a
`Counter` here; `metrics-assets schema apply` adds the column, and the next tick fills it.
"""

from __future__ import annotations

from datetime import timedelta

from metrics_assets.catalog import sources
from metrics_assets.catalog.declarations import Column, Counter, MetricSet, Output

_MODEL_KEY = (Column("modelId", "integer"),)
_PAIR_KEY = (Column("modelId", "integer"), Column("baseModel", "text"))

MODEL_METRICS = MetricSet(
    name="model_metrics",
    job="update_metrics_models",
    cron="* * * * *",
    lag=timedelta(minutes=10),
    description="Downloads, generations, thumbs, comments, images and tips of every model and model version.",
    outputs=(
        Output(
            table="ModelVersionMetric",
            entity="ModelVersion",
            entity_table="ModelVersion",
            key=(Column("modelVersionId", "integer"),),
            counters=(
                Counter("downloadCount", "Download", "distinct download events of the version"),
                Counter("generationCount", "Generation", "jobs that used the version, each once"),
                Counter("thumbsUpCount", "ThumbsUp", "distinct users who recommend the version"),
                Counter("thumbsDownCount", "ThumbsDown", "distinct users who do not recommend it"),
                Counter("imageCount", "Image", "images in published posts of the version"),
                Counter("tippedCount", "Tip", "donations to the version"),
                Counter("tippedAmountCount", "Buzz", "Buzz donated to the version"),
            ),
        ),
        Output(
            table="ModelMetric",
            entity="Model",
            entity_table="Model",
            key=_MODEL_KEY,
            counters=(
                Counter("downloadCount", "Download", "downloads of all its versions", of=("versions",)),
                Counter("generationCount", "Generation", "generations of all its versions", of=("versions",)),
                Counter("thumbsUpCount", "ThumbsUp", "distinct users who recommend the model"),
                Counter("thumbsDownCount", "ThumbsDown", "distinct users who do not recommend it"),
                Counter("commentCount", "Comment", "comments without a TOS violation"),
                Counter("imageCount", "Image", "images of all its versions", of=("versions",)),
                Counter("tippedCount", "Tip", "tips to the model and its versions", of=("self", "versions")),
                Counter("tippedAmountCount", "Buzz", "Buzz tipped to it and its versions", of=("self", "versions")),
            ),
        ),
    ),
    sources=(
        sources.MODEL,
        sources.MODEL_VERSION,
        sources.RESOURCE_REVIEW,
        sources.COMMENT,
        sources.BUZZ_TIP,
        sources.DONATION,
        sources.POST,
        sources.IMAGE,
    ),
    logs=(sources.MODEL_VERSION_EVENTS, sources.ORCHESTRATION_JOBS),
    kinds=frozenset({"postgres", "redis"}),
    search=True,
)

MODEL_COLLECTION_METRICS = MetricSet(
    name="model_collection_metrics",
    job="update_metrics_model_collections",
    cron="*/5 * * * *",
    lag=timedelta(minutes=20),
    description="How many collection items hold each model.",
    outputs=(
        Output(
            table="ModelMetric",
            entity="Model",
            entity_table="Model",
            key=_MODEL_KEY,
            counters=(Counter("collectedCount", "Collection", "collection items that hold the model"),),
        ),
    ),
    sources=(sources.MODEL, sources.COLLECTION_ITEM),
    kinds=frozenset({"postgres", "redis"}),
    search=True,
)

REVIEW_STATS = MetricSet(
    name="review_stats",
    job="update_review_stats",
    cron="*/5 * * * *",
    lag=timedelta(minutes=20),
    description=(
        "Materialized review stats: distinct users who recommend, or not, the published versions of a model "
        "with one base model."
    ),
    outputs=(
        Output(
            table="ReviewStatsByBaseModel",
            entity="Model",
            entity_table="Model",
            key=_PAIR_KEY,
            counters=(
                Counter("thumbsUpCount", "ThumbsUp", "distinct users who recommend a version of the pair"),
                Counter("thumbsDownCount", "ThumbsDown", "distinct users who do not recommend one"),
            ),
        ),
    ),
    sources=(sources.MODEL, sources.MODEL_VERSION, sources.RESOURCE_REVIEW),
)

BASE_MODEL_METRICS = MetricSet(
    name="base_model_metrics",
    job="update_metrics_basemodels",
    cron="*/5 * * * *",
    lag=timedelta(minutes=20),
    description="Thumbs, downloads and images of a model by the base model of its published versions.",
    outputs=(
        Output(
            table="ModelBaseModelMetric",
            entity="Model",
            entity_table="Model",
            key=_PAIR_KEY,
            counters=(
                Counter("thumbsUpCount", "ThumbsUp", "as of the last tick of review_stats"),
                Counter("downloadCount", "Download", "downloads of the pair's versions", of=("versions",)),
                Counter("imageCount", "Image", "images of the pair's versions", of=("versions",)),
            ),
            metadata=sources.MODEL.columns,
        ),
    ),
    sources=(sources.MODEL, sources.MODEL_VERSION, sources.POST, sources.IMAGE),
    logs=(sources.MODEL_VERSION_EVENTS,),
    reads=("review_stats",),
)

SETS: tuple[MetricSet, ...] = (MODEL_METRICS, MODEL_COLLECTION_METRICS, REVIEW_STATS, BASE_MODEL_METRICS)

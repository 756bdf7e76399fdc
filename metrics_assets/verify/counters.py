"""Which numbers exist, by set and store. Said here again on purpose: verify must not learn it from the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metrics_assets.errors import ConfigurationError

MODEL_METRICS = "model_metrics"
MODEL_COLLECTION_METRICS = "model_collection_metrics"
REVIEW_STATS = "review_stats"
BASE_MODEL_METRICS = "base_model_metrics"

VERIFIED_SETS = (MODEL_METRICS, MODEL_COLLECTION_METRICS, REVIEW_STATS, BASE_MODEL_METRICS)

LOG_METRICS = frozenset({"Download", "Generation"})
"""Counted from ClickHouse logs; everything else comes from Postgres tables."""


@dataclass(frozen=True, order=True)
class Metric:
    """A number that the stores keep by entity type and metric type."""

    entity_type: str
    metric_type: str


def _metrics(entity_type: str, *metric_types: str) -> frozenset[Metric]:
    return frozenset(Metric(entity_type, metric_type) for metric_type in metric_types)


TOTALS: Mapping[str, frozenset[Metric]] = {
    MODEL_METRICS: _metrics("ModelVersion", "Download", "Generation", "ThumbsUp", "ThumbsDown", "Image", "Tip", "Buzz")
    | _metrics("Model", "Download", "Generation", "ThumbsUp", "ThumbsDown", "Comment", "Image", "Tip", "Buzz"),
    MODEL_COLLECTION_METRICS: _metrics("Model", "Collection"),
}
"""All-time totals in ClickHouse and Redis, by set."""

LEAVES: Mapping[str, frozenset[Metric]] = {
    MODEL_METRICS: _metrics("ModelVersion", "Download", "Generation", "ThumbsUp", "ThumbsDown", "Tip", "Buzz")
    | _metrics("Model", "ThumbsUp", "ThumbsDown", "Comment", "Tip", "Buzz")
    | _metrics("Post", "Image"),
    MODEL_COLLECTION_METRICS: _metrics("Model", "Collection"),
}
"""What ClickHouse keeps by day, by set."""


def chosen(table: Mapping[str, frozenset[Metric]], sets: Sequence[str]) -> tuple[Metric, ...]:
    """The metrics that `table` has for the sets, in a stable order."""
    return tuple(sorted(frozenset().union(*(table.get(name, frozenset()) for name in sets))))


def known_sets(names: Sequence[str]) -> tuple[str, ...]:
    """The named sets in the order of `VERIFIED_SETS`; all of them when none is named.

    Raises:
        ConfigurationError: a name is not one that verify can recount.
    """
    unknown = sorted(set(names) - set(VERIFIED_SETS))
    if unknown:
        raise ConfigurationError(f"verify does not know {', '.join(unknown)}: use one of {', '.join(VERIFIED_SETS)}.")
    return tuple(name for name in VERIFIED_SETS if name in names or not names)

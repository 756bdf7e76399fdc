"""What is measured: sources, contributions and metric sets, declared as data."""

from __future__ import annotations

from collections.abc import Iterable

from metrics_assets.catalog.declarations import (
    Column,
    Contribution,
    Counter,
    Log,
    LogContribution,
    MetricSet,
    Output,
    Source,
)
from metrics_assets.catalog.sets import SETS
from metrics_assets.catalog.sources import CONTRIBUTIONS, LOG_CONTRIBUTIONS, LOGS, SOURCES
from metrics_assets.errors import ConfigurationError

EVENTS_ASSET = "entity_metric_events"
DAILY_ASSET = "entity_metric_daily"

__all__ = [
    "CONTRIBUTIONS",
    "DAILY_ASSET",
    "EVENTS_ASSET",
    "LOGS",
    "LOG_CONTRIBUTIONS",
    "SETS",
    "SOURCES",
    "Column",
    "Contribution",
    "Counter",
    "Log",
    "LogContribution",
    "MetricSet",
    "Output",
    "Source",
    "metric_set",
    "select",
    "shows_logs",
]


def metric_set(name: str) -> MetricSet:
    """The set of that name.

    Raises:
        ConfigurationError: no set has the name; the message lists those there are.
    """
    for candidate in SETS:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in SETS)
    raise ConfigurationError(f"There is no metric set {name!r}. Use one of: {known}.")


def select(names: Iterable[str]) -> tuple[MetricSet, ...]:
    """The named sets with the sets that they read, in the order in which they are ticked; all when none is named."""
    wanted = {metric_set(name).name for name in names}
    if not wanted:
        return SETS
    for name in tuple(wanted):
        wanted.update(metric_set(name).reads)
    return tuple(candidate for candidate in SETS if candidate.name in wanted)


def shows_logs(shown: MetricSet) -> bool:
    """Whether a log counts for the set, or for one that it reads."""
    return bool(shown.logs) or any(shows_logs(metric_set(name)) for name in shown.reads)

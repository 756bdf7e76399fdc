"""The last complete window of a set. Dagster's freshness policies look at materializations of any partition: a backfill
of last year makes a set look fresh. This looks at the moment through which the set is complete.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog import MetricSet
from metrics_assets.orchestration.describe import Metadata

if TYPE_CHECKING:
    from metrics_assets.orchestration.probes import Window

COMPLETE_WINDOW = "complete_window"


def window_result(metric_set: MetricSet, window: Window) -> dg.AssetCheckResult:
    """Failed when changes older than the set's lag may be missing from its outputs, with the reason."""
    reason = _late_because(metric_set, window)
    metadata: Metadata = {"state": window.state, "lag_allowed_seconds": metric_set.lag.total_seconds()}
    if window.complete_through is not None:
        day = window.complete_through.astimezone(dt.UTC).date() - dt.timedelta(days=1)
        metadata |= {
            "complete_through": dg.MetadataValue.timestamp(window.complete_through),
            "last_complete_day": day.isoformat(),
            "behind_seconds": round((window.now - window.complete_through).total_seconds(), 1),
        }
    return dg.AssetCheckResult(
        asset_key=metric_set.name,
        check_name=COMPLETE_WINDOW,
        passed=reason is None,
        metadata=metadata,
        description=reason or "Complete within the lag that the set allows.",
    )


def _late_because(metric_set: MetricSet, window: Window) -> str | None:
    if window.inexact_reason is not None:
        return f"Not exact: {window.inexact_reason}"
    behind = window.now - (window.complete_through or window.changed_at)
    if behind <= metric_set.lag:
        return None
    why = f"It is paused: {window.pause_reason}." if window.pause_reason else "See its last ticks."
    minutes = behind.total_seconds() / 60
    if window.complete_through is None:
        return f"No tick has completed in {minutes:.0f} minutes; the set is {window.state}. {why}"
    return f"Complete only through {window.complete_through:%Y-%m-%d %H:%M:%S} UTC, {minutes:.0f} minutes ago. {why}"

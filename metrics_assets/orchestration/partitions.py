"""The days that all assets are divided into: UTC, one object for all, the open day included."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from metrics_assets.settings import Settings


def daily(settings: Settings) -> dg.DailyPartitionsDefinition:
    """One partition a UTC day since METRICS_START_DATE. `end_offset=1` shows the day that is still open."""
    return dg.DailyPartitionsDefinition(start_date=settings.start_date.isoformat(), timezone="UTC", end_offset=1)


def key_at(moment: dt.datetime) -> str:
    """Partition key of the UTC day that holds the moment."""
    return moment.astimezone(dt.UTC).date().isoformat()


def days_of(context: dg.AssetExecutionContext) -> tuple[dt.date, dt.date]:
    """First and last day of the run, inclusive: one partition or a range without gaps."""
    window = context.partition_time_window
    return window.start.date(), window.end.date() - dt.timedelta(days=1)

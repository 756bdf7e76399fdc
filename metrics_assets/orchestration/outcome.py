"""A report of the pipeline in Dagster's words: metadata of the materialization, and the checks that the asset itself
reports because only it was there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.orchestration.describe import Metadata

if TYPE_CHECKING:
    from metrics_assets.pipeline.reports import Report

RULES = "rules"
CLICKHOUSE_ANSWERS = "clickhouse_answers"
REDIS_ANSWERS = "redis_answers"
_SHOWN_KEYS = 20


def rules_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """The rules that run inside the upsert's transaction. The check fails the run after the fact: what it names was
    never published.
    """
    return dg.AssetCheckSpec(
        RULES,
        asset=asset,
        blocking=True,
        description="No rule kept a number back in the upsert's transaction. Keys kept back stay dirty.",
    )


def clickhouse_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """ClickHouse took part in the pass. Postgres's numbers do not wait for it, so this only warns."""
    return dg.AssetCheckSpec(
        CLICKHOUSE_ANSWERS,
        asset=asset,
        description="ClickHouse did its part. While it does not, batches wait in Postgres and nothing is lost.",
    )


def redis_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Redis took part in the pass. Postgres's numbers do not wait for it, so this only warns."""
    return dg.AssetCheckSpec(
        REDIS_ANSWERS,
        asset=asset,
        description="Redis did its part. While it does not, hashes wait in Postgres and nothing is lost.",
    )


def result_of(report: Report, checks: tuple[dg.AssetCheckSpec, ...], days: int) -> dg.MaterializeResult[None]:
    """What one pass did, for the run's partitions.

    Args:
        checks: the checks that the asset declares as its own.
        days: how many partitions the pass was for; Dagster writes the same metadata on each.
    """
    reported = {RULES: rules_result, CLICKHOUSE_ANSWERS: clickhouse_result, REDIS_ANSWERS: redis_result}
    return dg.MaterializeResult(
        metadata=metadata_of(report, days),
        check_results=[reported[spec.name](report) for spec in checks],
    )


def metadata_of(report: Report, days: int) -> Metadata:
    """Metadata of one materialization. Over several days the totals are one value under `range`, so that a
    plot by partition does not show the whole range's numbers on every day of it.
    """
    told: Metadata = {
        "mode": report.mode,
        "outcome": report.outcome,
        "version": report.version,
        "started_at": _moment(report.started_at),
    }
    if report.newest_event_at is not None:
        told["newest_event_at"] = _moment(report.newest_event_at)
    if report.older_days.count:
        told["older_days"] = report.older_days.count
        told["oldest_day"] = str(report.older_days.oldest)
        told["older_days_first"] = ", ".join(day.isoformat() for day in report.older_days.first)
    figures = _figures(report)
    if days > 1:
        told["range"] = dg.MetadataValue.json(
            {"first_day": str(report.first_day), "last_day": str(report.last_day), "days": days, **figures}
        )
    else:
        told.update(figures)
    return told


def rules_result(report: Report) -> dg.AssetCheckResult:
    """Failed when a rule kept numbers back, with the rule, the reason and the keys."""
    return dg.AssetCheckResult(
        check_name=RULES,
        passed=not report.rule_failures,
        metadata={
            "kept_back": sum(max(len(failure.keys), 1) for failure in report.rule_failures),
            **{
                f"{failure.rule} ({failure.set_name})": _kept_back(failure.message, failure.keys)
                for failure in report.rule_failures
            },
        },
        description="; ".join(failure.message for failure in report.rule_failures) or "Every number passed.",
    )


def clickhouse_result(report: Report) -> dg.AssetCheckResult:
    """Failed, as a warning, when ClickHouse did not do its part, with its own words."""
    return _store_result(
        CLICKHOUSE_ANSWERS,
        report.detail.get("clickhouse"),
        "ClickHouse did its part.",
        "Sealed batches wait in Postgres; the next tick that ClickHouse takes part in sends them.",
    )


def redis_result(report: Report) -> dg.AssetCheckResult:
    """Failed, as a warning, when Redis did not do its part, with its own words."""
    return _store_result(
        REDIS_ANSWERS,
        report.detail.get("redis"),
        "Redis did its part.",
        "Hashes wait in Postgres; the next tick that Redis takes part in writes them.",
    )


def _store_result(check: str, error: object | None, fine: str, waits: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=check,
        passed=error is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=fine if error is None else f"{error} {waits}",
    )


def _figures(report: Report) -> dict[str, int | float | str]:
    steps: Mapping[str, float] = report.steps
    return {
        "entities_changed": report.entities_changed,
        "rows_read": report.rows_read,
        "rows_written": report.rows_written,
        "backlog_before": report.backlog_before,
        "backlog_after": report.backlog_after,
        "seconds": round(report.seconds, 4),
        **{f"seconds/{step}": round(seconds, 4) for step, seconds in steps.items()},
        **{f"detail/{name}": value for name, value in report.detail.items()},
    }


def _kept_back(message: str, keys: tuple[str, ...]) -> str:
    shown = ", ".join(keys[:_SHOWN_KEYS])
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    return f"{message} Keys: {shown}{more}" if shown else message


def _moment(value: dt.datetime) -> dg.TimestampMetadataValue:
    return dg.MetadataValue.timestamp(value)

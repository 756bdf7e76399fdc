"""The assets: contributions, their rollup, and one for each metric set of the catalog.

All have one body: one pass of the pipeline, in the mode that the run's tags ask for, and its report as result.
"""

# Dagster reads the annotation of `context`: no `from __future__ import annotations` here.

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, LOGS, SETS, SOURCES, MetricSet
from metrics_assets.orchestration import describe, outcome, resources, sources, tags
from metrics_assets.orchestration.failures import explained
from metrics_assets.orchestration.partitions import days_of
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    from metrics_assets.orchestration.resources import Session
    from metrics_assets.pipeline.reports import Report

SETS_GROUP = "metric_sets"


@dataclass(frozen=True)
class _Pass:
    """What is particular to an asset: who feeds it, what a tick of it does, and how it presents itself."""

    name: str
    deps: Sequence[dg.AssetKey]
    tick: Callable[["Session", str], "Report"]
    description: str
    group: str
    kinds: frozenset[str]
    owners: tuple[str, ...]
    code_version: str
    lag: timedelta
    metadata: describe.Metadata
    checks: tuple[dg.AssetCheckSpec, ...]


def all_assets(days: dg.DailyPartitionsDefinition, settings: Settings) -> list[dg.AssetsDefinition]:
    """Every asset that a run materializes, in the order of the data's way."""
    with warnings.catch_warnings():
        # `backfill_policy` is still marked beta in the Dagster that pyproject.toml pins; every command would say so
        warnings.simplefilter("ignore", dg.BetaWarning)
        return [_asset(step, days) for step in (_events(), _daily(), *(_set(s, settings) for s in SETS))]


def _asset(step: _Pass, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key=step.name,
        deps=step.deps,
        partitions_def=days,
        # a range is one run and one pass: the totals of an entity are computed once for the whole of it
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={resources.KEY},
        description=step.description,
        group_name=step.group,
        kinds=set(step.kinds),
        owners=list(step.owners),
        code_version=step.code_version,
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=step.lag, warn_window=step.lag / 2),
        tags={"metrics/layer": step.group},
        metadata=step.metadata,
        check_specs=list(step.checks),
    )
    # Dagster does not know `MaterializeResult[None]` for what it is
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        session: Session = context.resources.stores
        with explained(context):
            report = _run(step, context, session)
        context.log.info(
            "%s %s: %s. %d entities changed, %d rows written in %.2f s.",
            *(report.set_name, report.mode, report.outcome),
            *(report.entities_changed, report.rows_written, report.seconds),
        )
        return outcome.result_of(report, step.checks, days=len(context.partition_keys))

    return materialize


def _run(step: _Pass, context: dg.AssetExecutionContext, session: "Session") -> "Report":
    if tags.mode_of(context.run.tags) is tags.Mode.TICK:
        return step.tick(session, context.run.run_id)
    from metrics_assets.pipeline.ledger import noting_failure
    from metrics_assets.pipeline.rebuild import rebuild

    first, last = days_of(context)
    run_id = context.run.run_id
    with noting_failure(session.stores, step.name, tags.Mode.REBUILD.value, run_id, first_day=first, last_day=last):
        return rebuild(session.stores, session.settings, step.name, first, last, run_id=run_id)


def _events() -> _Pass:
    def collect(session: "Session", run_id: str) -> "Report":
        from metrics_assets.pipeline import tick

        return tick.collect(session.stores, session.settings, run_id=run_id)

    return _Pass(
        name=EVENTS_ASSET,
        deps=[*map(sources.table_key, SOURCES)],
        tick=collect,
        description=describe.events_description(),
        group=describe.SHARED_GROUP,
        kinds=frozenset({"clickhouse", "postgres"}),
        owners=describe.OWNERS,
        code_version=describe.code_version(EVENTS_ASSET),
        lag=_shortest_lag(),
        metadata=describe.shared_metadata(EVENTS_ASSET),
        checks=(outcome.clickhouse_spec(dg.AssetKey(EVENTS_ASSET)),),
    )


def _daily() -> _Pass:
    def roll_up(session: "Session", run_id: str) -> "Report":
        from metrics_assets.pipeline import tick

        return tick.roll_up(session.stores, session.settings, run_id=run_id)

    return _Pass(
        name=DAILY_ASSET,
        deps=[dg.AssetKey(EVENTS_ASSET), *map(sources.log_key, LOGS)],
        tick=roll_up,
        description=describe.daily_description(),
        group=describe.SHARED_GROUP,
        kinds=frozenset({"clickhouse"}),
        owners=describe.OWNERS,
        code_version=describe.code_version(DAILY_ASSET),
        lag=_shortest_lag(),
        metadata=describe.shared_metadata(DAILY_ASSET),
        checks=(outcome.clickhouse_spec(dg.AssetKey(DAILY_ASSET)),),
    )


def _set(metric_set: MetricSet, settings: Settings) -> _Pass:
    def refresh(session: "Session", run_id: str) -> "Report":
        from metrics_assets.pipeline import tick

        return tick.refresh(session.stores, session.settings, metric_set.name, run_id=run_id)

    key = dg.AssetKey(metric_set.name)
    return _Pass(
        name=metric_set.name,
        deps=[dg.AssetKey(DAILY_ASSET), *map(dg.AssetKey, metric_set.reads)],
        tick=refresh,
        description=describe.set_description(metric_set),
        group=SETS_GROUP,
        kinds=metric_set.kinds,
        owners=metric_set.owners,
        code_version=describe.code_version(metric_set),
        lag=metric_set.lag,
        metadata=describe.set_metadata(
            metric_set, settings.cron(metric_set.name, metric_set.cron), settings.postgres_schema
        ),
        checks=(outcome.rules_spec(key), outcome.clickhouse_spec(key), outcome.redis_spec(key)),
    )


def _shortest_lag() -> timedelta:
    """The shared layer must be as fresh as the freshest set."""
    return min(metric_set.lag for metric_set in SETS)

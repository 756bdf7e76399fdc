"""The asset `job_run_metrics`: what batch jobs did, this project's own among them, by day; its job and its schedule.

A run of it tells `metrics.job_run` of the Dagster runs that the ledger knows, recomputes totals whose clients changed,
and shows both: totals by job and client, and how each set's runs compare with their schedule.
"""

# Dagster reads the annotation of `context`: no `from __future__ import annotations` here.

import datetime as dt
import hashlib
import time
import warnings
from collections.abc import Mapping
from importlib import resources as files
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog import SETS
from metrics_assets.catalog.job_metrics import BUILT_IN, OWN
from metrics_assets.orchestration import describe, job_facts, job_report, resources, tags
from metrics_assets.orchestration.active import ACTIVE
from metrics_assets.orchestration.failures import explained
from metrics_assets.orchestration.partitions import days_of, key_at
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from metrics_assets.job_metrics.pace import Pace
    from metrics_assets.orchestration.resources import Session

ASSET = "job_run_metrics"
JOB = "update_job_metrics"
GROUP = "job_metrics"
KEEP_UP = "sets_keep_up"

_CRON = "*/5 * * * *"
_LAG = dt.timedelta(minutes=20)
_LOOKED_BACK = dt.timedelta(days=1)
_WINDOWS = 8  # enough of a cron line to see its shortest gap
_DESCRIPTION = """\
Runs of batch jobs that work for many clients, and what they did for each: `metrics.job_run`, `metrics.job_client_run`.
Every Dagster run of a metric set is one, and the assets that it materialized are its clients. A partition is the UTC
day on which a run began. Totals are recomputed from the client runs; a tick looks at runs of its day and of the day
before that are new or changed, a rebuild at all of its days.

`sets_keep_up` warns when the runs of a set fill the time that its schedule gives them, or are about to."""


def job_run_metrics(days: dg.DailyPartitionsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """The asset."""
    with warnings.catch_warnings():
        # as for the other assets
        warnings.simplefilter("ignore", dg.BetaWarning)
        return _asset(days, settings)


def _asset(days: dg.DailyPartitionsDefinition, settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=ASSET,
        deps=[dg.AssetKey(metric_set.name) for metric_set in SETS],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={resources.KEY},
        description=_DESCRIPTION,
        group_name=GROUP,
        kinds={"postgres"},
        owners=list(describe.OWNERS),
        code_version=_code_version(),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=_LAG, warn_window=_LAG / 2),
        tags={"metrics/layer": GROUP},
        metadata={"dagster/table_name": "metrics.job_run", "dagster/column_schema": _columns()},
        check_specs=[
            dg.AssetCheckSpec(
                KEEP_UP,
                asset=ASSET,
                description="The runs of every set fit into the time that its schedule gives them, and go on to.",
            )
        ],
    )
    # Dagster does not know `MaterializeResult[None]` for what it is
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        session: Session = context.resources.stores
        began = time.perf_counter()
        again = tags.mode_of(context.run.tags) is tags.Mode.REBUILD
        first, last = days_of(context)
        # what began before midnight may have ended, or changed, after the last tick of its day
        since = first if again else first - _LOOKED_BACK
        with explained(context):
            from metrics_assets.job_metrics.own_runs import record_own_runs
            from metrics_assets.job_metrics.report import aggregate_runs, between, report

            postgres = session.stores.postgres
            recorded = record_own_runs(
                postgres,
                *between(since, last),
                lambda run_ids: job_facts.facts_of(context.instance, run_ids),
                also=job_facts.set_runs(context.instance, *between(since, last), again=again),
                again=again,
            )
            aggregated = aggregate_runs(postgres, since, last, again=again)
            found = report(postgres, first, last, periods(settings))
        context.log.info(f"{recorded} own runs told of, totals of {aggregated} runs recomputed.")
        return dg.MaterializeResult(
            metadata={
                **job_report.metadata_of(found),
                "own_runs_recorded": recorded,
                "runs_aggregated": aggregated,
                "seconds": round(time.perf_counter() - began, 4),
            },
            check_results=[keep_up_result(found.paces)],
        )

    return materialize


def keep_up_result(paces: "Mapping[str, Pace]") -> dg.AssetCheckResult:
    """Failed, as a warning, when a set falls behind its schedule or will; with the reason."""
    from metrics_assets.job_metrics.pace import KEEPS_UP

    late = {name: found for name, found in paces.items() if found.verdict != KEEPS_UP}
    return dg.AssetCheckResult(
        check_name=KEEP_UP,
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            name: f"{found.verdict}: {found.reason} {found.used:.0%} of the schedule used."
            for name, found in paces.items()
        },
        description="; ".join(f"{name} {found.verdict}. {found.reason}" for name, found in late.items())
        or "Every set keeps up with its schedule.",
    )


def update_job_metrics() -> "UnresolvedAssetJobDefinition":
    """The job `update_job_metrics`. Launched by hand it rebuilds; the schedule makes it tick."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(ASSET),
        description="Tells the tables of job runs of this project's own runs, and recomputes totals.",
    )


def job_metrics_schedule(job: "UnresolvedAssetJobDefinition", settings: Settings) -> dg.ScheduleDefinition:
    """Every five minutes, or METRICS_JOB_RUN_METRICS_CRON."""

    @dg.schedule(
        name=f"{JOB}_schedule",
        job=job,
        cron_schedule=settings.cron(ASSET, _CRON),
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if settings.schedules_on else dg.DefaultScheduleStatus.STOPPED
        ),
        description=f"Brings {ASSET} up to date.",
    )
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        active = context.instance.get_run_records(dg.RunsFilter(job_name=JOB, statuses=ACTIVE), limit=1)
        if active:
            return dg.SkipReason(f"Run {active[0].dagster_run.run_id[:8]} is queued or running.")
        return dg.RunRequest(
            partition_key=key_at(context.scheduled_execution_time),
            tags={tags.MODE: tags.Mode.TICK.value, tags.TICK: ASSET, "dagster/max_runtime": "600"},
        )

    return evaluate


def periods(settings: Settings) -> dict[str, float]:
    """Seconds from one scheduled tick of each set to the next, the shortest where they differ."""
    return {metric_set.name: _period(settings.cron(metric_set.name, metric_set.cron)) for metric_set in SETS}


def _period(cron: str) -> float:
    # the time windows of partitions are how Dagster's API tells when a cron line fires
    windows = dg.TimeWindowPartitionsDefinition(start="2025-01-06", fmt="%Y-%m-%d", cron_schedule=cron)
    found = windows.get_next_partition_window(dt.datetime(2025, 1, 6, tzinfo=dt.UTC))
    lengths: list[float] = []
    while found is not None and len(lengths) < _WINDOWS:
        lengths.append((found.end - found.start).total_seconds())
        found = windows.get_next_partition_window(found.start)
    return min(lengths)


def _columns() -> dg.TableSchema:
    own = [
        dg.TableColumn("run_id", "text", description="yymmdd-hhmmss, UTC", constraints=_required()),
        dg.TableColumn("job_name", "text", constraints=_required()),
        dg.TableColumn("status", "text", description="In Progress, Completed or Failed", constraints=_required()),
        dg.TableColumn("requested_at", "timestamptz", description="when it was asked for"),
        dg.TableColumn("started_at", "timestamptz", constraints=_required()),
        dg.TableColumn("finished_at", "timestamptz"),
    ]
    metrics = [
        dg.TableColumn(metric.job_column, metric.sql_type, description=f"{metric.name}: {metric.aggregation}")
        for metric in (*BUILT_IN, *OWN)
    ]
    return dg.TableSchema(columns=[*own, *metrics])


def _required() -> dg.TableColumnConstraints:
    return dg.TableColumnConstraints(nullable=False)


def _code_version() -> str:
    """Changes exactly when the metrics or the SQL of job metrics do."""
    digest = hashlib.sha256(repr((BUILT_IN, OWN)).encode())
    # by the path: the package itself brings a client of Postgres
    folder = files.files("metrics_assets").joinpath("job_metrics", "sql")
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        digest.update(f"\0{entry.name}\0{entry.read_text(encoding='utf-8')}".encode())
    return digest.hexdigest()[:12]

"""Usage of models in Dagster: `model_usage_daily` counts the log, `model_usage_report` shows what it tells.

Both are ticked by one job when something has arrived, and once a day when nothing has, because the report moves on with
the days. Not here: how anything is counted or drawn (`metrics_assets.serving.usage`).
"""

# Dagster reads the annotation of `context`: no `from __future__ import annotations` here.

import datetime as dt
import hashlib
import os
import time
import warnings
from importlib import resources as files
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.orchestration import describe, outcome, resources, tags
from metrics_assets.orchestration.active import active_tick
from metrics_assets.orchestration.connections import Connect
from metrics_assets.orchestration.failures import explained
from metrics_assets.orchestration.partitions import days_of, key_at
from metrics_assets.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

    from metrics_assets.orchestration.resources import Session
    from metrics_assets.serving.usage.report import UsageReport

DAILY = "model_usage_daily"
REPORT = "model_usage_report"
JOB = "update_model_usage"
GROUP = "model_usage"
EQUAL_RECOUNT = "usage_equals_recount"

LOG_KEY = dg.AssetKey([describe.LOGS_GROUP, "modelUsage"])
_LAG = dt.timedelta(minutes=30)
_CRON = "*/5 * * * *"
_CHECKED_DAYS = 3
_PASSES = 2  # the count and the report
_DAILY_COLUMNS = (
    ("day", "Date32", "UTC day"),
    ("modelId", "String", "the model"),
    ("feature", "LowCardinality(String)", "chat, image or comparison"),
    ("total", "Int64", "uses of the day, absolute"),
    ("version", "UInt64", "the latest counts"),
)


def external_assets() -> list[dg.AssetSpec]:
    """The log that usage is counted from."""
    return [
        dg.AssetSpec(
            LOG_KEY,
            description="Uses of models, one row a delivery (`modelUsage`), counted by arrival, once for each eventId.",
            group_name=describe.LOGS_GROUP,
            kinds={"clickhouse", "table"},
            owners=["team:application"],
            metadata={"dagster/table_name": "modelUsage"},
        )
    ]


def usage_assets(days: dg.DailyPartitionsDefinition, settings: Settings) -> list[dg.AssetsDefinition]:
    """The rollup and the report."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return [_daily(days, settings), _report(days)]


def usage_checks() -> list[dg.AssetChecksDefinition]:
    """The check of the rollup."""

    @dg.asset_check(
        asset=DAILY,
        name=EQUAL_RECOUNT,
        required_resource_keys={resources.KEY},
        description=f"Uses of the last {_CHECKED_DAYS} days equal a recount of the log by another query.",
    )
    def run(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        session: Session = context.resources.stores
        with explained(context.op_execution_context):
            from metrics_assets.serving.usage.probe import differences

            first = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=_CHECKED_DAYS - 1)
            found = differences(session.stores, first)
        return dg.AssetCheckResult(
            passed=not found.wrong,
            metadata={"looked_at": found.looked_at, "wrong": len(found.wrong), "examples": "; ".join(found.wrong[:20])},
            description=(
                f"{len(found.wrong)} totals differ from the log. Materialize their days again."
                if found.wrong
                else "Every total equals its recount, or has events that no tick has counted yet."
            ),
        )

    return [run]


def usage_job() -> "UnresolvedAssetJobDefinition":
    """The job `update_model_usage`. Launched by hand it rebuilds; the schedule makes it tick."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.assets(DAILY, REPORT),
        description="Counts the uses of models that have arrived, and draws the report.",
        tags={tags.SET: GROUP},
    )


def usage_schedule(job: "UnresolvedAssetJobDefinition", settings: Settings, connect: Connect) -> dg.ScheduleDefinition:
    """Every five minutes, or METRICS_MODEL_USAGE_CRON, when something waits or the day is new."""

    @dg.schedule(
        name=f"{JOB}_schedule",
        job=job,
        cron_schedule=settings.cron(GROUP, _CRON),
        execution_timezone="UTC",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if settings.schedules_on else dg.DefaultScheduleStatus.STOPPED
        ),
        description="Counts uses of models when some have arrived, and draws the report once a day in any case.",
    )
    def evaluate(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        partition = key_at(context.scheduled_execution_time)
        with connect() as session:
            from metrics_assets.serving.usage.rollup import waiting_rows

            if active_tick(session, context.instance, GROUP):
                return dg.SkipReason(f"A tick of {GROUP} is queued or running.")
            try:
                with session.stores.postgres.connection() as connection:
                    waiting = waiting_rows(session.stores, connection)
            except StoreUnreachable as error:
                return dg.SkipReason(f"{error} The log keeps what has arrived.")
        drawn = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(REPORT), asset_partitions=[partition]), limit=1
        ).records
        if not waiting and drawn:
            return dg.SkipReason("Nothing to do: 0 events arrived, and the report of the day is there.")
        return dg.RunRequest(partition_key=partition, tags=tags.tick_tags(GROUP, settings, passes=_PASSES))

    return evaluate


def _daily(days: dg.DailyPartitionsDefinition, settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=DAILY,
        deps=[LOG_KEY],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={resources.KEY},
        description="(model, feature, UTC day) → uses, absolute. An event counts once, on the day of its earliest "
        "delivery, however often and however late it is delivered.",
        group_name=GROUP,
        kinds={"clickhouse"},
        owners=list(describe.OWNERS),
        code_version=_code_version("touched.sql", "recount.sql", "days_in.sql"),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=_LAG, warn_window=_LAG / 2),
        tags={"metrics/layer": GROUP},
        metadata={
            "dagster/table_name": "modelUsageDaily",
            "dagster/column_schema": dg.TableSchema(
                columns=[dg.TableColumn(name, kind, description=text) for name, kind, text in _DAILY_COLUMNS]
            ),
            "sql": dg.MetadataValue.md(f"```sql\n{_sql('recount.sql')}\n```"),
        },
    )
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        session: Session = context.resources.stores
        with explained(context):
            from metrics_assets.pipeline.ledger import noting_failure
            from metrics_assets.serving.usage import rollup

            mode, run_id, (first, last) = tags.mode_of(context.run.tags), context.run.run_id, days_of(context)
            with noting_failure(session.stores, DAILY, mode.value, run_id, first_day=first, last_day=last):
                if mode is tags.Mode.TICK:
                    deadline = time.perf_counter() + settings.tick_max_seconds
                    report = rollup.tick(session.stores, run_id=run_id, deadline=deadline)
                else:
                    report = rollup.rebuild(session.stores, first, last, settings.start_date, run_id=run_id)
        return dg.MaterializeResult(metadata=outcome.metadata_of(report, len(context.partition_keys)))

    return materialize


def _report(days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key=REPORT,
        deps=[DAILY],
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        required_resource_keys={resources.KEY},
        description="The 30 days that end with the partition: top models, features, trends, cold models, retiring ones,"
        " monthly spend, routes. The table and pictures are in the metadata, and all of it in one HTML page.",
        group_name=GROUP,
        kinds={"clickhouse", "postgres"},
        owners=list(describe.OWNERS),
        code_version=_code_version("from_rollup.sql", "from_log.sql", "by_arm.sql"),
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=dt.timedelta(hours=26)),
        tags={"metrics/layer": GROUP},
    )
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        session: Session = context.resources.stores
        with explained(context):
            from metrics_assets.serving.usage.report import usage_report

            began = time.perf_counter()
            _, last = days_of(context)
            report = usage_report(session.stores, last)
            path = _written(report, session.settings)
        from metrics_assets.serving.usage import markdown

        return dg.MaterializeResult(
            metadata={
                "top_10_models": dg.MetadataValue.md(markdown.top_table(report)),
                "pictures": dg.MetadataValue.md(markdown.pictures(report)),
                "details": dg.MetadataValue.md(markdown.details(report)),
                "page": dg.MetadataValue.path(path),
                "uses": report.total,
                "seconds": round(time.perf_counter() - began, 4),
                "models_used": len(report.used),
                "models_cold": len(report.cold),
                "range": f"{report.first} to {report.last}",
            }
        )

    return materialize


def _written(report: "UsageReport", settings: Settings) -> Path:
    """The page as a file, whole or not there. Returns its path."""
    from metrics_assets.serving.usage.page import page

    folder = settings.home / "reports"
    path = folder / f"model-usage-{report.last}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(page(report), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"The report cannot be written to {folder}: {error.strerror}. Let METRICS_HOME name a folder of yours."
        ) from error
    return path


def _code_version(*names: str) -> str:
    return hashlib.sha256("\0".join(map(_sql, names)).encode()).hexdigest()[:12]


def _sql(name: str) -> str:
    return files.files("metrics_assets").joinpath("serving", "usage", "sql", name).read_text(encoding="utf-8").strip()

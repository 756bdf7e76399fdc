"""Sensors that tell a person: runs that failed, checks that fail, sets whose last complete window grows old."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable

import dagster as dg

from metrics_assets.catalog import SETS, MetricSet
from metrics_assets.orchestration import tags
from metrics_assets.orchestration.connections import Connect
from metrics_assets.orchestration.notifier import Alert, Notify
from metrics_assets.orchestration.windows import COMPLETE_WINDOW, window_result
from metrics_assets.settings import Settings

_INTERVAL_SECONDS = 30
_RUNS_LOOKED_AT = 500
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def alert_sensors(
    checks: Iterable[dg.AssetCheckKey], settings: Settings, connect: Connect, notify: Notify
) -> list[dg.SensorDefinition]:
    """The alert sensors.

    Args:
        checks: the checks to watch.
    """
    status = dg.DefaultSensorStatus.RUNNING if settings.schedules_on else dg.DefaultSensorStatus.STOPPED
    watched = sorted(checks, key=lambda check: check.to_user_string())

    @dg.run_failure_sensor(
        name="alert_failed_runs",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=status,
        description=(
            f"Tells of every failed rebuild, and of ticks of a set that failed {settings.alert_after_failures} times "
            "in a row, then each time that number has doubled: a night without a store is a dozen messages."
        ),
    )
    def alert_failed_runs(context: dg.RunFailureSensorContext) -> None:
        alert = failed_run_alert(context.instance, context.dagster_run, _why(context), settings)
        if alert is not None:
            notify(alert)

    @dg.sensor(
        name="alert_failing_checks",
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=status,
        description="Looks at the last complete window of every set, and tells when a check begins or ceases to fail.",
    )
    def alert_failing_checks(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with connect() as session:
            for metric_set in SETS:
                from metrics_assets.orchestration.probes import window

                _refresh_window(
                    context.instance, metric_set, window_result(metric_set, window(session.stores, metric_set.name))
                )
        known = set(json.loads(context.cursor or "[]"))
        failing, alerts = check_alerts(context.instance, watched, known)
        for alert in alerts:
            notify(alert)
        return dg.SensorResult(
            cursor=json.dumps(sorted(failing)),
            skip_reason=dg.SkipReason(f"{len(failing)} of {len(watched)} checks fail."),
        )

    return [alert_failed_runs, alert_failing_checks]


def failed_run_alert(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str, settings: Settings) -> Alert | None:
    """What to tell of a failed run; None while a tick has not failed often enough to bother a person."""
    name = run.tags.get(tags.TICK)
    if name is None:
        return Alert(run.job_name, f"Run {run.run_id} failed. {why}")
    failures = _failures_in_a_row(instance, name)
    if not _worth_telling(failures, settings.alert_after_failures):
        return None
    return Alert(run.job_name, f"{failures} ticks of {name} failed in a row; the last is run {run.run_id}. {why}")


def check_alerts(
    instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey], known: set[str]
) -> tuple[set[str], list[Alert]]:
    """Checks that fail now, and what is new since `known` failed."""
    failing: set[str] = set()
    alerts: list[Alert] = []
    for key in checks:
        evaluation, _ = _latest(instance, key)
        name = key.to_user_string()
        if evaluation is None:
            failing |= {name} & known
        elif not evaluation.passed:
            failing.add(name)
            if name not in known:
                alerts.append(Alert(name, evaluation.description or "The check fails."))
        elif name in known:
            alerts.append(Alert(name, evaluation.description or "The check passes.", resolved=True))
    return failing, alerts


def _refresh_window(instance: dg.DagsterInstance, metric_set: MetricSet, now: dg.AssetCheckResult) -> None:
    """Have the UI show the verdict of this moment: a set that no longer ticks has no run that would say it is late."""
    key = dg.AssetCheckKey(dg.AssetKey(metric_set.name), COMPLETE_WINDOW)
    evaluation, since = _latest(instance, key)
    if evaluation is None and dt.datetime.now(dt.UTC) - since < metric_set.lag:
        return  # a run is about to say it
    if evaluation is not None and evaluation.passed == now.passed:
        return
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=now.passed,
            metadata=now.metadata,
            description=now.description,
        )
    )


def _latest(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> tuple[dg.AssetCheckEvaluation | None, dt.datetime]:
    """The check's latest evaluation and its time; without evaluation while a run that will evaluate it is under way."""
    record = instance.get_latest_asset_check_evaluation_record(key)
    if record is None:
        return None, _NEVER
    planned_or_done: object = record.evaluation
    done = planned_or_done if isinstance(planned_or_done, dg.AssetCheckEvaluation) else None
    return done, dt.datetime.fromtimestamp(record.create_timestamp, dt.UTC)


def _failures_in_a_row(instance: dg.DagsterInstance, set_name: str) -> int:
    """How many of the set's last finished ticks failed, counted back from the latest."""
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    runs = instance.get_runs(dg.RunsFilter(tags={tags.TICK: set_name}, statuses=ended), limit=_RUNS_LOOKED_AT)
    for count, run in enumerate(runs):
        if run.status is dg.DagsterRunStatus.SUCCESS:
            return count
    return len(runs)


def _worth_telling(failures: int, threshold: int) -> bool:
    """At the threshold, then at each doubling of it."""
    times, rest = divmod(failures, threshold)
    return rest == 0 and times > 0 and times & (times - 1) == 0


def _why(context: dg.RunFailureSensorContext) -> str:
    """The description of the failure as the failed step told it: what was wrong, and what to do."""
    for event in context.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return data.user_failure_data.description
        if data.error is not None:
            return data.error.message.strip().splitlines()[0]
    return context.failure_event.message or "See its events."

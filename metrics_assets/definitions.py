"""The code location: `dagster -m metrics_assets.definitions`, `dg`, and the servers of workspace.yaml load this.

Only assembly happens here. Nothing imports this module, and importing it opens no connection.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from metrics_assets.catalog import SETS
from metrics_assets.orchestration import partitions, resources, usage
from metrics_assets.orchestration.alerts import alert_sensors
from metrics_assets.orchestration.assets import all_assets
from metrics_assets.orchestration.checks import all_checks
from metrics_assets.orchestration.connections import Connect, KeptSession
from metrics_assets.orchestration.job_facts import dead_runs_sensor
from metrics_assets.orchestration.job_runs import job_metrics_schedule, job_run_metrics, update_job_metrics
from metrics_assets.orchestration.jobs import job_of
from metrics_assets.orchestration.loaded import loaded_days_sensor
from metrics_assets.orchestration.notifier import Notify, notifier
from metrics_assets.orchestration.prune import prune_job, prune_schedule
from metrics_assets.orchestration.rolling import rolling_recount_job, rolling_recount_schedule
from metrics_assets.orchestration.schedules import schedule_of
from metrics_assets.orchestration.sensors import backlog_sensor
from metrics_assets.orchestration.sources import external_assets
from metrics_assets.settings import Settings
from metrics_assets.settings import settings as environment


def build_defs(
    *,
    settings: Settings | None = None,
    resource_overrides: Mapping[str, object] | None = None,
    connect: Connect | None = None,
    notify: Notify | None = None,
) -> dg.Definitions:
    """Everything that Dagster knows of the project.

    Args:
        settings: start date, cadences, limits; those of the environment when unset.
        resource_overrides: resources of runs by key, in place of those that the environment names.
        connect: lends the stores to schedules and sensors; the process's own, kept open, when unset.
        notify: takes alerts; the log and the webhook of the environment when unset.
    """
    chosen = settings or environment()
    lend = connect or KeptSession()
    days = partitions.daily(chosen)
    assets = [*all_assets(days, chosen), job_run_metrics(days, chosen), *usage.usage_assets(days, chosen)]
    checks = [*all_checks(), *usage.usage_checks()]
    jobs = {metric_set.name: job_of(metric_set) for metric_set in SETS}
    count_usage = usage.usage_job()
    prune_old_runs, recount_models = prune_job(), rolling_recount_job()
    job_metrics = update_job_metrics()
    watched = [key for definition in (*assets, *checks) for key in definition.check_keys]
    return dg.Definitions(
        assets=[*external_assets(chosen.postgres_schema), *usage.external_assets(), *assets],
        asset_checks=checks,
        jobs=[*jobs.values(), job_metrics, count_usage, prune_old_runs, recount_models],
        schedules=[
            *(schedule_of(metric_set, jobs[metric_set.name], chosen, lend) for metric_set in SETS),
            job_metrics_schedule(job_metrics, chosen),
            usage.usage_schedule(count_usage, chosen, lend),
            prune_schedule(prune_old_runs, chosen),
            rolling_recount_schedule(recount_models, chosen, lend),
        ],
        sensors=[
            backlog_sensor(jobs, chosen, lend),
            loaded_days_sensor(chosen, lend),
            dead_runs_sensor(chosen, lend),
            *alert_sensors(watched, chosen, lend, notify or notifier(chosen)),
        ],
        resources={resources.KEY: resources.StoresResource(), **(resource_overrides or {})},
        # a process for each step would cost a minute-tick more than its work
        executor=dg.in_process_executor,
    )


defs = build_defs()

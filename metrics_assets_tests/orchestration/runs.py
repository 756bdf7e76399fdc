"""Runs of the project's jobs inside the tests' process, and what an instance remembers of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import dagster as dg

from metrics_assets.catalog import metric_set
from metrics_assets.orchestration.jobs import tick_tags
from metrics_assets_tests.orchestration.conftest import World


def today() -> str:
    """The open partition."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def run_job(
    world: World,
    instance: dg.DagsterInstance,
    job: str,
    *,
    partition: str | None = None,
    run_tags: dict[str, str] | None = None,
    assets: list[str] | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a job as the daemon would, and return even when it fails."""
    return world.definitions.resolve_job_def(job).execute_in_process(
        instance=instance,
        partition_key=partition,
        tags=run_tags or {},
        asset_selection=[dg.AssetKey(name) for name in assets] if assets else None,
        raise_on_error=False,
    )


def tick(world: World, instance: dg.DagsterInstance, set_name: str) -> dg.ExecuteInProcessResult:
    """A run as the set's schedule asks for it."""
    target = metric_set(set_name)
    return run_job(world, instance, target.job, partition=today(), run_tags=tick_tags(target, world.session.settings))


def materialization(instance: dg.DagsterInstance, asset: str) -> dg.AssetMaterialization:
    """The asset's latest."""
    found = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert found is not None, f"{asset} was never materialized"
    assert found.asset_materialization is not None
    return found.asset_materialization


def told(instance: dg.DagsterInstance, asset: str) -> dict[str, Any]:
    """What the asset's latest materialization tells, as plain values."""
    return {name: value.value for name, value in materialization(instance, asset).metadata.items()}


def check(instance: dg.DagsterInstance, asset: str, name: str) -> dg.AssetCheckEvaluation:
    """The latest evaluation of a check."""
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(dg.AssetKey(asset), name))
    assert record is not None, f"{asset}:{name} was never evaluated"
    assert record.evaluation is not None
    return record.evaluation


def started_run(world: World, instance: dg.DagsterInstance, run_tags: dict[str, str]) -> dg.DagsterRun:
    """A run that counts as started."""
    run = instance.create_run_for_job(
        world.definitions.resolve_job_def("update_metrics_models"), status=dg.DagsterRunStatus.STARTING, tags=run_tags
    )
    start = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job_name=run.job_name)
    instance.report_dagster_event(start, run.run_id)
    return run

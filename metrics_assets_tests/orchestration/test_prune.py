"""Old runs go; what Dagster knows of the partitions stays."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from metrics_assets.orchestration.prune import prune

DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_offset=1)


@dg.asset(partitions_def=DAYS)
def counted() -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult()


def _run(instance: dg.DagsterInstance, day: str) -> str:
    return dg.materialize([counted], instance=instance, partition_key=day).run_id


def _later() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)


def test_only_the_latest_materialization_of_each_partition_keeps_its_run(instance: dg.DagsterInstance) -> None:
    superseded = _run(instance, "2024-03-01")
    latest = _run(instance, "2024-03-01")
    other_day = _run(instance, "2024-03-02")

    pruned = prune(instance, _later())

    assert (pruned.runs_deleted, pruned.runs_kept) == (1, 2)
    assert not instance.has_run(superseded)
    assert instance.has_run(latest)
    assert instance.has_run(other_day)
    assert instance.get_materialized_partitions(counted.key) == {"2024-03-01", "2024-03-02"}


def test_young_runs_and_runs_that_are_not_finished_stay(instance: dg.DagsterInstance) -> None:
    for _ in range(2):
        _run(instance, "2024-03-01")
    started = instance.create_run_for_job(
        dg.Definitions(assets=[counted]).resolve_implicit_global_asset_job_def(), status=dg.DagsterRunStatus.STARTED
    )

    assert prune(instance, dt.datetime.now(dt.UTC) - dt.timedelta(days=1)).runs_deleted == 0
    assert prune(instance, _later()).runs_deleted == 1
    assert instance.has_run(started.run_id)

"""A job whose worker died is found and ended; one that gives a sign of life goes on."""

from __future__ import annotations

import datetime as dt
import uuid

import dagster as dg
import pytest

from metrics_assets.job_metrics import JobMetrics
from metrics_assets_tests.orchestration.conftest import World

LEADS = "Leads Processed"


def _sensor(world: World, instance: dg.DagsterInstance) -> str:
    sensor = world.repository.get_sensor_def("fail_dead_job_runs")
    found = sensor(dg.build_sensor_context(instance=instance, repository_def=world.repository))
    assert isinstance(found, dg.SkipReason)
    return found.skip_message or ""


def test_a_job_whose_worker_died_is_failed_with_the_reason(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    dead = jobs.start_job("score", silence_allowed=dt.timedelta(0))
    jobs.update_client_metrics(dead, "acme", {LEADS: 7})
    alive = jobs.start_job("score", silence_allowed=dt.timedelta(hours=1))

    assert dead in _sensor(world, instance)

    run = jobs.job_run(dead)
    assert (run.status, run.metrics[LEADS], run.clients_failed) == ("Failed", 7, 1)
    assert "No sign of life since" in run.notes
    assert jobs.client_runs(dead)[0].notes == run.notes
    assert jobs.job_run(alive).status == "In Progress"
    assert _sensor(world, instance) == "1 job runs in progress, none of them dead."


@pytest.mark.parametrize("sign", ["heartbeat", "update"])
def test_a_job_that_gives_a_sign_of_life_goes_on(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics, sign: str
) -> None:
    run_id = jobs.start_job("score")
    jobs.update_client_metrics(run_id, "acme", {LEADS: 1})
    with world.session.stores.postgres.connection() as connection:
        for statement in ("UPDATE metrics.job_run SET seen_at =", "UPDATE metrics.job_client_run SET updated_at ="):
            connection.execute(f"{statement} now() - interval '2 hours'".encode())

    if sign == "heartbeat":
        jobs.heartbeat(run_id)
    else:
        jobs.update_client_metrics(run_id, "umbrella", {LEADS: 1})

    assert _sensor(world, instance) == "1 job runs in progress, none of them dead."
    assert jobs.job_run(run_id).status == "In Progress"


def test_a_job_ends_with_its_dagster_run_and_not_before_it(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    runs = [
        instance.create_run_for_job(
            world.definitions.resolve_job_def("update_review_stats"), status=dg.DagsterRunStatus.STARTED
        )
        for _ in range(2)
    ]
    for run in runs:
        jobs.start_job("score", run.run_id, silence_allowed=dt.timedelta(0))
    instance.report_run_failed(runs[0])

    _sensor(world, instance)

    assert jobs.job_run(runs[0].run_id).status == "Failed"
    assert runs[0].run_id in jobs.job_run(runs[0].run_id).notes
    assert jobs.job_run(runs[1].run_id).status == "In Progress"


def test_a_job_whose_dagster_run_succeeded_is_not_dead_however_long_it_is_silent(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    succeeded = instance.create_run_for_job(
        world.definitions.resolve_job_def("update_review_stats"), status=dg.DagsterRunStatus.SUCCESS
    )
    run_id = jobs.start_job("score", succeeded.run_id, silence_allowed=dt.timedelta(0))

    assert _sensor(world, instance) == "1 job runs in progress, none of them dead."
    assert jobs.job_run(run_id).status == "In Progress"


def test_a_job_of_a_dagster_run_that_nobody_knows_is_watched_by_its_silence(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    run_id = jobs.start_job("score", str(uuid.uuid4()), silence_allowed=dt.timedelta(0))

    _sensor(world, instance)

    assert jobs.job_run(run_id).status == "Failed"

"""This project's own runs are recorded whole, whenever they end, and by nobody but the recorder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from metrics_assets.catalog import metric_set
from metrics_assets.job_metrics import JobMetrics
from metrics_assets.job_metrics.own_runs import RunFacts, record_own_runs
from metrics_assets.job_metrics.report import between, report
from metrics_assets.orchestration.job_facts import facts_of, set_runs
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import started_run, tick


def _record(world: World, instance: dg.DagsterInstance, also: Iterable[RunFacts] = ()) -> None:
    day = dt.datetime.now(dt.UTC).date()
    record_own_runs(
        world.session.stores.postgres,
        *between(day - dt.timedelta(days=1), day),
        lambda run_ids: facts_of(instance, run_ids),
        also=also,
    )


def test_an_own_run_that_fails_is_ended_by_the_recorder_and_not_by_the_sensor(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    run = started_run(world, instance, {"metrics/set": "model_metrics", "metrics/mode": "tick"})
    _record(world, instance, facts_of(instance, [run.run_id]).values())
    with world.session.stores.postgres.connection() as connection:
        connection.execute(
            "INSERT INTO metrics.ledger (set_name, mode, run_id, outcome, started_at, seconds, entities_changed,"
            """ detail) VALUES ('model_metrics', 'tick', %s, 'failed', now(), 1, 7, '{"error": "it was cut off"}')""",
            (run.run_id,),
        )
    instance.report_run_failed(run)

    sensor = world.repository.get_sensor_def("fail_dead_job_runs")
    sensor(dg.build_sensor_context(instance=instance, repository_def=world.repository))
    assert jobs.job_run(run.run_id).status == "In Progress"
    _record(world, instance)

    ended = jobs.job_run(run.run_id)
    assert (ended.status, ended.notes) == ("Failed", "model_metrics: it was cut off")
    assert ended.metrics["Entities Changed"] == 7


def test_a_pass_that_is_written_while_dagster_is_asked_is_recorded(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    postgres = world.session.stores.postgres
    tick(world, instance, "model_metrics")
    day = dt.datetime.now(dt.UTC).date()
    with postgres.connection() as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE aside AS SELECT * FROM metrics.ledger WHERE set_name = 'model_metrics'"
        )
        connection.execute("DELETE FROM metrics.ledger WHERE set_name = 'model_metrics'")

        def asked(run_ids: Sequence[str]) -> Mapping[str, RunFacts]:
            connection.execute("INSERT INTO metrics.ledger OVERRIDING SYSTEM VALUE SELECT * FROM aside")
            return facts_of(instance, run_ids)

        record_own_runs(postgres, *between(day - dt.timedelta(days=1), day), asked)
        connection.execute("DROP TABLE aside")

    (run,) = jobs.job_runs()
    assert run.status == "Completed"
    assert "model_metrics" in {client.client_id for client in jobs.client_runs(run.run_id)}


def test_the_backlog_of_a_day_is_the_highest_and_not_the_sum(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    day = dt.datetime.now(dt.UTC).date()
    for backlog in (5, 9, 7):
        run_id = jobs.start_job("score", started_at=dt.datetime.combine(day, dt.time(12), dt.UTC))
        jobs.update_client_metrics(run_id, "acme", {"Backlog Before": backlog, "Rows Read": backlog})
        jobs.update_job_aggregate_metrics(run_id)

    found = report(world.session.stores.postgres, day, day, {})

    for (total,) in (found.by_job, found.by_client):
        assert (total.metrics["Backlog Before"], total.metrics["Rows Read"]) == (9, 21)


def _own_tick(jobs: JobMetrics, set_name: str, began: dt.datetime, took: dt.timedelta | None) -> None:
    run_id = jobs.start_job(metric_set(set_name).job, started_at=began, labels={"mode": "tick", "set": set_name})
    if took is not None:
        jobs.complete_job_metrics(run_id, True, at=began + took)


def test_a_set_is_judged_by_ticks_of_the_last_day_and_a_slow_one_by_its_last_ten(
    world: World, jobs: JobMetrics
) -> None:
    now = dt.datetime.now(dt.UTC)
    for number in range(1, 9):
        _own_tick(jobs, "model_metrics", now - dt.timedelta(hours=2 * number), dt.timedelta(seconds=70))
        _own_tick(jobs, "review_stats", now - dt.timedelta(days=number), dt.timedelta(hours=1))

    # at midnight the day has no tick yet
    found = report(world.session.stores.postgres, now.date(), now.date(), {"model_metrics": 60, "review_stats": 86400})

    assert {name: (pace.ticks, pace.verdict) for name, pace in found.paces.items()} == {
        "model_metrics": (8, "behind"),
        "review_stats": (8, "keeps up"),
    }


def test_a_tick_that_still_runs_counts_with_the_time_it_has_taken(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    now = dt.datetime.now(dt.UTC)
    _own_tick(jobs, "model_metrics", now - dt.timedelta(minutes=30), None)

    pace = report(world.session.stores.postgres, now.date(), now.date(), {"model_metrics": 60}).paces["model_metrics"]

    assert (pace.ticks, pace.verdict) == (1, "behind")
    assert "has been running for" in pace.reason


def test_a_run_of_a_set_is_a_job_run_before_its_first_pass_has_ended(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    run = started_run(world, instance, {"metrics/set": "model_metrics", "metrics/mode": "tick"})
    day = dt.datetime.now(dt.UTC).date()

    _record(world, instance, set_runs(instance, *between(day - dt.timedelta(days=1), day), again=False))

    assert jobs.job_run(run.run_id).status == "In Progress"

"""Every Dagster run of a set is a job run; a set that will fall behind is told of before it has."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace

import dagster as dg
import pytest

from metrics_assets.job_metrics import JobMetrics, JobRun
from metrics_assets.job_metrics.own_runs import record_own_runs
from metrics_assets.job_metrics.pace import Pace, Tick, pace
from metrics_assets.job_metrics.report import Total, aggregate_runs, between
from metrics_assets.orchestration.job_facts import facts_of, set_runs
from metrics_assets.orchestration.job_report import clients_table
from metrics_assets.orchestration.job_runs import ASSET, JOB, KEEP_UP, keep_up_result, periods
from metrics_assets.orchestration.tags import MODE
from metrics_assets.settings import Settings
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import check, run_job, tick, today, told

LEADS = "Leads Processed"


def _update(world: World, instance: dg.DagsterInstance, mode: str = "tick") -> dg.ExecuteInProcessResult:
    return run_job(world, instance, JOB, partition=today(), run_tags={MODE: mode})


def _tell(world: World, instance: dg.DagsterInstance, *, again: bool = False) -> int:
    """What the asset does with this project's own runs of today, without its report."""
    day = dt.datetime.now(dt.UTC).date()
    return record_own_runs(
        world.session.stores.postgres,
        *between(day, day),
        lambda run_ids: facts_of(instance, run_ids),
        also=set_runs(instance, *between(day, day), again=again),
        again=again,
    )


def test_a_tick_of_a_set_is_a_job_run_with_what_it_did_and_cost(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))
    ticked = tick(world, instance, "model_metrics")

    assert _tell(world, instance) == 1

    (run,) = jobs.job_runs()
    assert (run.job_name, run.status, run.labels) == (
        "update_metrics_models",
        "Completed",
        {"mode": "tick", "set": "model_metrics"},
    )
    assert jobs.job_run(ticked.run_id).run_id == run.run_id
    assert run.requested_at is not None
    assert run.requested_at <= run.started_at
    clients = {client.client_id: client for client in jobs.client_runs(run.run_id)}
    assert set(clients) == {"entity_metric_events", "entity_metric_daily", "model_metrics"}
    assert clients["model_metrics"].metrics["Entities Changed"] == run.metrics["Entities Changed"] == 2
    assert clients["entity_metric_events"].metrics["Backlog Before"] == 5
    assert clients["entity_metric_events"].metrics["Backlog After"] == 0
    assert "outputs" in clients["model_metrics"].steps
    assert run.metrics["Rows Written"] == sum(int(str(one.metrics["Rows Written"])) for one in clients.values())
    # both are rounded, each client's apart
    assert 0 < float(str(run.metrics["Query Seconds"])) <= float(str(run.metrics["Seconds"])) + 0.005


def test_telling_again_changes_nothing(world: World, instance: dg.DagsterInstance, jobs: JobMetrics) -> None:
    def runs() -> list[JobRun]:
        return [replace(run, aggregated_at=None) for run in jobs.job_runs()]

    tick(world, instance, "model_metrics")
    assert _tell(world, instance) == 1
    first = runs()

    assert _tell(world, instance) == 0
    assert _tell(world, instance, again=True) == 1
    assert runs() == first


def test_assets_that_were_chosen_by_hand_are_a_run_of_the_sets_job(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    run_job(world, instance, "__ASSET_JOB", partition=today(), assets=["review_stats"])

    _tell(world, instance)

    (run,) = jobs.job_runs()
    assert (run.job_name, run.labels, run.worker) == (
        "update_review_stats",
        {"mode": "rebuild", "set": "review_stats"},
        None,
    )


def test_a_run_that_failed_before_its_first_pass_is_a_job_run_too(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    failed = instance.create_run_for_job(
        world.definitions.resolve_job_def("update_review_stats"), tags={"metrics/set": "review_stats", MODE: "tick"}
    )
    instance.report_run_failed(failed, message="the code server was gone")

    _tell(world, instance)

    (run,) = jobs.job_runs()
    assert (run.job_name, run.status, run.clients, run.labels["set"]) == (
        "update_review_stats",
        "Failed",
        0,
        "review_stats",
    )


def test_a_failed_pass_says_why(world: World, instance: dg.DagsterInstance, jobs: JobMetrics) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))
    with stores.postgres.connection() as connection:
        connection.execute('ALTER TABLE "ModelMetric" RENAME TO "ModelMetricAside"')
        try:
            tick(world, instance, "model_metrics")
        finally:
            connection.execute('ALTER TABLE "ModelMetricAside" RENAME TO "ModelMetric"')

    _tell(world, instance)

    (run,) = jobs.job_runs()
    assert (run.status, run.clients_completed, run.clients_failed) == ("Failed", 2, 1)
    assert "model_metrics: UndefinedTable" in run.notes


def test_the_asset_shows_totals_by_job_and_client_and_two_pictures(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    tick(world, instance, "model_metrics")
    run_id = jobs.start_job("score")
    jobs.complete_client_metrics(run_id, "acme", {LEADS: 1200}, True)
    jobs.complete_client_metrics(run_id, "pipe | client", {LEADS: 30}, False)

    _update(world, instance)

    shown = told(instance, ASSET)
    assert (shown["runs"], shown["runs/In Progress"], shown["clients"]) == (2, 1, 5)
    assert f"| {today()} | score | 1 | 0 | 0 |" in shown["totals_by_job"]
    assert "1,230" in shown["totals_by_job"]
    assert f"| {today()} | score | pipe &#124; client | 1 | 0 | 1 |" in shown["totals_by_client"]
    assert "| model_metrics | 60 s | 1 |" in shown["keeping_up"]
    assert shown["entities/model"] == 0
    assert {f"{figure}/model" for figure in ("seconds", "p90", "used", "queries", "backlog")} <= set(shown)
    # a longer one is printed over its value
    assert max(map(len, shown)) <= len("entities/model_collection")
    for picture in ("run_durations", "runs_by_job"):
        found = re.search(r"data:image/png;base64,([^)]+)", shown[picture])
        assert found is not None
        assert base64.b64decode(found[1]).startswith(b"\x89PNG")
        assert len(found[1]) < 60_000
    assert check(instance, ASSET, KEEP_UP).passed


def test_the_table_of_clients_says_how_many_rows_it_leaves_out() -> None:
    totals = [Total(dt.date(2026, 11, 22), "score", f"client {number}", 1, 1, 0, {}) for number in range(1052)]

    assert "client 49 " in clients_table(totals)
    assert "1,002 more rows are not shown" in clients_table(totals)
    assert "more rows" not in clients_table(totals[:50])


def test_a_run_of_the_last_minutes_of_a_day_is_recorded_by_the_first_tick_of_the_next(
    world: World, instance: dg.DagsterInstance, jobs: JobMetrics
) -> None:
    tick(world, instance, "model_metrics")
    day = today()
    with world.session.stores.postgres.connection() as connection:
        connection.execute(
            "UPDATE metrics.ledger SET started_at = %(at)s, finished_at = %(at)s",
            {"at": dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC) - dt.timedelta(minutes=2)},
        )

    with dg.DagsterInstance.ephemeral() as another:  # which knows only what the ledger says
        run_job(world, another, JOB, partition=day, run_tags={MODE: "tick"})

    (run,) = jobs.job_runs()
    assert run.started_at < dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
    assert run.clients == 3


def test_totals_follow_updates_that_came_since(world: World, jobs: JobMetrics) -> None:
    today = dt.datetime.now(dt.UTC).date()
    run_id = jobs.start_job("score")
    for leads in (1, 2):
        jobs.update_client_metrics(run_id, "acme", {LEADS: leads})
        aggregate_runs(world.session.stores.postgres, today, today)

    assert jobs.job_run(run_id).metrics[LEADS] == 3


def test_the_period_of_a_schedule_is_read_from_its_cron_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_REVIEW_STATS_CRON", "17 3 * * *")

    assert periods(Settings()) == {
        "model_metrics": 60.0,
        "model_collection_metrics": 300.0,
        "review_stats": 86400.0,
        "base_model_metrics": 300.0,
    }


def _pace(seconds: Sequence[float], backlog: Sequence[int] | None = None) -> Pace:
    """The verdict on ticks of a minute-set."""
    began = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    left = backlog or [0] * len(seconds)
    ticks = [
        Tick(began + dt.timedelta(minutes=number), took, rows)
        for number, (took, rows) in enumerate(zip(seconds, left, strict=True))
    ]
    return pace("model_metrics", 60.0, ticks)


@pytest.mark.parametrize(
    ("seconds", "backlog", "verdict"),
    [
        ([5.0] * 30, None, "keeps up"),
        ([5.0] * 25 + [70.0] + [5.0] * 15, None, "keeps up"),
        ([70.0] * 3, None, "keeps up"),
        ([5.0 + number for number in range(30)], None, "will fall behind"),
        ([40.0] * 20 + [55.0] * 10, None, "will fall behind"),
        ([5.0] * 30, [1000 * number for number in range(30)], "will fall behind"),
        ([5.0] * 30, [0, 5000] * 15, "keeps up"),
        ([20.0] * 20 + [65.0] * 10, None, "behind"),
    ],
)
def test_a_set_is_judged_by_where_its_ticks_are_going(
    seconds: Sequence[float], backlog: Sequence[int] | None, verdict: str
) -> None:
    assert _pace(seconds, backlog).verdict == verdict


def test_the_warning_comes_before_a_tick_takes_longer_than_its_schedule() -> None:
    growing = [5.0 + number for number in range(30)]
    assert max(growing) < 60

    result = keep_up_result({"model_metrics": _pace(growing)})

    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert re.search(r"fill their 60 s in \d+ minutes", result.description or "")

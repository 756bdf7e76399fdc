"""What a schedule decides at each of its ticks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

import dagster as dg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from metrics_assets.orchestration import idle, tags
from metrics_assets.pipeline import state
from metrics_assets.pipeline.tick import tick as pipeline_tick
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import started_run, tick

AT = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
DAY = AT.date().isoformat()


@pytest.fixture(scope="module")
def persistent() -> Iterator[dg.DagsterInstance]:
    """An instance with a database: the context of a schedule opens it by its address."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def instance(persistent: dg.DagsterInstance) -> dg.DagsterInstance:
    """The instance, without runs and events."""
    persistent.wipe()
    return persistent


def _evaluate(
    world: World, instance: dg.DagsterInstance, job: str = "update_metrics_models", at: dt.datetime = AT
) -> tuple[Sequence[dg.RunRequest], str]:
    context = dg.build_schedule_context(instance=instance, repository_def=world.repository, scheduled_execution_time=at)
    data = world.repository.get_schedule_def(f"{job}_schedule").evaluate_tick(context)
    return data.run_requests or [], data.skip_message or ""


def _idle_reports(instance: dg.DagsterInstance, asset: str) -> list[dg.AssetMaterialization]:
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=10).records
    return [record.asset_materialization for record in records if record.asset_materialization is not None]


def test_nothing_to_do_is_skipped_with_a_reason(world: World, instance: dg.DagsterInstance) -> None:
    requests, reason = _evaluate(world, instance)

    assert requests == []
    assert reason == "Nothing to do: 0 rows captured, arrived, dirty or unsent."


def test_a_quiet_set_says_that_it_is_complete(world: World, instance: dg.DagsterInstance) -> None:
    _evaluate(world, instance)

    for asset in ("entity_metric_events", "entity_metric_daily", "model_metrics"):
        (told,) = _idle_reports(instance, asset)
        assert told.partition == DAY
        assert told.metadata["mode"].value == "idle"
        through = told.metadata["complete_through"].value
        assert isinstance(through, float)
        assert abs(through - dt.datetime.now(dt.UTC).timestamp()) < 60
    assert state.complete_through(world.session.stores, "model_metrics") is not None


def test_a_quiet_set_says_so_at_most_every_five_minutes(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _evaluate(world, instance)
    _evaluate(world, instance)
    assert len(_idle_reports(instance, "model_metrics")) == 1

    monkeypatch.setattr(idle, "EVERY", dt.timedelta(0))
    _evaluate(world, instance)
    assert len(_idle_reports(instance, "model_metrics")) == 2


def test_a_set_that_just_ran_need_not_say_that_it_is_idle(world: World, instance: dg.DagsterInstance) -> None:
    application.publish_model(world.session.stores, 1)
    assert tick(world, instance, "model_metrics").success

    requests, _ = _evaluate(world, instance)

    assert requests == []
    assert [told.metadata["mode"].value for told in _idle_reports(instance, "model_metrics")] == ["tick"]


def test_captured_rows_start_a_tick_of_the_scheduled_day(world: World, instance: dg.DagsterInstance) -> None:
    application.publish_model(world.session.stores, 1, versions=(10,))

    (request,), _ = _evaluate(world, instance, at=dt.datetime(2026, 3, 31, 23, 59, tzinfo=dt.UTC))

    assert request.partition_key == "2026-03-31"
    assert request.tags[tags.MODE] == "tick"
    assert request.tags[tags.TICK] == "model_metrics"
    # the drain, the logs and the set each stop by themselves; what lasts longer than all three hangs
    assert int(request.tags["dagster/max_runtime"]) == 3 * world.session.settings.tick_max_seconds + 120


def test_a_paused_set_is_skipped_with_the_reason_that_was_given(world: World, instance: dg.DagsterInstance) -> None:
    application.publish_model(world.session.stores, 1)
    state.pause(world.session.stores, "model_metrics", "the feed is being rebuilt")

    requests, reason = _evaluate(world, instance)

    assert requests == []
    assert "paused: the feed is being rebuilt" in reason
    assert _idle_reports(instance, "model_metrics") == []


@pytest.mark.parametrize(("rows", "ticked"), [(3, set()), (60_000, {"update_metrics_models", "update_review_stats"})])
def test_the_sensor_starts_sets_early_when_much_waits(
    world: World, instance: dg.DagsterInstance, rows: int, ticked: set[str]
) -> None:
    with world.session.stores.postgres.connection() as connection:
        connection.execute(
            "INSERT INTO metrics.outbox_model (op, id) SELECT 'D', n FROM generate_series(1, %s) n", (rows,)
        )
    started_run(world, instance, {tags.TICK: "base_model_metrics"})

    started = _started_early(world, instance)

    assert started >= ticked
    assert "update_metrics_basemodels" not in started
    assert bool(started) == bool(ticked)


@pytest.mark.parametrize("away", ["clickhouse", "redis"])
def test_the_sensor_leaves_what_waits_for_a_store_that_is_away_to_the_schedules(
    world: World, instance: dg.DagsterInstance, away: str
) -> None:
    stores = world.session.stores
    with stores.postgres.connection() as connection:
        if away == "clickhouse":
            connection.execute("INSERT INTO metrics.batch (id, kind, event_rows) VALUES (1, 'drain', 60000)")
        else:
            connection.execute(
                "INSERT INTO metrics.publish_queue SELECT 'Model', n, 1 FROM generate_series(1, 60000) n"
            )
    assert "update_metrics_models" in _started_early(world, instance)

    unreachable = {
        "clickhouse": ClickHouse("http://nobody:home@127.0.0.1:9/default", comment="test", timeout_seconds=1),
        "redis": redis.Redis(port=9, retry=Retry(NoBackoff(), 0)),
    }
    pipeline_tick(replace(stores, **{away: unreachable[away]}), world.session.settings)

    assert _started_early(world, instance) == set()


def test_the_sensor_goes_on_where_a_tick_ran_out_of_time(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    pipeline_tick(stores, world.session.settings)
    with stores.postgres.connection() as connection:
        connection.execute("INSERT INTO metrics.outbox_model (op, id) SELECT 'D', n FROM generate_series(1, 3) n")
        assert _started_early(world, instance) == set()
        connection.execute(
            "UPDATE metrics.ledger SET outcome = 'backlog left'"
            " WHERE id = (SELECT max(id) FROM metrics.ledger WHERE set_name = 'review_stats')"
        )
    assert _started_early(world, instance) == {"update_review_stats", "update_metrics_basemodels"}


def _started_early(world: World, instance: dg.DagsterInstance) -> set[str | None]:
    sensor = world.repository.get_sensor_def("run_sets_with_a_large_backlog")
    data = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=world.repository))
    return {request.job_name for request in data.run_requests or []}


def test_job_metrics_are_brought_up_to_date_by_one_run_at_a_time(world: World, instance: dg.DagsterInstance) -> None:
    (request,), _ = _evaluate(world, instance, "update_job_metrics")
    assert (request.partition_key, request.tags["metrics/mode"]) == (AT.date().isoformat(), "tick")

    instance.create_run_for_job(
        world.definitions.resolve_job_def("update_job_metrics"), status=dg.DagsterRunStatus.STARTED
    )
    requests, reason = _evaluate(world, instance, "update_job_metrics")
    assert requests == []
    assert "queued or running" in reason

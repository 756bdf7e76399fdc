"""What a run does about errors: tries again when that can help, and otherwise says what to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from metrics_assets.orchestration.failures import RETRY
from metrics_assets.pipeline import schema
from metrics_assets.stores import Stores
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets.stores.postgres import Lock, locked, rows
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World, definitions_on
from metrics_assets_tests.orchestration.runs import check, run_job, tick, today, told


@contextmanager
def _connection_dies_once(stores: Stores) -> Iterator[None]:
    """Ends the first session that waits for the shared layer, as a failover of Postgres would."""

    def kill() -> None:
        with stores.postgres.connection() as connection, locked(connection, Lock.SHARED_LAYER):
            held.set()
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                waiting = rows(
                    connection,
                    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'",
                )
                if waiting:
                    connection.execute("SELECT pg_terminate_backend(%s)", waiting[0])
                    return
                time.sleep(0.05)

    held = threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    assert held.wait(120)
    try:
        yield
    finally:
        killer.join()


def test_a_lost_connection_is_tried_again(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))

    with _connection_dies_once(stores):
        result = tick(world, instance, "model_metrics")

    assert result.success
    assert [event.step_key for event in result.all_events if event.is_step_restarted] == ["entity_metric_events"]
    assert application.thumbs_up(stores) == {1: 3}


def test_tries_are_apart_by_different_times() -> None:
    waits = {RETRY.calculate_delay(1) for _ in range(20)}

    assert len(waits) > 10


def test_an_error_that_a_retry_cannot_mend_fails_at_once(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))
    with stores.postgres.connection() as connection:
        connection.execute('ALTER TABLE "ModelMetric" RENAME TO "ModelMetricAside"')
        try:
            result = tick(world, instance, "model_metrics")
        finally:
            connection.execute('ALTER TABLE "ModelMetricAside" RENAME TO "ModelMetric"')

    failure = next(event for event in result.all_events if event.is_step_failure)
    assert not any(event.is_step_up_for_retry for event in result.all_events)
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert said.description is not None
    assert said.description.startswith('UndefinedTable: relation "ModelMetric" does not exist')
    assert "mend the cause" in said.description
    assert tick(world, instance, "model_metrics").success
    assert application.thumbs_up(stores) == {1: 3}


def test_the_tick_after_a_broken_capture_says_how_to_mend_it(world: World, instance: dg.DagsterInstance) -> None:
    with world.session.stores.postgres.connection() as connection:
        connection.execute('ALTER TABLE "Comment" DISABLE TRIGGER USER')
    try:
        result = tick(world, instance, "model_metrics")
    finally:
        schema.apply(world.session.stores)

    failure = next(event for event in result.all_events if event.is_step_failure)
    assert failure.step_failure_data.user_failure_data is not None
    assert "metrics-assets schema apply" in (failure.step_failure_data.user_failure_data.description or "")


def test_a_rebuild_that_fails_leaves_a_row_with_its_days_and_the_error(
    world: World, instance: dg.DagsterInstance
) -> None:
    stores = world.session.stores
    with stores.postgres.connection() as connection:
        connection.execute('ALTER TABLE "Comment" DISABLE TRIGGER USER')
        try:
            result = run_job(world, instance, "update_metrics_models", partition=today())
        finally:
            schema.apply(stores)
        noted = rows(connection, "SELECT set_name, mode, run_id, outcome, first_day::text, detail FROM metrics.ledger")

    assert not result.success
    assert [row[:5] for row in noted] == [("entity_metric_events", "rebuild", result.run_id, "failed", today())]
    assert "Capture on Comment" in noted[0][5]["error"]


def test_a_mode_that_does_not_exist_is_refused(world: World, instance: dg.DagsterInstance) -> None:
    result = run_job(world, instance, "update_metrics_models", partition=today(), run_tags={"metrics/mode": "tock"})

    failure = next(event for event in result.all_events if event.is_step_failure)
    assert failure.step_failure_data.user_failure_data is not None
    assert "'tock': use tick or rebuild" in (failure.step_failure_data.user_failure_data.description or "")


def test_counters_move_in_postgres_while_clickhouse_is_away(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    away = definitions_on(
        Stores(
            postgres=stores.postgres,
            clickhouse=ClickHouse("http://127.0.0.1:1/default", comment="tests", timeout_seconds=5),
            redis=stores.redis,
        ),
        world.session.settings,
    )
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))

    result = tick(away, instance, "model_metrics")

    assert result.success
    assert application.thumbs_up(stores) == {1: 3}
    assert told(instance, "entity_metric_events")["outcome"] == "clickhouse away"
    warning = check(instance, "entity_metric_events", "clickhouse_answers")
    assert (warning.passed, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "ClickHouse does not answer at http://127.0.0.1:1/default" in (warning.description or "")


def test_a_clickhouse_that_refuses_warns_in_its_own_words(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))
    stores.clickhouse.command("RENAME TABLE entityMetricEvents TO entityMetricEventsAside")
    try:
        result = tick(world, instance, "model_metrics")
    finally:
        stores.clickhouse.command("RENAME TABLE entityMetricEventsAside TO entityMetricEvents")

    assert result.success
    assert application.thumbs_up(stores) == {1: 3}
    for asset in ("entity_metric_events", "entity_metric_daily", "model_metrics"):
        warning = check(instance, asset, "clickhouse_answers")
        assert (warning.passed, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert "UNKNOWN_TABLE" in (warning.description or "")
    assert tick(world, instance, "model_metrics").success
    assert check(instance, "model_metrics", "clickhouse_answers").passed


def test_a_redis_that_refuses_warns_in_its_own_words(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))
    stores.redis.config_set("maxmemory", "1")
    try:
        result = tick(world, instance, "model_metrics")
    finally:
        stores.redis.config_set("maxmemory", "0")

    assert result.success
    assert application.thumbs_up(stores) == {1: 3}
    warning = check(instance, "model_metrics", "redis_answers")
    assert (warning.passed, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "'maxmemory'" in (warning.description or "")
    assert tick(world, instance, "model_metrics").success
    assert check(instance, "model_metrics", "redis_answers").passed

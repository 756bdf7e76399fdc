"""Whether a set should be ticked now, and what stands in its way."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import dagster as dg
import pytest

from metrics_assets.catalog import metric_set
from metrics_assets.orchestration import tags, vanished
from metrics_assets.orchestration.readiness import Readiness, readiness
from metrics_assets.orchestration.resources import session_name
from metrics_assets.pipeline import schema
from metrics_assets.stores import open_stores
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import started_run, tick


def _look(world: World, instance: dg.DagsterInstance) -> Readiness:
    return readiness(world.session, instance, metric_set("model_metrics"))


def test_rows_that_arrived_in_a_log_are_work(world: World, instance: dg.DagsterInstance) -> None:
    world.session.stores.clickhouse.command(
        "INSERT INTO modelVersionEvents (type, time, userId, modelId, modelVersionId, ip)"
        " VALUES ('Download', now(), 1, 1, 10, '::1')"
    )

    found = _look(world, instance)

    assert (found.reason, found.backlog_rows) == (None, 1)


def test_rows_that_were_deleted_from_a_quiet_log_are_work(world: World, instance: dg.DagsterInstance) -> None:
    clickhouse = world.session.stores.clickhouse
    clickhouse.command(
        "INSERT INTO modelVersionEvents (type, time, userId, modelId, modelVersionId, ip)"
        " VALUES ('Download', now(), 1, 1, 10, '::1')"
    )
    assert tick(world, instance, "model_metrics").success
    assert _look(world, instance).idle

    clickhouse.command("ALTER TABLE modelVersionEvents DELETE WHERE 1 SETTINGS mutations_sync = 2")

    assert _look(world, instance).reason is None


def test_nobody_says_that_nothing_waits_while_the_logs_cannot_be_seen(
    world: World, instance: dg.DagsterInstance
) -> None:
    away = ClickHouse("http://nobody:home@127.0.0.1:9/default", comment="test", timeout_seconds=1)
    stores = replace(world.session.stores, clickhouse=away)

    found = readiness(replace(world.session, stores=stores), instance, metric_set("model_metrics"))

    assert (found.reason, found.idle) == (None, False)


def test_a_set_that_is_loading_waits_and_says_how_to_load_it(world: World, instance: dg.DagsterInstance) -> None:
    with world.session.stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.set_state SET state = 'loading'")

    found = _look(world, instance)

    assert "metrics-assets load model_metrics" in (found.reason or "")
    assert not found.idle


def test_a_tick_that_still_runs_stands_in_the_way(world: World, instance: dg.DagsterInstance) -> None:
    application.publish_model(world.session.stores, 1)
    run = started_run(world, instance, {tags.TICK: "model_metrics"})

    assert run.run_id[:8] in (_look(world, instance).reason or "")


def test_a_long_rebuild_does_not_hold_up_the_ticks_of_its_set(world: World, instance: dg.DagsterInstance) -> None:
    application.publish_model(world.session.stores, 1)
    started_run(world, instance, {tags.SET: "model_metrics"})

    assert _look(world, instance).reason is None


def test_a_tick_of_another_set_does_not_hold_it_up(world: World, instance: dg.DagsterInstance) -> None:
    application.publish_model(world.session.stores, 1)
    started_run(world, instance, {tags.TICK: "review_stats"})

    assert _look(world, instance).reason is None


def test_a_tick_whose_process_is_gone_is_failed_and_does_not_hold_up_its_set(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vanished, "_STARTUP", dt.timedelta(0))
    application.publish_model(world.session.stores, 1)
    run = started_run(world, instance, {tags.TICK: "model_metrics"})

    assert _look(world, instance).reason is None
    gone = instance.get_run_by_id(run.run_id)
    assert gone is not None
    assert gone.status is dg.DagsterRunStatus.FAILURE


def test_a_tick_that_has_only_just_started_is_not_taken_for_gone(world: World, instance: dg.DagsterInstance) -> None:
    application.publish_model(world.session.stores, 1)
    started_run(world, instance, {tags.TICK: "model_metrics"})

    assert _look(world, instance).reason is not None


def test_a_tick_with_a_session_in_postgres_is_alive(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vanished, "_STARTUP", dt.timedelta(0))
    application.publish_model(world.session.stores, 1)
    run = started_run(world, instance, {tags.TICK: "model_metrics"})

    with open_stores(world.session.settings, run=session_name(run.run_id)) as stores, stores.postgres.connection():
        found = _look(world, instance)

    assert run.run_id[:8] in (found.reason or "")


def test_an_empty_backlog_proves_nothing_while_capture_is_not_whole(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    assert _look(world, instance).idle
    with stores.postgres.connection() as connection:
        connection.execute('ALTER TABLE "Comment" DISABLE TRIGGER USER')
    try:
        found = _look(world, instance)
    finally:
        schema.apply(stores)

    assert (found.idle, found.reason) == (False, None)
    assert "Capture on Comment is not what was installed" in (found.fault or "")


def test_an_empty_backlog_proves_nothing_for_another_catalog(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    with stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.schema_state SET value = 'other' WHERE name = 'set model_metrics'")
    try:
        found = _look(world, instance)
    finally:
        schema.apply(stores)

    assert (found.idle, found.reason) == (False, None)
    assert "another declaration of model_metrics" in (found.fault or "")

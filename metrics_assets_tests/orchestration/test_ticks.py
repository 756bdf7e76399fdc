"""What a run of a set's job does, and what it leaves for a person to see."""

from __future__ import annotations

import dagster as dg

from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import run_job, tick, today, told


def test_a_tick_counts_what_was_captured(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))

    result = tick(world, instance, "model_metrics")

    assert result.success
    assert application.thumbs_up(stores) == {1: 3}
    assert application.ledger_modes(stores) == [
        ("entity_metric_events", "tick"),
        ("entity_metric_daily", "tick"),
        ("model_metrics", "tick"),
    ]


def test_a_run_without_the_tag_rebuilds(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(3))

    result = run_job(world, instance, "update_metrics_models", partition=today())

    assert result.success
    assert application.thumbs_up(stores) == {1: 3}
    assert {mode for _, mode in application.ledger_modes(stores)} == {"rebuild"}


def test_a_materialization_tells_what_was_done(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10, 11))
    application.review(stores, model=1, version=10, users=range(3))

    tick(world, instance, "model_metrics")

    found = told(instance, "model_metrics")
    assert found["mode"] == "tick"
    assert found["outcome"] == "done"
    assert found["entities_changed"] == 2  # the version and its model; nobody reviewed the other version
    assert found["backlog_before"] >= 3
    assert found["backlog_after"] == 0
    assert {"seconds", "seconds/outputs", "rows_read", "rows_written", "detail/complete_through"} <= set(found)
    assert found["newest_event_at"] == told(instance, "entity_metric_events")["newest_event_at"]

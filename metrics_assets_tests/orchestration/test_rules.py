"""A wrong number is not published: the keys stay dirty, the check fails, the run fails."""

from __future__ import annotations

import dagster as dg
import pytest

from metrics_assets.stores import Stores
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import check, run_job, tick, today, told


@pytest.fixture
def wrong_total(world: World, instance: dg.DagsterInstance) -> Stores:
    """Model 1 counts right, then its stored total goes negative behind the pipeline's back, as a fault would do it."""
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(2))
    assert tick(world, instance, "model_metrics").success
    with stores.postgres.connection() as connection:
        connection.execute(
            "UPDATE metrics.leaf_total SET total = -100 WHERE entity_type = 'Model' AND metric_type = 'ThumbsUp'"
        )
    application.review(stores, model=1, version=10, users=range(5, 6))
    return stores


def test_a_rule_keeps_the_number_back_and_fails_the_run(
    world: World, instance: dg.DagsterInstance, wrong_total: Stores
) -> None:
    result = tick(world, instance, "model_metrics")

    assert not result.success
    assert application.thumbs_up(wrong_total) == {1: 2}
    failed = check(instance, "model_metrics", "rules")
    assert not failed.passed
    assert failed.blocking
    assert "no_negative_counter" in (failed.description or "")
    found = told(instance, "model_metrics")
    assert found["outcome"] == "refused by rule"
    assert found["backlog_after"] > 0


def test_a_set_above_one_that_was_kept_back_does_not_run(
    world: World, instance: dg.DagsterInstance, wrong_total: Stores
) -> None:
    with wrong_total.postgres.connection() as connection:
        connection.execute("UPDATE metrics.base_model_total SET thumbs_up = -100")
        connection.execute('UPDATE "ResourceReview" SET recommended = false WHERE "userId" = 0')

    result = run_job(
        world,
        instance,
        "update_metrics_basemodels",
        partition=today(),
        run_tags={"metrics/mode": "tick"},
    )

    assert not result.success
    assert not check(instance, "review_stats", "rules").passed
    assert "base_model_metrics" not in {name for name, _ in application.ledger_modes(wrong_total)}

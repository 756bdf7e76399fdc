"""Rebuilding days: a range is one run and one pass."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import run_job, today, told

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def test_a_range_is_rebuilt_in_one_pass_and_marks_every_day(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    last = dt.date.fromisoformat(today())
    days = [(last - dt.timedelta(days=ago)).isoformat() for ago in (4, 3, 2)]
    application.publish_model(stores, 1, versions=(10, 11))
    application.review(stores, model=1, version=10, users=range(3), created_at=days[0])
    application.review(stores, model=1, version=11, users=range(3, 5), created_at=days[2])

    result = run_job(
        world,
        instance,
        "update_metrics_models",
        run_tags={RANGE_START: days[0], RANGE_END: days[2]},
        assets=["model_metrics"],
    )

    assert result.success
    assert application.thumbs_up(stores) == {1: 5}
    assert application.ledger_modes(stores) == [("model_metrics", "rebuild")]
    assert instance.get_materialized_partitions(dg.AssetKey("model_metrics")) == set(days)


def test_the_totals_of_a_range_are_told_once_and_not_plotted_on_each_day(
    world: World, instance: dg.DagsterInstance
) -> None:
    result = run_job(
        world,
        instance,
        "update_metrics_models",
        run_tags={RANGE_START: "2024-03-01", RANGE_END: "2024-03-03"},
        assets=["model_metrics"],
    )

    assert result.success
    found = told(instance, "model_metrics")
    assert found["range"]["days"] == 3
    assert found["range"]["first_day"] == "2024-03-01"
    assert "rows_written" not in found

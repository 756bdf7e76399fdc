"""Days that were loaded without Dagster show as materialized in it."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from metrics_assets.orchestration import loaded
from metrics_assets.pipeline import ledger
from metrics_assets_tests.orchestration.conftest import World

_FIRST, _LAST = dt.date(2026, 3, 1), dt.date(2026, 3, 5)
_DAYS = {"2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"}


def _evaluate(world: World, instance: dg.DagsterInstance) -> str:
    sensor = world.repository.get_sensor_def("report_loaded_days")
    data = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=world.repository))
    return data.skip_message or ""


def _build(world: World, *names: str) -> None:
    with world.session.stores.postgres.connection() as connection:
        ledger.note_built_days(connection, names, _FIRST, _LAST, 7)


def test_built_days_become_materialized_once(world: World, instance: dg.DagsterInstance) -> None:
    key = dg.AssetKey("model_metrics")
    _build(world, "model_metrics")

    assert _evaluate(world, instance) == "5 days reported."
    assert instance.get_materialized_partitions(key) == _DAYS
    assert instance.get_materialized_partitions(dg.AssetKey("review_stats")) == set()

    assert _evaluate(world, instance) == "Every built day is known."
    assert len(instance.fetch_materializations(key, limit=50).records) == 5


def test_an_evaluation_that_takes_long_leaves_days_for_the_next(
    world: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded, "SECONDS_AN_EVALUATION", 0.0)
    _build(world, "model_metrics", "review_stats")

    said = [_evaluate(world, instance) for _ in range(11)]

    assert said[:10] == ["1 days reported, and more are left for the next look."] * 10
    assert said[10] == "Every built day is known."
    for name in ("model_metrics", "review_stats"):
        assert instance.get_materialized_partitions(dg.AssetKey(name)) == _DAYS


def test_a_changed_day_that_was_never_built_is_not_reported(world: World, instance: dg.DagsterInstance) -> None:
    with world.session.stores.postgres.connection() as connection:
        ledger.note_changed_days(connection, {"model_metrics": [_FIRST]})

    assert _evaluate(world, instance) == "Every built day is known."

"""The ordinary checks notice what is wrong in the rows that moved last."""

from __future__ import annotations

import dagster as dg
import pytest

from metrics_assets.orchestration.checks import all_checks
from metrics_assets.stores import Stores
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World
from metrics_assets_tests.orchestration.runs import check, tick


@pytest.fixture
def stores(world: World) -> Stores:
    """Two models with reviews, counted by a tick without Dagster."""
    from metrics_assets.pipeline.tick import tick as plain_tick

    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10, 11))
    application.publish_model(stores, 2, versions=(20,), base_model="Flux")
    application.review(stores, model=1, version=10, users=range(3))
    application.review(stores, model=2, version=20, users=range(2))
    assert plain_tick(stores, world.session.settings).ok
    return stores


def _run_checks(world: World, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    only_checks = dg.define_asset_job("only_checks", selection=dg.AssetSelection.checks(*all_checks()))
    definitions = dg.Definitions.merge(world.definitions, dg.Definitions(jobs=[only_checks]))
    return definitions.resolve_job_def("only_checks").execute_in_process(instance=instance, raise_on_error=False)


def _failing(instance: dg.DagsterInstance, world: World) -> set[tuple[str, str]]:
    keys = world.definitions.resolve_asset_graph().asset_check_keys
    records = {key: instance.get_latest_asset_check_evaluation_record(key) for key in keys}
    return {
        (key.asset_key.to_user_string(), key.name)
        for key, record in records.items()
        if record is not None and record.evaluation is not None and not record.evaluation.passed
    }


def _spoil(stores: Stores, statement: str) -> None:
    with stores.postgres.connection() as connection:
        connection.execute(statement.encode())


def test_all_pass_on_right_counters(world: World, instance: dg.DagsterInstance, stores: Stores) -> None:
    assert _run_checks(world, instance).success

    assert _failing(instance, world) == set()
    told = check(instance, "model_metrics", "counters_equal_recount").metadata
    assert told["keys"].value == 4  # two models and the two versions with reviews
    assert told["differences"].value == 0


def test_a_counter_changed_by_hand_differs_from_its_recount(
    world: World, instance: dg.DagsterInstance, stores: Stores
) -> None:
    _spoil(stores, 'UPDATE "ModelMetric" SET "thumbsUpCount" = 7 WHERE "modelId" = 1')

    _run_checks(world, instance)

    assert _failing(instance, world) == {("model_metrics", "counters_equal_recount")}
    failed = check(instance, "model_metrics", "counters_equal_recount")
    assert failed.metadata["examples"].value == "Model 1 thumbsUpCount: 7, recounted 3"


def test_a_negative_counter_is_noticed(world: World, instance: dg.DagsterInstance, stores: Stores) -> None:
    _spoil(stores, 'UPDATE "ModelMetric" SET "collectedCount" = -1 WHERE "modelId" = 2')

    _run_checks(world, instance)

    assert ("model_collection_metrics", "no_negative_counter") in _failing(instance, world)
    failed = check(instance, "model_collection_metrics", "no_negative_counter")
    assert failed.metadata["examples"].value == '"ModelMetric" 2'


def test_a_pair_without_a_published_version_is_noticed(
    world: World, instance: dg.DagsterInstance, stores: Stores
) -> None:
    _spoil(stores, 'INSERT INTO "ModelBaseModelMetric" ("modelId", "baseModel") VALUES (1, \'Pony\')')

    _run_checks(world, instance)

    name = "base_model_rows_match_published_versions"
    assert ("base_model_metrics", name) in _failing(instance, world)
    assert ("review_stats", name) not in _failing(instance, world)
    told = check(instance, "base_model_metrics", name).metadata["examples"].value
    assert told == '"ModelBaseModelMetric" 1 Pony should not be there'


def test_a_version_published_this_instant_is_not_a_wrong_pair(
    world: World, instance: dg.DagsterInstance, stores: Stores
) -> None:
    _spoil(stores, 'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (12, 1, \'Pony\')')

    _run_checks(world, instance)

    assert _failing(instance, world) == set()


def test_two_rows_of_one_key_are_noticed(world: World, instance: dg.DagsterInstance, stores: Stores) -> None:
    """The application's table may have come without its key."""
    with stores.postgres.connection() as connection:
        connection.execute('ALTER TABLE "ReviewStatsByBaseModel" DROP CONSTRAINT "ReviewStatsByBaseModel_pkey"')
        connection.execute(
            'INSERT INTO "ReviewStatsByBaseModel" SELECT * FROM "ReviewStatsByBaseModel" WHERE "modelId" = 2'
        )
    try:
        _run_checks(world, instance)
    finally:
        with stores.postgres.connection() as connection:
            connection.execute('TRUNCATE "ReviewStatsByBaseModel"')
            connection.execute('ALTER TABLE "ReviewStatsByBaseModel" ADD PRIMARY KEY ("modelId", "baseModel")')

    failed = check(instance, "review_stats", "one_row_per_key")
    assert not failed.passed
    assert failed.metadata["examples"].value == '"ReviewStatsByBaseModel" 2 Flux'


def test_a_counter_that_is_nearly_full_warns(world: World, instance: dg.DagsterInstance, stores: Stores) -> None:
    _spoil(stores, 'UPDATE "ModelMetric" SET "tippedAmountCount" = 2000000000 WHERE "modelId" = 1')

    _run_checks(world, instance)

    failed = check(instance, "model_metrics", "within_int4")
    assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "uses 93% of it" in (failed.description or "")


def test_an_old_window_fails_although_a_backfill_just_ran(
    world: World, instance: dg.DagsterInstance, stores: Stores
) -> None:
    _spoil(
        stores,
        "UPDATE metrics.set_state SET complete_through = now() - interval '1 day' WHERE set_name = 'review_stats'",
    )

    _run_checks(world, instance)

    failed = check(instance, "review_stats", "complete_window")
    assert not failed.passed
    assert "1440 minutes ago" in (failed.description or "")


def test_a_batch_that_waits_long_for_clickhouse_warns(
    world: World, instance: dg.DagsterInstance, stores: Stores
) -> None:
    _spoil(
        stores,
        "INSERT INTO metrics.batch (id, kind, sealed_at, event_rows) VALUES (-1, 'x', now() - interval '1 hour', 5)",
    )

    _run_checks(world, instance)

    failed = check(instance, "entity_metric_daily", "clickhouse_has_every_batch")
    assert (failed.passed, failed.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert failed.metadata["rows"].value == 5


def test_a_tick_runs_the_checks_of_its_set(world: World, instance: dg.DagsterInstance, stores: Stores) -> None:
    result = tick(world, instance, "model_collection_metrics")

    ran = {evaluation.check_name for evaluation in result.get_asset_check_evaluations()}
    assert {"rules", "counters_equal_recount", "complete_window", "clickhouse_has_every_batch"} <= ran

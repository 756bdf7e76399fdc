"""What is wrong and nobody noticed heals within a day, by the hourly recount of a slice of the models."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from metrics_assets.orchestration.rolling import SLICES
from metrics_assets.pipeline.tick import tick
from metrics_assets.verify import verify
from metrics_assets_tests.orchestration import application
from metrics_assets_tests.orchestration.conftest import World

_WRONG = (
    "UPDATE metrics.leaf_total SET total = total + 5 WHERE entity_type = 'Model' AND entity_id = 1",
    'UPDATE "ModelMetric" SET "collectedCount" = 99 WHERE "modelId" = 1',
    "UPDATE metrics.base_model_total SET thumbs_up = thumbs_up + 3 WHERE model_id = 1",
)


def _recount(world: World, instance: dg.DagsterInstance, number: int) -> None:
    job = world.definitions.resolve_job_def("recount_models")
    assert job.execute_in_process(instance=instance, tags={"metrics/slice": str(number)}).success


def test_the_hour_of_a_model_mends_it_in_every_store(world: World, instance: dg.DagsterInstance) -> None:
    stores = world.session.stores
    application.publish_model(stores, 1, versions=(10,))
    application.review(stores, model=1, version=10, users=range(1, 4))
    assert tick(stores, world.session.settings).ok
    assert verify(stores, []).ok
    with stores.postgres.connection() as connection:
        for statement in _WRONG:
            assert connection.execute(statement.encode()).rowcount > 0
    stores.redis.hset("entity:metrics:Model:1", "ThumbsUp", "77")

    _recount(world, instance, 2)
    assert tick(stores, world.session.settings).ok
    assert not verify(stores, []).ok

    _recount(world, instance, 1)
    assert tick(stores, world.session.settings).ok
    assert verify(stores, []).ok


def test_the_schedule_takes_another_slice_every_hour_of_the_day(world: World, instance: dg.DagsterInstance) -> None:
    schedule = world.repository.get_schedule_def("recount_models_schedule")
    slices = set()
    for hour in range(24):
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=dt.datetime(2026, 3, 31, hour, 23, tzinfo=dt.UTC),
            repository_def=world.repository,
        )
        (request,) = schedule.evaluate_tick(context).run_requests or []
        slices.add(int(request.tags["metrics/slice"]))
    assert slices == set(range(SLICES))


def test_nothing_is_recounted_before_the_first_load(world: World, instance: dg.DagsterInstance) -> None:
    with world.session.stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.schema_state SET value = 'loading' WHERE name = 'shared layer'")
    try:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=dt.datetime(2026, 3, 31, 1, 23, tzinfo=dt.UTC),
            repository_def=world.repository,
        )
        data = world.repository.get_schedule_def("recount_models_schedule").evaluate_tick(context)
    finally:
        with world.session.stores.postgres.connection() as connection:
            connection.execute("UPDATE metrics.schema_state SET value = 'live' WHERE name = 'shared layer'")
    assert not data.run_requests
    assert "first load" in (data.skip_message or "")

"""Both directions: rows, hashes and numbers that are missing, and those that should not be there."""

from __future__ import annotations

import pytest

from metrics_assets.errors import ConfigurationError
from metrics_assets.stores import Stores
from metrics_assets.verify import Difference, verify
from metrics_assets_tests.verify import world
from metrics_assets_tests.verify.world import change, expected_now


def test_a_missing_row_reads_as_zeros(small_world: Stores) -> None:
    change(small_world, 'DELETE FROM "ModelVersionMetric" WHERE "modelVersionId" = 11')
    assert expected_now(small_world) == {
        ("postgres", "ModelVersion", "11", "downloadCount"): 1,
        ("postgres", "ModelVersion", "11", "generationCount"): 1,
        ("postgres", "ModelVersion", "11", "thumbsUpCount"): 1,
        ("postgres", "ModelVersion", "11", "thumbsDownCount"): 1,
    }


def test_a_row_of_zeros_is_as_good_as_none(small_world: Stores) -> None:
    change(small_world, 'INSERT INTO "ModelMetric" ("modelId") VALUES (3)')
    world.set_total(small_world, "Model", 3, "Download", 0, world.FRESH)
    small_world.redis.hset("entity:metrics:Model:3", mapping={"Download": 0, "version": 7})
    assert verify(small_world, []).differences == ()


def test_rows_of_entities_that_do_not_exist_are_too_many(small_world: Stores) -> None:
    change(small_world, 'INSERT INTO "ModelVersionMetric" ("modelVersionId") VALUES (30)')
    change(small_world, 'INSERT INTO "ModelMetric" ("modelId") VALUES (9)')
    change(small_world, 'INSERT INTO "ModelBaseModelMetric" ("modelId", "baseModel") VALUES (1, \'Pony\')')
    change(small_world, 'INSERT INTO "ReviewStatsByBaseModel" ("modelId", "baseModel") VALUES (9, \'SDXL\')')
    assert set(verify(small_world, []).differences) == {
        Difference(set_name, "postgres", entity, key, "row", "no row", "a row")
        for set_name, entity, key in (
            ("model_metrics", "ModelVersion", "30"),
            ("model_metrics", "Model", "9"),
            ("model_collection_metrics", "Model", "9"),
            ("base_model_metrics", "Model", "1 Pony"),
            ("review_stats", "Model", "9 SDXL"),
        )
    }


def test_totals_of_a_deleted_entity_must_read_zero(small_world: Stores) -> None:
    world.set_total(small_world, "ModelVersion", 30, "Download", 1, world.FRESH)
    world.set_total(small_world, "ModelVersion", 30, "Buzz", 5, world.FRESH)
    world.set_total(small_world, "ModelVersion", 30, "Buzz", 0, world.FRESH + 1)
    assert expected_now(small_world) == {("clickhouse totals", "ModelVersion", "30", "Download"): 0}


def test_days_that_clickhouse_never_got_are_missing(small_world: Stores) -> None:
    for table in ("entityMetricDaily", "entityMetricEvents"):
        small_world.clickhouse.command(f"TRUNCATE TABLE {table}")
    report = verify(small_world, [])
    assert sum(verdict.differences for verdict in report.sets) == len(world.DAYS) + len(world.EVENTS)
    assert {difference.found for difference in report.differences} == {0}


def test_a_hash_of_an_entity_that_does_not_exist_is_too_many(small_world: Stores) -> None:
    small_world.redis.hset("entity:metrics:ModelVersion:30", mapping={"Download": 0, "version": 7})
    assert verify(small_world, []).differences == (
        Difference("model_metrics", "redis", "ModelVersion", "30", "hash", "no hash", "a hash"),
    )


def test_a_version_alone_is_what_a_deleted_entity_may_leave_behind(small_world: Stores) -> None:
    small_world.redis.hset("entity:metrics:ModelVersion:30", "version", 7)
    assert verify(small_world, []).differences == ()


def test_a_missing_hash_reads_as_zeros(small_world: Stores) -> None:
    small_world.redis.delete("entity:metrics:ModelVersion:11")
    assert expected_now(small_world) == {
        ("redis", "ModelVersion", "11", metric): 1 for metric in ("Download", "Generation", "ThumbsUp", "ThumbsDown")
    }


def test_a_field_that_is_no_number_differs(small_world: Stores) -> None:
    small_world.redis.hset("entity:metrics:Model:2", "Download", "many")
    assert verify(small_world, []).differences == (
        Difference("model_metrics", "redis", "Model", "2", "Download", 1, "many"),
    )


def test_a_key_of_another_type_is_named(small_world: Stores) -> None:
    small_world.redis.set("entity:metrics:Model:3", "text")
    assert verify(small_world, []).differences == (
        Difference("model_metrics", "redis", "Model", "3", "key", "a hash", "another type"),
    )


def test_keys_restrict_the_recount_to_the_output_rows_of_these(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ModelVersionMetric" SET "thumbsUpCount" = 50')
    change(small_world, 'UPDATE "ReviewStatsByBaseModel" SET "thumbsUpCount" = 50')
    small_world.redis.flushdb()
    report = verify(small_world, [], keys={"Model": [2], "ModelVersion": [11]})
    assert {(difference.set_name, difference.key) for difference in report.differences} == {
        ("model_metrics", "11"),
        ("model_metrics", "20"),  # a version of model 2
        ("review_stats", "2 SDXL"),
    }


def test_keys_leave_out_the_logs_unless_asked(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ModelVersionMetric" SET "downloadCount" = 50')
    assert verify(small_world, [], keys={"ModelVersion": [11]}).differences == ()
    (difference,) = verify(small_world, [], keys={"ModelVersion": [11]}, logs=True).differences
    assert (difference.key, difference.counter, difference.expected, difference.found) == ("11", "downloadCount", 1, 50)


def test_a_set_that_verify_does_not_know_is_refused(small_world: Stores) -> None:
    with pytest.raises(ConfigurationError, match="does not know models: use one of model_metrics"):
        verify(small_world, ["models"])


def test_the_connection_goes_back_to_its_pool_without_temporary_tables(small_world: Stores) -> None:
    verify(small_world, [])
    with small_world.postgres.connection() as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE pg_my_temp_schema() = relnamespace").fetchone()
    assert row == (0,)

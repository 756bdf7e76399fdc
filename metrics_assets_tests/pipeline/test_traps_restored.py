"""A Postgres that was restored to an earlier moment: ClickHouse and Redis know more of the future than it does."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from metrics_assets import local
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.pipeline.application import (
    assert_exact,
    download,
    fill,
    model_counter,
    one,
    review,
    tick_exact,
    write,
)

_LOST_FUTURE = (
    review(1000),
    'DELETE FROM "Comment" WHERE id < 4',
    'INSERT INTO "Model" (id, "userId") VALUES (60, 1)',
    'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (61, 60, \'SDXL\')',
    review(1001, version=61, model=60),
    'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (901, 60, 1)',
    'DELETE FROM "ModelVersion" WHERE id = 21',
)


@pytest.fixture
def restored(servers: local.Endpoints, settings: Settings) -> Iterator[Stores]:
    """The small application as it was before a tick that ClickHouse and Redis have seen."""
    backup = settings.postgres_dsn.rpartition("/")[2] + "_backup"
    with open_stores(settings, run="test") as stores:
        fill(stores)
        assert tick(stores, settings).ok
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        names = (sql.Identifier(backup), sql.Identifier(settings.postgres_dsn.rpartition("/")[2]))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        try:
            with open_stores(settings, run="test") as stores:
                write(stores, *_LOST_FUTURE)
                tick_exact(stores, settings)
            dsn = settings.postgres_dsn.rpartition("/")[0] + f"/{backup}"
            with open_stores(settings.model_copy(update={"postgres_dsn": dsn}), run="test") as stores:
                yield stores
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(names[0]))


def test_a_restored_postgres_is_shown_everywhere_after_two_ticks(restored: Stores, settings: Settings) -> None:
    write(restored, review(1002), 'UPDATE "Comment" SET "modelId" = 3 WHERE id = 5')
    download(restored)
    for _ in range(2):
        assert tick(restored, settings).ok
    assert_exact(restored)
    assert set(restored.redis.hgetall("entity:metrics:ModelVersion:61")) == {"version"}
    tick_exact(restored, settings)
    assert one(restored, "SELECT count(*) FROM metrics.capture_marker") == 0


@pytest.mark.slow
def test_what_only_redis_knows_is_enough_to_notice(restored: Stores, settings: Settings) -> None:
    for table in ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals"):
        restored.clickhouse.command(f"TRUNCATE TABLE {table}")
    write(restored, review(1002))
    for _ in range(2):
        assert tick(restored, settings).ok
    tick_exact(restored, settings)


def test_a_sequence_that_fell_back_is_moved_above_every_version_that_was_seen(
    filled: Stores, settings: Settings
) -> None:
    highest = one(filled, "SELECT last_value FROM metrics.version")
    write(filled, "SELECT setval('metrics.version', 1)", review(1000))
    up = model_counter(filled, "thumbsUpCount")
    for _ in range(2):
        assert tick(filled, settings).ok
    assert_exact(filled)
    assert one(filled, "SELECT last_value FROM metrics.version") > highest
    assert model_counter(filled, "thumbsUpCount") == up + 1


def test_a_postgres_that_was_not_restored_recounts_nothing(filled: Stores, settings: Settings) -> None:
    before = one(filled, "SELECT last_value FROM metrics.version")
    write(filled, review(1000))
    tick_exact(filled, settings)
    assert one(filled, "SELECT last_value FROM metrics.version") < before + 100
    assert one(filled, "SELECT count(*) FROM metrics.capture_marker") == 0

"""A Postgres that was restored to an earlier moment: ClickHouse and Redis know more of the future than it does."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from metrics_assets import local
from metrics_assets.catalog import SETS, SOURCES
from metrics_assets.pipeline import schema
from metrics_assets.pipeline.forward import forward
from metrics_assets.pipeline.log_parts import nobody_counting
from metrics_assets.pipeline.passes import Refresh
from metrics_assets.pipeline.restored import look
from metrics_assets.pipeline.tick import collect, tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.local.support import wait_until
from metrics_assets_tests.pipeline.application import (
    WAITING,
    assert_exact,
    download,
    fill,
    model_counter,
    one,
    read,
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


_TIMELINE = "SELECT value::jsonb ->> 'timeline' FROM metrics.schema_state WHERE name = 'clickhouse holds versions'"


@pytest.fixture
def restored(servers: local.Endpoints, settings: Settings) -> Iterator[Stores]:
    """The small application as it was before a tick that ClickHouse and Redis have seen."""

    def lost(stores: Stores) -> None:
        write(stores, *_LOST_FUTURE)
        tick_exact(stores, settings)

    with _as_it_was_before(lost, servers, settings) as stores:
        yield stores


@contextmanager
def _as_it_was_before(lost: Callable[[Stores], None], servers: local.Endpoints, settings: Settings) -> Iterator[Stores]:
    """The small application, ticked once, in a Postgres that knows nothing of what was done afterwards."""
    backup = settings.postgres_dsn.rpartition("/")[2] + "_backup"
    with open_stores(settings, run="test") as stores:
        fill(stores)
        assert tick(stores, settings).ok
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        names = (sql.Identifier(backup), sql.Identifier(settings.postgres_dsn.rpartition("/")[2]))
        admin.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
        try:
            with open_stores(settings, run="test") as stores:
                lost(stores)
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


def test_a_promoted_postgres_that_lost_fewer_numbers_than_its_sequence_is_ahead_is_shown_everywhere_after_two_ticks(
    servers: local.Endpoints, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Only ClickHouse has seen what was lost, and Postgres may have given all the numbers that it holds."""
    given = 0

    def lost(stores: Stores) -> None:
        nonlocal given
        write(stores, *_LOST_FUTURE)
        collect(stores, settings)
        for metric_set in SETS:
            Refresh(stores, settings, metric_set.name, None).count()
        with stores.postgres.connection() as connection:
            forward(stores, connection)
        given = one(stores, "SELECT last_value FROM metrics.version")

    with _as_it_was_before(lost, servers, settings) as promoted:
        write(
            promoted,
            f"SELECT setval('metrics.version', {given})",
            "UPDATE metrics.schema_state SET value = jsonb_set(value::jsonb, '{timeline}', '\"00000000\"')"
            " WHERE name = 'clickhouse holds versions'",
        )
        for _ in range(2):
            assert tick(promoted, settings).ok
        for _ in range(2):
            tick_exact(promoted, settings)
        assert one(promoted, "SELECT count(*) FROM metrics.capture_marker") == 0
    assert caplog.text.count("Postgres was on timeline 00000000") == 1


@pytest.mark.slow
def test_a_promotion_is_noticed_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    # a cluster of its own: a promotion ends the sessions of everybody
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "home"
        try:
            own = settings.model_copy(update={"postgres_dsn": _postgres_alone(home)})
            with open_stores(own, run="test") as stores:
                schema.apply(stores, with_application_tables=True)
                fill(stores)
                tick_exact(stores, own)
                assert one(stores, _TIMELINE) == "00000001"
                write(
                    stores,
                    "ALTER SYSTEM SET restore_command = 'false'",
                    # nobody is let in before the promotion
                    "ALTER SYSTEM SET hot_standby = off",
                )
                (data,) = read(stores, "SHOW data_directory")[0]
            local.stop(home)
            (Path(data) / "recovery.signal").touch()
            own = settings.model_copy(update={"postgres_dsn": _postgres_alone(home)})
            with open_stores(own, run="test") as stores:
                for _ in range(2):
                    assert tick(stores, own).ok
                tick_exact(stores, own)
                assert one(stores, _TIMELINE) == "00000002"
        finally:
            local.stop(home)
    assert caplog.text.count("Postgres was on timeline 00000001 and is on 00000002") == 1


def _postgres_alone(home: Path) -> str:
    return local.ensure(home, need=frozenset({"postgres"})).postgres_dsn


def test_a_postgres_that_does_not_tell_its_timeline_is_ticked_all_the_same(
    filled: Stores, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    write(
        filled,
        "ALTER FUNCTION pg_catalog.pg_walfile_name(pg_lsn) RENAME TO pg_walfile_name_aside",
        "DELETE FROM metrics.schema_state WHERE name = 'clickhouse holds versions'",
        review(1000),
    )
    tick_exact(filled, settings)
    assert one(filled, _TIMELINE) is None
    write(
        filled,
        "ALTER FUNCTION pg_catalog.pg_walfile_name_aside(pg_lsn) RENAME TO pg_walfile_name",
        review(1001, user=7),
    )
    tick_exact(filled, settings)
    assert one(filled, _TIMELINE) is not None
    assert "timeline" not in caplog.text


def test_what_clickhouse_is_told_of_is_on_the_disk_of_postgres(servers: local.Endpoints, settings: Settings) -> None:
    """The application commits without waiting for the disk, as its database prefers; a crash could lose that."""
    with psycopg.connect(servers.postgres_dsn, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        admin.execute("SELECT pg_reload_conf()")
        name = sql.Identifier(settings.postgres_dsn.rpartition("/")[2])
        admin.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
        try:
            with open_stores(settings, run="test") as stores, psycopg.connect(settings.postgres_dsn) as application:
                fill(stores)
                tick_exact(stores, settings)
                application.execute(review(1000))
                application.commit()
                committed = admin.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
                collect(stores, settings)
                (on_disk,) = admin.execute("SELECT pg_current_wal_flush_lsn() >= %s", committed).fetchone() or (None,)
            assert on_disk
        finally:
            admin.execute("ALTER SYSTEM RESET wal_writer_delay")
            admin.execute("SELECT pg_reload_conf()")


def test_a_loss_that_two_notice_at_once_is_mended_once(filled: Stores, settings: Settings) -> None:
    """One of them waits for the other, who has had everything counted when it lets go."""
    unmended = "SELECT count(*) FROM metrics.capture_marker WHERE counted_at IS NULL"
    tick_exact(filled, settings)
    filled.clickhouse.command("TRUNCATE TABLE entityMetricDaily")
    with (
        ThreadPoolExecutor(1) as beside,
        filled.postgres.connection() as first,
        filled.postgres.connection() as second,
    ):
        with nobody_counting(first):
            noticing = beside.submit(look, filled, second)
            wait_until(lambda: one(filled, WAITING) == 1, "the second to notice the loss")
            look(filled, first)
            assert one(filled, unmended) == len(SOURCES)
            write(filled, "UPDATE metrics.capture_marker SET counted_at = now()")
        noticing.result()
    assert one(filled, unmended) == 0


def _delete_newest(stores: Stores, table: str) -> None:
    newest = stores.clickhouse.scalar(f"SELECT max(version) FROM {table}")
    stores.clickhouse.command(f"DELETE FROM {table} WHERE version >= {int(newest) - 3}")


def _merge_and_delete_newest(stores: Stores, table: str) -> None:
    stores.clickhouse.command(f"OPTIMIZE TABLE {table} FINAL")
    newest = stores.clickhouse.scalar(f"SELECT max(version) FROM {table}")
    stores.clickhouse.command(
        f"ALTER TABLE {table} DELETE WHERE version >= {int(newest) - 3} SETTINGS mutations_sync = 2"
    )


def _fill_with_older_rows(stores: Stores, table: str) -> None:
    """As many blocks as there were, so that the parts cover what they covered."""
    clickhouse = stores.clickhouse
    newest = int(clickhouse.scalar(f"SELECT max(version) FROM {table}"))
    blocks = clickhouse.rows(
        "SELECT partition_id, sum(max_block_number - min_block_number + 1) FROM system.parts"
        " WHERE active AND rows > 0 AND database = currentDatabase() AND table = {table:String} GROUP BY 1",
        {"table": table},
    )
    clickhouse.command(f"CREATE TABLE older AS {table}")
    try:
        clickhouse.command(f"INSERT INTO older SELECT * FROM {table} WHERE version < {newest - 3}")
        clickhouse.command(f"TRUNCATE TABLE {table}")
        for partition, number in blocks:
            for _ in range(int(number)):
                clickhouse.command(
                    f"INSERT INTO {table} SELECT * FROM older WHERE _partition_id = '{partition}' LIMIT 5"
                )
    finally:
        clickhouse.command("DROP TABLE older")


@pytest.mark.parametrize(
    ("table", "lose"),
    [
        pytest.param("entityMetricTotals", _delete_newest, id="totals-deleted"),
        pytest.param("entityMetricEvents", _merge_and_delete_newest, id="contributions-mutated"),
        pytest.param("entityMetricDaily", _fill_with_older_rows, id="days-filled-with-older-ones"),
        pytest.param("entityMetricEvents", _delete_newest, marks=pytest.mark.slow, id="contributions-deleted"),
        pytest.param("entityMetricDaily", _merge_and_delete_newest, marks=pytest.mark.slow, id="days-mutated"),
        pytest.param("entityMetricTotals", _fill_with_older_rows, marks=pytest.mark.slow, id="totals-older"),
    ],
)
def test_a_loss_that_leaves_as_many_block_numbers_is_noticed_by_its_versions(
    filled: Stores, settings: Settings, table: str, lose: Callable[[Stores, str], None]
) -> None:
    tick_exact(filled, settings)
    write(filled, review(1000), review(1001, version=20, model=2, user=501))
    download(filled)
    tick_exact(filled, settings)
    tick_exact(filled, settings)

    lose(filled, table)

    # the one that notices has the next one count
    assert tick(filled, settings).ok
    tick_exact(filled, settings)

"""An application that alters its own tables, and a database or server with settings of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from metrics_assets.catalog import SOURCES
from metrics_assets.pipeline import guard, schema
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.pipeline.application import (
    TODAY,
    assert_exact,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    version_counter,
    write,
)

_LONG_ID = 3_000_000_000


@pytest.mark.parametrize(
    "table", ["ResourceReview", *(pytest.param(t, marks=pytest.mark.slow) for t in ("Comment", "CollectionItem"))]
)
def test_ids_of_rows_may_outgrow_an_integer(filled: Stores, settings: Settings, table: str) -> None:
    write(filled, f'ALTER TABLE "{table}" ALTER id TYPE bigint')
    tick_exact(filled, settings)
    write(filled, f'UPDATE "{table}" SET id = id + {_LONG_ID} WHERE id % 2 = 0')
    write(filled, f'DELETE FROM "{table}" WHERE id = (SELECT max(id) FROM "{table}")')
    tick_exact(filled, settings)
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    assert_exact(filled)


def test_a_time_with_a_zone_is_read_in_utc_whatever_the_writers_zone_is(filled: Stores, settings: Settings) -> None:
    write(filled, """ALTER TABLE "Comment" ALTER "createdAt" TYPE timestamptz USING "createdAt" AT TIME ZONE 'UTC'""")
    tick_exact(filled, settings)
    with psycopg.connect(settings.postgres_dsn or "", options="-c timezone=Pacific/Kiritimati") as writer:
        writer.execute(
            b'INSERT INTO "Comment" (id, "modelId", "userId", "createdAt")'
            b" VALUES (9000, 1, 1, now() + interval '23 hours')"
        )
        writer.execute(b'UPDATE "Comment" SET "tosViolation" = NOT "tosViolation" WHERE id < 4')
    tick_exact(filled, settings)
    assert read(filled, "SELECT source_key FROM metrics.rejected") == []


@pytest.fixture
def plain_role(filled: Stores) -> Iterator[str]:
    """A role that no policy lets through."""
    write(filled, "CREATE ROLE metrics_plain", "GRANT USAGE ON SCHEMA metrics TO metrics_plain")
    try:
        yield "metrics_plain"
    finally:
        write(filled, "DROP OWNED BY metrics_plain", "DROP ROLE metrics_plain")


def test_rows_that_row_level_security_hides_from_our_role_stop_the_tick(filled: Stores, plain_role: str) -> None:
    write(filled, 'ALTER TABLE "Model" ENABLE ROW LEVEL SECURITY')
    guard.require_seen(_seen_by(filled, "CURRENT_USER"))
    with pytest.raises(guard.CaptureNotWhole, match=r'"Model": row-level security .* BYPASSRLS'):
        guard.require_seen(_seen_by(filled, plain_role))


def _seen_by(stores: Stores, role: str) -> dict[str, guard.Capture]:
    with stores.postgres.connection() as connection, connection.transaction():
        if role != "CURRENT_USER":
            connection.execute(f"SET LOCAL ROLE {role}".encode())
        return guard.look(connection, SOURCES)


def test_a_table_that_a_crash_empties_unseen_stops_the_tick(filled: Stores, settings: Settings) -> None:
    write(filled, 'ALTER TABLE "Comment" SET UNLOGGED')
    with pytest.raises(guard.CaptureNotWhole, match='"Comment": UNLOGGED'):
        tick(filled, settings)
    write(filled, 'ALTER TABLE "Comment" SET LOGGED')
    tick_exact(filled, settings)


def test_a_schema_that_is_there_is_applied_again_beside_a_reader_that_stays(filled: Stores, settings: Settings) -> None:
    with psycopg.connect(settings.postgres_dsn or "") as reader:
        for table in ("ModelMetric", "ModelVersionMetric", "ModelBaseModelMetric", "ReviewStatsByBaseModel"):
            reader.execute(f'SELECT FROM "{table}" LIMIT 1'.encode())
        schema.apply(filled)
    tick_exact(filled, settings)


def test_a_writer_that_comes_while_capture_is_installed_anew_is_no_victim(filled: Stores, settings: Settings) -> None:
    """Both wait for what is open, and neither for the other: who waits for the other's lock would be ended as a
    deadlock."""
    write(filled, 'DROP TRIGGER metrics_capture_delete ON "Comment"')
    dsn = settings.postgres_dsn or ""
    with psycopg.connect(dsn) as opened, psycopg.connect(dsn, autocommit=True) as writer:
        opened.execute(b'UPDATE "Comment" SET "modelId" = 2 WHERE id = 1')
        installing = threading.Thread(target=schema.apply, args=(filled,))
        installing.start()
        for number in range(20):
            writer.execute('INSERT INTO "Comment" (id, "modelId", "userId") VALUES (%s, 1, 1)', (7000 + number,))
            if number == 10:
                opened.commit()
        installing.join(timeout=60)
    assert not installing.is_alive()
    tick_exact(filled, settings)
    assert model_counter(filled, "commentCount") > 20


def test_a_limit_of_the_database_on_transactions_is_not_ours(filled: Stores, settings: Settings) -> None:
    name = one(filled, "SELECT current_database()")
    write(filled, f"ALTER DATABASE {name} SET transaction_timeout = '2s'")
    try:
        with open_stores(settings) as stores:
            assert one(stores, "SHOW transaction_timeout") == "0"
            write(stores, review(1000))
            tick_exact(stores, settings)
    finally:
        write(filled, f"ALTER DATABASE {name} RESET transaction_timeout")


def test_ids_in_a_log_that_no_entity_can_have_count_for_nobody(filled: Stores, settings: Settings) -> None:
    before = version_counter(filled, "downloadCount")
    filled.clickhouse.command("RENAME TABLE modelVersionEvents TO narrow_events")
    filled.clickhouse.command(
        "CREATE TABLE modelVersionEvents (type LowCardinality(String), time DateTime, userId Int32, modelId Int64,"
        " modelVersionId Int64, ip String) ENGINE = MergeTree PARTITION BY toYYYYMM(time) ORDER BY (type, time)"
    )
    filled.clickhouse.command("INSERT INTO modelVersionEvents SELECT * FROM narrow_events")
    filled.clickhouse.command(
        "INSERT INTO modelVersionEvents SELECT 'Download', now(), 7, 1, id, '10.9.9.9'"
        " FROM (SELECT arrayJoin([3000000000, 4294967306, 10]) AS id)"
    )
    assert tick(filled, settings).ok
    assert version_counter(filled, "downloadCount") == before + 1
    tick_exact(filled, settings)

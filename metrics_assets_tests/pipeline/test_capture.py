"""What an application can do to its tables is captured, or noticed; and capture never stands in its way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from metrics_assets.catalog import SOURCES
from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline import schema
from metrics_assets.pipeline.guard import CaptureNotWhole
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import (
    TODAY,
    assert_exact,
    in_transaction,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    version_counter,
    write,
)

_WAYS_TO_WRITE = {
    "many rows in one statement": 'INSERT INTO "Comment" (id, "modelId", "userId") '
    "SELECT 100 + n, 1 + n % 3, n FROM generate_series(1, 50) n",
    "an insert that does nothing on conflict": 'INSERT INTO "Comment" (id, "modelId", "userId") '
    "VALUES (101, 3, 1), (160, 3, 1) ON CONFLICT DO NOTHING",
    "an upsert that updates": 'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (102, 3, 1), (161, 2, 1) '
    'ON CONFLICT (id) DO UPDATE SET "modelId" = excluded."modelId"',
    "MERGE": 'MERGE INTO "Comment" c USING (SELECT 103 + n AS id, n FROM generate_series(0, 70) n) s ON c.id = s.id '
    "WHEN MATCHED AND s.n < 5 THEN DELETE "
    'WHEN MATCHED THEN UPDATE SET "modelId" = 1 '
    'WHEN NOT MATCHED THEN INSERT (id, "modelId", "userId") VALUES (s.id, 2, 5)',
    "a changed primary key": 'UPDATE "Comment" SET id = id + 10000 WHERE id % 10 = 0',
    "a delete": 'DELETE FROM "Comment" WHERE id % 10 = 1',
    "a writable CTE": 'WITH gone AS (DELETE FROM "Comment" WHERE id % 10 = 2 RETURNING "userId") '
    'INSERT INTO "Comment" (id, "modelId", "userId") SELECT 20000 + row_number() OVER (), 1, "userId" FROM gone',
    "a view": 'INSERT INTO comment_view (id, "modelId", "userId") VALUES (30000, 1, 1)',
    "a DO block": 'DO $$ BEGIN UPDATE "Comment" SET "tosViolation" = true WHERE id % 10 = 4; END $$',
    "a cascade over two levels": 'DELETE FROM "Model" WHERE id = 2',
    "a key that is updated by a cascade": 'UPDATE "Model" SET id = 77 WHERE id = 1',
}


def test_every_way_to_write_is_captured(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        'CREATE VIEW comment_view AS SELECT id, "modelId", "userId" FROM "Comment"',
        'ALTER TABLE "ModelVersion" ADD FOREIGN KEY ("modelId") REFERENCES "Model" ON DELETE CASCADE ON UPDATE CASCADE',
        'ALTER TABLE "ResourceReview" ADD FOREIGN KEY ("modelVersionId") REFERENCES "ModelVersion" ON DELETE CASCADE',
    )
    for way, statement in _WAYS_TO_WRITE.items():
        before = one(filled, "SELECT count(*) FROM metrics.outbox")
        write(filled, statement)
        assert one(filled, "SELECT count(*) FROM metrics.outbox") > before, way
    tick_exact(filled, settings)


@pytest.mark.slow
def test_copied_rows_are_captured(filled: Stores, settings: Settings) -> None:
    with (
        filled.postgres.connection() as connection,
        connection.cursor() as cursor,
        cursor.copy('COPY "Comment" (id, "modelId", "userId") FROM STDIN') as copy,
    ):
        for number in range(1000, 3000):
            copy.write_row((number, 1 + number % 3, 1))
    tick_exact(filled, settings)


def test_a_row_written_twice_in_one_transaction_counts_as_it_is_at_the_end(filled: Stores, settings: Settings) -> None:
    upsert = (
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) '
        'VALUES (\'Model\', 1, 600, 9, 10) ON CONFLICT ("entityType", "entityId", "fromUserId") '
        'DO UPDATE SET amount = "BuzzTip".amount + excluded.amount'
    )
    before = model_counter(filled, "tippedAmountCount")

    def work(connection: psycopg.Connection) -> None:
        connection.execute(upsert.encode())
        connection.execute(upsert.encode())
        connection.execute(b'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1)')
        connection.execute(b'DELETE FROM "Comment" WHERE id = 900')

    in_transaction(filled, work)
    tick_exact(filled, settings)
    assert model_counter(filled, "tippedAmountCount") == before + 20


@pytest.mark.slow
def test_a_row_that_a_trigger_of_the_application_changes_again_counts_as_it_is(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        "CREATE FUNCTION send_elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        'UPDATE "Comment" SET "modelId" = 2 WHERE id = NEW.id AND "modelId" = 1; RETURN NULL; END $$',
        'CREATE TRIGGER send_elsewhere AFTER INSERT ON "Comment" FOR EACH ROW EXECUTE FUNCTION send_elsewhere()',
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1), (901, 3, 1)',
    )
    tick_exact(filled, settings)


def test_a_restore_that_switches_triggers_off_is_captured(filled: Stores, settings: Settings) -> None:
    def work(connection: psycopg.Connection) -> None:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(review(1000).encode())

    in_transaction(filled, work)
    tick_exact(filled, settings)
    assert version_counter(filled, "thumbsUpCount") == 6


def test_truncated_tables_count_nothing_in_any_store(filled: Stores, settings: Settings) -> None:
    for source in SOURCES:
        write(filled, f"TRUNCATE {source.relation}")
        tick_exact(filled, settings)
    assert read(filled, 'SELECT * FROM "ModelMetric"') == []
    assert read(filled, 'SELECT * FROM "ModelVersionMetric"') == []
    left = "SELECT sum(total) FROM entityMetricDaily FINAL WHERE metricType NOT IN ('Download', 'Generation')"
    assert filled.clickhouse.scalar(left) == 0


@pytest.mark.slow
def test_a_truncate_with_rows_before_and_after_it_in_one_transaction(filled: Stores, settings: Settings) -> None:
    def work(connection: psycopg.Connection) -> None:
        connection.execute(review(1000).encode())
        connection.execute(b'TRUNCATE "ResourceReview" CASCADE')
        connection.execute(review(1001, user=501).encode())

    in_transaction(filled, work)
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == 1


@pytest.mark.slow
def test_a_rebuild_that_comes_before_the_tick_does_not_swallow_a_truncate(filled: Stores, settings: Settings) -> None:
    write(filled, 'TRUNCATE "ResourceReview"')
    rebuild(filled, settings, "model_metrics", TODAY, TODAY)
    tick_exact(filled, settings)


@pytest.mark.parametrize(
    "harm",
    [
        'ALTER TABLE "ResourceReview" DISABLE TRIGGER metrics_capture_insert',
        pytest.param('DROP TRIGGER metrics_capture_insert ON "ResourceReview"', marks=pytest.mark.slow),
        pytest.param(
            "CREATE OR REPLACE FUNCTION metrics.capture_resource_review_insert() RETURNS trigger LANGUAGE plpgsql "
            "AS $$ BEGIN RETURN NULL; END $$",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_broken_capture_stops_the_tick_until_it_is_installed_anew(
    filled: Stores, settings: Settings, harm: str
) -> None:
    before = model_counter(filled, "thumbsUpCount")
    write(filled, harm, review(1000))
    with pytest.raises(CaptureNotWhole, match=r"ResourceReview.*metrics-assets schema apply"):
        tick(filled, settings)
    with pytest.raises(CaptureNotWhole):
        rebuild(filled, settings, "model_metrics", TODAY, TODAY)
    assert model_counter(filled, "thumbsUpCount") == before
    assert schema.apply(filled).captured == ("ResourceReview",)
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 1


@pytest.mark.slow
def test_entities_that_went_while_capture_was_off_leave_no_rows(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        'ALTER TABLE "Model" DISABLE TRIGGER ALL',
        'ALTER TABLE "ModelVersion" DISABLE TRIGGER ALL',
        'DELETE FROM "Model" WHERE id = 2',
        'DELETE FROM "ModelVersion" WHERE id = 11',
    )
    schema.apply(filled)
    tick_exact(filled, settings)
    assert read(filled, 'SELECT "modelId" FROM "ModelMetric" ORDER BY 1') == [(1,), (3,)]


@pytest.mark.slow
def test_values_that_a_type_change_rewrote_are_recounted(filled: Stores, settings: Settings) -> None:
    before = model_counter(filled, "tippedAmountCount")
    write(filled, 'ALTER TABLE "BuzzTip" ALTER amount TYPE bigint USING amount * 2')
    tick_exact(filled, settings)
    assert model_counter(filled, "tippedAmountCount") > before


@pytest.mark.slow
def test_columns_that_come_do_not_disturb_capture(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        'ALTER TABLE "ResourceReview" ADD rating integer DEFAULT 3, ADD details text, ADD at timestamptz DEFAULT now()',
        review(1000),
        'ALTER TABLE "ResourceReview" DROP details, DROP "updatedAt"',
        'UPDATE "ResourceReview" SET rating = 4, recommended = false WHERE id = 1000',
    )
    tick_exact(filled, settings)


def test_changes_of_what_does_not_count_are_not_captured(filled: Stores) -> None:
    write(
        filled, 'UPDATE "Comment" SET hidden = NOT hidden', 'UPDATE "Model" SET name = \'other\', "updatedAt" = now()'
    )
    assert one(filled, "SELECT count(*) FROM metrics.outbox") == 0


@contextmanager
def _role(stores: Stores, name: str) -> Iterator[str]:
    database = sql.Identifier(str(one(stores, "SELECT current_database()")))
    role = sql.Identifier(name)
    with stores.postgres.connection() as admin:
        admin.execute(sql.SQL("CREATE ROLE {}").format(role))
        admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role))
        admin.execute(sql.SQL('GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON "ResourceReview" TO {}').format(role))
        try:
            yield name
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(role))


def test_a_writer_without_any_right_on_our_schema_writes_and_is_captured(filled: Stores, settings: Settings) -> None:
    with _role(filled, "writer_without_rights") as role:

        def work(connection: psycopg.Connection) -> None:
            connection.execute(f"SET LOCAL ROLE {role}".encode())
            connection.execute(review(1000).encode())
            connection.execute(b'UPDATE "ResourceReview" SET recommended = false WHERE id = 12')
            connection.execute(b'DELETE FROM "ResourceReview" WHERE id = 13')

        in_transaction(filled, work)
        tick_exact(filled, settings)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            in_transaction(
                filled,
                lambda connection: connection.execute(f"SET LOCAL ROLE {role}; DELETE FROM metrics.outbox".encode()),
            )


def test_applying_the_schema_twice_installs_nothing_and_marks_nothing(filled: Stores) -> None:
    before = read(filled, "SELECT source, fingerprint, files, installed_at FROM metrics.capture ORDER BY 1")
    report = schema.apply(filled)
    assert report.captured == ()
    assert report.loading == ()
    assert one(filled, "SELECT count(*) FROM metrics.capture_marker") == 0
    assert one(filled, "SELECT count(*) FROM metrics.dirty_key") == 0
    assert read(filled, "SELECT source, fingerprint, files, installed_at FROM metrics.capture ORDER BY 1") == before
    assert_exact(filled)


def test_a_dry_run_of_the_schema_writes_nothing(bare: Stores) -> None:
    report = schema.apply(bare, with_application_tables=True, dry_run=True)
    assert any('CREATE TABLE IF NOT EXISTS "ResourceReview"' in statement for statement in report.statements)
    assert any("metrics_capture_update" in statement for statement in report.statements)
    found = read(bare, "SELECT nspname FROM pg_namespace WHERE nspname = 'metrics'")
    assert found + read(bare, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_a_database_without_the_application_is_refused_by_name(bare: Stores) -> None:
    with pytest.raises(ConfigurationError, match=r'lacks .*table "ResourceReview".*--with-application-tables'):
        schema.apply(bare)


@pytest.mark.slow
def test_installing_capture_beside_an_open_writer_holds_up_others_for_seconds_at_most(
    filled: Stores, settings: Settings
) -> None:
    write(filled, 'DROP TRIGGER metrics_capture_delete ON "Comment"')
    longest = 0.0
    with psycopg.connect(settings.postgres_dsn or "") as opened:
        opened.execute(b'UPDATE "Comment" SET "modelId" = 2 WHERE id = 1')
        installing = threading.Thread(target=schema.apply, args=(filled,))
        installing.start()
        for number in range(25):
            started = time.monotonic()
            write(filled, f'INSERT INTO "Comment" (id, "modelId", "userId") VALUES ({5000 + number}, 1, 1)')
            longest = max(longest, time.monotonic() - started)
            time.sleep(0.1)
        assert installing.is_alive(), "the writer was open for too short a time to be in the way"
        opened.commit()
    installing.join(timeout=60)
    assert not installing.is_alive()
    assert longest < 30.0
    tick_exact(filled, settings)

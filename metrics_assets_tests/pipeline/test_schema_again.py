"""`schema apply` on a database that an earlier one, or a later one, has been at."""

from __future__ import annotations

import threading

import psycopg
import pytest

from metrics_assets.catalog import SOURCES
from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline import declared, schema
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.stores.postgres import rows
from metrics_assets_tests.pipeline.application import one, read, review, tick_exact, write

_INDEX = "metrics_comment_model"
_VALID = f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{_INDEX}')"


def _open_writer(stores: Stores) -> psycopg.Connection:
    """A transaction of the application that an index build on "Comment" has to wait for."""
    writer = psycopg.connect(stores.postgres.dsn)
    writer.execute('UPDATE "Comment" SET "tosViolation" = "tosViolation"')
    return writer


def test_an_index_whose_build_was_cut_short_is_built_anew(stores: Stores) -> None:
    write(stores, f"DROP INDEX {_INDEX}")
    with _open_writer(stores), stores.postgres.connection() as connection:
        connection.execute("SET statement_timeout = '200ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute('CREATE INDEX CONCURRENTLY metrics_comment_model ON "Comment" ("modelId")')
        connection.execute("RESET statement_timeout")
    assert one(stores, _VALID) is False

    assert f"DROP INDEX CONCURRENTLY {_INDEX}" in schema.apply(stores, dry_run=True).statements
    schema.apply(stores)

    assert one(stores, _VALID) is True
    assert not any("DROP INDEX" in statement for statement in schema.apply(stores, dry_run=True).statements)


def test_an_index_takes_longer_to_build_than_a_statement_may(stores: Stores, settings: Settings) -> None:
    write(stores, f"DROP INDEX {_INDEX}")
    writer = _open_writer(stores)
    building = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX%'"
        " AND clock_timestamp() - query_start > interval '4 s'"
    )

    def give_way() -> None:
        while not applied.is_set() and not one(stores, building):
            applied.wait(0.1)
        writer.rollback()

    applied = threading.Event()
    giving_way = threading.Thread(target=give_way)
    giving_way.start()
    try:
        with open_stores(settings.model_copy(update={"statement_timeout_seconds": 3.0})) as impatient:
            schema.apply(impatient)
            with impatient.postgres.connection() as connection:
                assert rows(connection, "SHOW statement_timeout") == [("3s",)]
    finally:
        applied.set()
        giving_way.join()
        writer.close()

    assert one(stores, _VALID) is True


def test_a_database_of_a_later_version_is_refused(stores: Stores, settings: Settings) -> None:
    write(stores, "UPDATE metrics.schema_state SET value = '99' WHERE name = 'schema version'")
    for work in (lambda: schema.apply(stores), lambda: tick(stores, settings)):
        with pytest.raises(ConfigurationError, match=f"version 99 .* knows {declared.SCHEMA_VERSION}"):
            work()

    write(stores, "UPDATE metrics.schema_state SET value = '0' WHERE name = 'schema version'")
    schema.apply(stores)
    tick_exact(stores, settings)


def test_totals_that_an_earlier_version_left_for_clickhouse_arrive(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        "DROP TABLE metrics.batch_total",
        "CREATE TABLE metrics.batch_total (batch_id bigint NOT NULL, entity_type metrics.entity_type NOT NULL,"
        " entity_id integer NOT NULL, metric_type metrics.metric_type NOT NULL, total bigint NOT NULL)",
        "INSERT INTO metrics.batch (id, kind, total_rows) VALUES (nextval('metrics.version'), 'totals', 2)",
        "INSERT INTO metrics.batch_total SELECT max(b.id), 'Model', 1, m::metrics.metric_type, 70"
        " FROM metrics.batch b, unnest(ARRAY['Comment', 'Tip']) m GROUP BY m",
    )
    schema.apply(filled)
    schema.apply(filled)
    tick(filled, settings)
    assert filled.clickhouse.rows(
        "SELECT metricType, argMax(total, version) FROM entityMetricTotals WHERE entityType = 'Model'"
        " AND entityId = 1 AND metricType IN ('Comment', 'Tip') GROUP BY metricType ORDER BY metricType"
    ) == [("Comment", 70), ("Tip", 70)]


def test_what_review_stats_had_published_moves_to_a_table_of_its_own(filled: Stores, settings: Settings) -> None:
    shown = (
        "SELECT array_agg((model_id, base_model, thumbs_up, thumbs_down)::text ORDER BY 1, 2) FROM metrics.pair_shown"
    )
    tick_exact(filled, settings)
    before = one(filled, shown)
    write(
        filled,
        "ALTER TABLE metrics.base_model_total ADD COLUMN shown_up bigint, ADD COLUMN shown_down bigint",
        "UPDATE metrics.base_model_total p SET shown_up = s.thumbs_up, shown_down = s.thumbs_down"
        " FROM metrics.pair_shown s WHERE s.model_id = p.model_id AND s.base_model = p.base_model",
        "TRUNCATE metrics.pair_shown",
        "UPDATE metrics.schema_state SET value = '3' WHERE name = 'schema version'",
    )
    with pytest.raises(ConfigurationError, match=r"version 3 .* needs .* `metrics-assets schema apply`"):
        tick(filled, settings)

    schema.apply(filled)

    assert one(filled, shown) == before
    tick_exact(filled, settings)


def test_rows_that_wait_in_an_outbox_of_an_earlier_version_are_counted(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        *(f"ALTER TABLE metrics.outbox_{short} ALTER id TYPE integer" for short in ("resource_review", "comment")),
        review(1000),
        'DELETE FROM "Comment" WHERE id < 4',
        "UPDATE metrics.schema_state SET value = 'of version 5' WHERE name LIKE 'captures %'",
        "UPDATE metrics.schema_state SET value = '5' WHERE name = 'schema version'",
        "ALTER FUNCTION metrics.capture_comment_insert() RESET timezone",
    )
    with pytest.raises(ConfigurationError, match=r"has version 5 .* needs 6"):
        tick(filled, settings)
    write(filled, review(1001, user=501))
    report = schema.apply(filled)
    assert set(report.captured) == {source.table for source in SOURCES}
    assert read(
        filled,
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'id'"
        " AND attrelid = 'metrics.outbox_resource_review'::regclass",
    ) == [("bigint",)]
    tick_exact(filled, settings)
    write(filled, review(2**31 - 1, user=502))
    tick_exact(filled, settings)

"""Migrations of the application: what DDL does to values, to capture, and to where a table's rows lie."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline import schema
from metrics_assets.pipeline.guard import CaptureNotWhole
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import fill, one, read, tick_exact, write

_NEW_COMMENT = """
BEGIN;
CREATE TABLE comment_new (LIKE "Comment" INCLUDING ALL);
INSERT INTO comment_new SELECT * FROM "Comment";
ALTER TABLE "Comment" RENAME TO comment_old;
ALTER TABLE comment_new RENAME TO "Comment";
COMMIT"""


@pytest.mark.parametrize(
    "migration",
    [
        pytest.param(
            'ALTER TABLE "Comment" DROP COLUMN "tosViolation", ADD COLUMN "tosViolation" boolean NOT NULL DEFAULT true',
            id="a column dropped and added with a default, which rewrites nothing",
        ),
        pytest.param(
            'BEGIN; ALTER TABLE "ResourceReview" RENAME recommended TO other;'
            ' ALTER TABLE "ResourceReview" RENAME exclude TO recommended;'
            ' ALTER TABLE "ResourceReview" RENAME other TO exclude; COMMIT',
            id="two columns that swap their names",
        ),
        pytest.param(
            'ALTER TABLE "ModelVersion" DROP COLUMN "baseModel", ADD COLUMN "baseModel" text DEFAULT \'SD 9\'',
            id="a grouping column",
        ),
    ],
)
def test_values_that_a_migration_changes_without_a_rewrite(filled: Stores, settings: Settings, migration: str) -> None:
    write(filled, migration)
    tick_exact(filled, settings)


def test_a_column_that_the_outputs_carry_is_replaced(filled: Stores, settings: Settings) -> None:
    write(filled, 'UPDATE "Model" SET poi = true')
    tick_exact(filled, settings)
    write(filled, 'ALTER TABLE "Model" DROP COLUMN poi, ADD COLUMN poi boolean NOT NULL DEFAULT false')
    tick_exact(filled, settings)
    assert read(filled, 'SELECT DISTINCT poi FROM "ModelBaseModelMetric"') == [(False,)]


def test_a_label_of_an_enum_is_renamed(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        "CREATE TYPE version_status AS ENUM ('Draft', 'Published', 'Live', 'Deleted', 'Unpublished', 'Scheduled')",
        'ALTER TABLE "ModelVersion" ALTER COLUMN status DROP DEFAULT,'
        " ALTER COLUMN status TYPE version_status USING status::version_status",
    )
    tick_exact(filled, settings)
    write(filled, "ALTER TYPE version_status RENAME VALUE 'Published' TO 'Shown'")
    tick_exact(filled, settings)
    assert one(filled, 'SELECT count(*) FROM "ModelBaseModelMetric"') == 0


def test_a_capture_function_that_was_replaced_for_a_time(filled: Stores, settings: Settings) -> None:
    function = one(filled, "SELECT pg_get_functiondef('metrics.capture_comment_insert'::regproc)")
    write(
        filled,
        "CREATE OR REPLACE FUNCTION metrics.capture_comment_insert() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN NULL; END $$",
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (7777, 1, 1)',
        str(function),
    )
    tick_exact(filled, settings)


@pytest.mark.parametrize(
    "written", ["DELETE FROM {old} WHERE id <= 4", 'INSERT INTO {old} (id, "modelId", "userId") VALUES (777, 1, 1)']
)
def test_a_table_that_another_one_took_the_place_of(filled: Stores, settings: Settings, written: str) -> None:
    write(filled, _NEW_COMMENT)
    with pytest.raises(CaptureNotWhole, match="schema apply"):
        tick(filled, settings)
    schema.apply(filled)
    tick_exact(filled, settings)
    write(filled, written.format(old="comment_old"))
    assert one(filled, "SELECT count(*) FROM metrics.outbox") == 0
    tick_exact(filled, settings)


def test_a_partition_that_was_detached(bare: Stores, bare_settings: Settings) -> None:
    write(
        bare,
        'CREATE TABLE "Comment" (id integer PRIMARY KEY, "modelId" integer, "userId" integer NOT NULL,'
        ' "tosViolation" boolean NOT NULL DEFAULT false, hidden boolean NOT NULL DEFAULT false,'
        ' "createdAt" timestamp(3) NOT NULL DEFAULT now()) PARTITION BY RANGE (id)',
        'CREATE TABLE comment_low PARTITION OF "Comment" FOR VALUES FROM (0) TO (1000)',
        'CREATE TABLE comment_high PARTITION OF "Comment" FOR VALUES FROM (1000) TO (2000)',
    )
    schema.apply(bare, with_application_tables=True)
    fill(bare)
    tick_exact(bare, bare_settings)
    write(bare, 'ALTER TABLE "Comment" DETACH PARTITION comment_low')
    with pytest.raises(CaptureNotWhole, match="schema apply"):
        tick(bare, bare_settings)
    schema.apply(bare)
    tick_exact(bare, bare_settings)
    write(bare, "DELETE FROM comment_low WHERE id <= 6")
    tick_exact(bare, bare_settings)


def test_a_table_that_a_subscription_begins_to_feed_is_refused_and_counted_anew_afterwards(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        "CREATE SUBSCRIPTION fed CONNECTION 'dbname=nowhere' PUBLICATION all_of_it"
        " WITH (connect = false, slot_name = NONE)",
        # as REFRESH PUBLICATION writes it, and rows as they arrive: no trigger of a statement sees them
        "SET allow_system_table_mods = on;"
        " INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)"
        " SELECT oid, '\"Comment\"'::regclass, 'r' FROM pg_subscription WHERE subname = 'fed';"
        ' ALTER TABLE "Comment" DISABLE TRIGGER metrics_capture_insert;'
        ' INSERT INTO "Comment" (id, "modelId", "userId") VALUES (7777, 1, 1);'
        ' ALTER TABLE "Comment" ENABLE ALWAYS TRIGGER metrics_capture_insert;'
        " RESET allow_system_table_mods",
    )
    for work in (lambda: tick(filled, settings), lambda: schema.apply(filled)):
        with pytest.raises(CaptureNotWhole, match=r'"Comment": fed by a subscription.*on the publisher'):
            work()
    write(filled, "DROP SUBSCRIPTION fed")
    tick_exact(filled, settings)


def test_a_column_that_is_generated_when_it_is_read_is_refused(filled: Stores, settings: Settings) -> None:
    if one(filled, "SELECT current_setting('server_version_num')::integer < 180000"):
        pytest.skip("VIRTUAL generated columns came with PostgreSQL 18")
    virtual = 'ALTER TABLE "Comment" DROP COLUMN "tosViolation", ADD COLUMN "tosViolation" boolean'
    write(filled, f"{virtual} GENERATED ALWAYS AS (hidden) VIRTUAL")
    with pytest.raises(CaptureNotWhole, match=r'column "tosViolation" .* make it STORED'):
        tick(filled, settings)
    write(filled, f"{virtual} GENERATED ALWAYS AS (hidden) STORED")
    tick_exact(filled, settings)


def test_rows_of_pairs_that_a_foreign_key_carried_along(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        'ALTER TABLE "ModelBaseModelMetric" ADD FOREIGN KEY ("modelId") REFERENCES "Model" (id)'
        " ON DELETE CASCADE ON UPDATE CASCADE",
        'UPDATE "Model" SET id = 77 WHERE id = 1',
    )
    tick_exact(filled, settings)

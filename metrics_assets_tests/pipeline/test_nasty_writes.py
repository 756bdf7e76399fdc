"""Ways of writing that a drain in steps of one row has to fold right. Every number is also counted by hand."""

from __future__ import annotations

import pytest

from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection
from metrics_assets_tests.pipeline.application import in_transaction, review, write
from metrics_assets_tests.pipeline.hand_count import tick_exact_by_hand


@pytest.fixture
def by_ones(settings: Settings) -> Settings:
    """Settings by which every row, and every key, is a chunk of its own."""
    return settings.model_copy(update={"drain_chunk_rows": 1, "set_chunk_keys": 1})


def test_keys_that_change_hands_in_one_transaction_count_for_whom_they_end_with(
    filled: Stores, by_ones: Settings
) -> None:
    def work(connection: Connection) -> None:
        for statement in (
            'UPDATE "ResourceReview" SET id = -id WHERE id < 40',
            'DELETE FROM "ResourceReview" WHERE id = -15',
            review(15, version=30, model=3, user=444),
            'UPDATE "ModelVersion" SET id = 99 WHERE id = 10',
            'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (10, 2, \'Pony\')',
            'UPDATE "ResourceReview" SET "modelVersionId" = 99 WHERE "modelVersionId" = 10 AND "userId" < 4',
            'UPDATE "Model" SET id = 5 WHERE id = 1',
            'INSERT INTO "Model" (id, "userId") VALUES (1, 3)',
            'UPDATE "Post" SET id = CASE id WHEN 100 THEN 200 ELSE 100 END WHERE id IN (100, 101)',
        ):
            connection.execute(statement.encode())

    in_transaction(filled, work)
    tick_exact_by_hand(filled, by_ones)


@pytest.mark.slow
def test_cascades_behind_a_truncate_with_changes_that_wait_end_as_the_tables_are(
    filled: Stores, by_ones: Settings
) -> None:
    write(
        filled,
        'ALTER TABLE "Image" ADD CONSTRAINT of_post FOREIGN KEY ("postId") REFERENCES "Post" (id) '
        "ON DELETE CASCADE ON UPDATE CASCADE",
        'UPDATE "Post" SET id = id + 1000',
    )
    tick_exact_by_hand(filled, by_ones)
    write(
        filled,
        'UPDATE "Image" SET "postId" = 1101 WHERE id < 5',
        'TRUNCATE "Post" CASCADE',
        'INSERT INTO "Post" (id, "userId", "modelVersionId", "publishedAt") VALUES (1101, 1, 10, localtimestamp)',
        'INSERT INTO "Image" (id, "userId", "postId") VALUES (1, 1, 1101)',
    )
    tick_exact_by_hand(filled, by_ones)


@pytest.mark.slow
def test_base_models_of_any_text_keep_their_pairs_apart(filled: Stores, by_ones: Settings) -> None:
    names = ["''", "' SDXL'", "'sdxl'", "E'tab\\t'", "E'line\\n'", "'{x}'", "'%s'", "E'\\\\'", "'ü😀'", "$$a'b\"c$$"]
    for number, name in enumerate(names):
        write(
            filled,
            f'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES ({50 + number}, 1, {name})',
            review(2000 + number, version=50 + number),
        )
    tick_exact_by_hand(filled, by_ones)
    write(filled, 'UPDATE "ModelVersion" SET "baseModel" = upper("baseModel")')
    tick_exact_by_hand(filled, by_ones)

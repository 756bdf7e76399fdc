"""Values that no application should write, and some do: nulls where none are expected, ids below one."""

from __future__ import annotations

import pytest

from metrics_assets.catalog import SETS
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import TODAY, model_counter, read, tick_exact, version_counter, write

_NULLABLE = (
    ("BuzzTip", "amount"),
    ("Donation", "amount"),
    ("Donation", "userId"),
    ("Comment", "userId"),
    ("ResourceReview", "userId"),
    ("ResourceReview", "recommended"),
    ("ResourceReview", "exclude"),
    ("ModelVersion", "baseModel"),
    ("ModelVersion", "modelId"),
    ("ModelVersion", "status"),
)


def _drop_not_null(stores: Stores) -> None:
    write(stores, *(f'ALTER TABLE "{table}" ALTER "{column}" DROP NOT NULL' for table, column in _NULLABLE))


def _rebuild_everything(stores: Stores, settings: Settings) -> None:
    for chosen in SETS:
        rebuild(stores, settings, chosen.name, settings.start_date, TODAY)


def test_nulls_count_as_documented_and_never_hold_the_drain_up(filled: Stores, settings: Settings) -> None:
    _drop_not_null(filled)
    tips, buzz = model_counter(filled, "tippedCount"), model_counter(filled, "tippedAmountCount")
    up, version_up = model_counter(filled, "thumbsUpCount"), version_counter(filled, "thumbsUpCount")
    comments = model_counter(filled, "commentCount")
    write(
        filled,
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) '
        "VALUES ('Model', 1, 800, 9, NULL)",
        'INSERT INTO "Donation" (id, "modelVersionId", "userId", amount) VALUES (800, 10, NULL, NULL)',
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (800, 1, NULL)',
        'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, exclude) VALUES '
        "(800, 1, 10, NULL, true, false), (801, 1, 10, 801, NULL, false), (802, 1, 10, 802, true, NULL)",
        'INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES '
        "(800, 1, NULL, 'Published'), (801, NULL, 'SDXL', 'Published'), (802, 1, 'SDXL', NULL)",
        'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId") '
        "SELECT 810 + n, 1, 799 + n, 900 + n FROM generate_series(1, 3) n",
    )
    tick_exact(filled, settings)
    # a tip of nothing is a tip, a comment of nobody a comment; a review of nobody is no user
    assert model_counter(filled, "tippedCount") == tips + 2
    assert model_counter(filled, "tippedAmountCount") == buzz
    assert model_counter(filled, "commentCount") == comments + 1
    assert version_counter(filled, "thumbsUpCount") == version_up
    assert model_counter(filled, "thumbsUpCount") == up + 3
    assert ("",) not in read(filled, 'SELECT "baseModel" FROM "ReviewStatsByBaseModel"')
    _rebuild_everything(filled, settings)
    tick_exact(filled, settings)
    write(
        filled,
        'UPDATE "ModelVersion" SET "baseModel" = \'Pony\' WHERE id = 800',
        'UPDATE "ModelVersion" SET "baseModel" = NULL WHERE id = 20',
        'UPDATE "BuzzTip" SET amount = NULL WHERE "fromUserId" < 4',
        'UPDATE "ResourceReview" SET "userId" = NULL WHERE id % 5 = 0',
    )
    tick_exact(filled, settings)


@pytest.mark.parametrize("odd", [0, -5])
def test_an_id_below_one_names_no_entity(filled: Stores, settings: Settings, odd: int) -> None:
    before = read(filled, "SELECT count(*) FROM metrics.leaf_total")
    write(
        filled,
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) '
        f"VALUES ('Model', {odd}, 800, 9, 10)",
        f'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (800, {odd}, 1)',
        f'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId") VALUES (800, {odd}, {odd}, 1)',
        f'INSERT INTO "Post" (id, "userId", "modelVersionId", "publishedAt") VALUES (800, 1, {odd}, localtimestamp)',
        'INSERT INTO "Image" (id, "userId", "postId") VALUES (800, 1, 800)',
        f'INSERT INTO "Image" (id, "userId", "postId") VALUES (801, 1, {odd})',
        f'INSERT INTO "Model" (id, "userId") VALUES ({odd}, 1)',
        f'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (801, {odd}, \'SDXL\'), ({odd}, 1, \'Flux\')',
    )
    tick_exact(filled, settings)
    assert read(filled, "SELECT count(*) FROM metrics.batch WHERE forwarded_at IS NULL") == [(0,)]
    _rebuild_everything(filled, settings)
    rebuild(filled, settings, "model_metrics", TODAY, TODAY)
    tick_exact(filled, settings)
    # of all that, only the images of post 800 count, for the post
    assert read(filled, "SELECT count(*) FROM metrics.leaf_total") == [(before[0][0] + 1,)]


def test_a_batch_with_an_id_below_one_that_an_earlier_version_sealed_is_sent(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        "INSERT INTO metrics.batch (id, kind, total_rows) VALUES (nextval('metrics.version'), 'totals', 1)",
        "INSERT INTO metrics.batch_total SELECT max(id), 'Model', -5, '{Tip}', '{0}' FROM metrics.batch",
    )
    assert tick(filled, settings).ok

"""A tick costs what changed, whatever the history: no plan of it reads an application table from end to end."""

from __future__ import annotations

import time

import pytest

from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.pipeline.application import one, read, review, tick_exact, write

_BIG = ("ResourceReview", "Comment", "CollectionItem", "BuzzTip", "Donation", "Image")
_ROWS = 8_000


@pytest.fixture
def historic(filled: Stores, settings: Settings) -> Stores:
    """The small application with a long history that is counted already."""
    write(
        filled,
        'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", "createdAt") '
        "SELECT 10000 + n, 5 + n % 500, 50 + n % 900, n, localtimestamp - n % 600 * interval '1 day' "
        f"FROM generate_series(1, {_ROWS}) n",
        'INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") '
        "SELECT 10000 + n, 5 + n % 500, n, localtimestamp - n % 600 * interval '1 day' "
        f"FROM generate_series(1, {_ROWS}) n",
        'INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "createdAt") '
        "SELECT 10000 + n, n, 5 + n % 500, localtimestamp - n % 600 * interval '1 day' "
        f"FROM generate_series(1, {_ROWS}) n",
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) '
        f"SELECT 'Model', 5 + n % 500, n, 1, 5 FROM generate_series(1, {_ROWS}) n",
        'INSERT INTO "Donation" (id, "modelVersionId", "userId", amount) '
        f"SELECT 10000 + n, 50 + n % 900, n, 5 FROM generate_series(1, {_ROWS}) n",
        'INSERT INTO "Image" (id, "userId", "postId") '
        f"SELECT 10000 + n, 1, 1000 + n % 900 FROM generate_series(1, {_ROWS}) n",
    )
    assert tick(filled, settings).ok
    write(filled, *(f'VACUUM ANALYZE "{table}"' for table in _BIG), "ANALYZE")
    return filled


def _read_from_end_to_end(settings: Settings) -> dict[str, int]:
    """Sequential scans of the big tables so far; sessions report them when they end."""
    with open_stores(settings, run="statistics") as stores:
        sessions = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + 60
        while one(stores, sessions):
            assert time.monotonic() < deadline, "a session has not ended"
            time.sleep(0.05)
        found = read(
            stores,
            "SELECT relname, seq_scan FROM pg_stat_user_tables "
            f"WHERE schemaname = 'public' AND relname IN {_BIG} ORDER BY 1",
        )
    return {str(table): int(scans) for table, scans in found}


def test_no_step_of_a_tick_reads_an_application_table_from_end_to_end(historic: Stores, settings: Settings) -> None:
    historic.close()
    with open_stores(settings, run="writer") as stores:
        write(
            stores,
            review(1000),
            review(1001, version=50, model=5, user=777_777),
            'UPDATE "ResourceReview" SET recommended = false WHERE id = 10005',
            'DELETE FROM "ResourceReview" WHERE id = 10006',
            'UPDATE "Comment" SET "modelId" = 7 WHERE id = 10007',
            'DELETE FROM "CollectionItem" WHERE id = 10008',
            'UPDATE "BuzzTip" SET amount = 9 WHERE "entityType" = \'Model\' AND "entityId" = 5 AND "fromUserId" = 500',
            'UPDATE "Donation" SET amount = 9 WHERE id = 10010',
            'UPDATE "Image" SET "postId" = 100 WHERE id = 10011',
            'UPDATE "ModelVersion" SET "baseModel" = \'Pony\' WHERE id = 10',
            'UPDATE "Post" SET "modelVersionId" = 11 WHERE id = 100',
        )
    before = _read_from_end_to_end(settings)
    with open_stores(settings, run="ticker") as stores:
        assert tick(stores, settings).ok
    assert _read_from_end_to_end(settings) == before
    with open_stores(settings, run="verifier") as stores:
        tick_exact(stores, settings)
    after = _read_from_end_to_end(settings)
    assert all(after[table] > before[table] for table in _BIG), "a recount reads them all, and it shows"

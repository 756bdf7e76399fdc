"""Entities that are gone for a moment, while a set or the hashes are written: the next tick has them back everywhere.

In its images before and after, such an entity looks as if nothing had changed.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql

from metrics_assets.pipeline import refresh as refreshing
from metrics_assets.pipeline.passes import Refresh
from metrics_assets.pipeline.tick import collect, refresh
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.stores.postgres import Connection
from metrics_assets_tests.pipeline.application import review, tick_exact, write
from metrics_assets_tests.pipeline.hand_count import assert_equal_to_hand_count

_GONE = 'DELETE FROM "Model" WHERE id = 1'
_BACK = 'INSERT INTO "Model" (id, "userId", status) VALUES (1, 901, \'Published\')'
_NOTHING_OF_ITS_OWN = (
    'DELETE FROM "CollectionItem" WHERE "modelId" = 1',
    'DELETE FROM "Comment" WHERE "modelId" = 1',
    'DELETE FROM "BuzzTip" WHERE "entityType" = \'Model\' AND "entityId" = 1',
    'DELETE FROM "ResourceReview" WHERE "modelId" = 1',
    'UPDATE "ModelVersion" SET "modelId" = 2 WHERE "modelId" = 1',
)
# two sets that write columns of "ModelMetric"
_SHARING = ("model_metrics", "model_collection_metrics")


def _other(set_name: str) -> str:
    (other,) = set(_SHARING) - {set_name}
    return other


def _exact_by_all_counts(stores: Stores, settings: Settings) -> None:
    tick_exact(stores, settings)
    assert_equal_to_hand_count(stores)


@pytest.mark.parametrize("status", ["Published", "Draft"])
@pytest.mark.parametrize(
    ("gone", "back"),
    [
        pytest.param(_GONE, _BACK.replace("Published", "{status}"), id="model"),
        pytest.param(
            'DELETE FROM "ModelVersion" WHERE id = 10',
            'INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES (10, 1, \'SDXL\', \'{status}\')',
            id="version",
        ),
    ],
)
def test_what_is_gone_while_its_hash_is_written(
    filled: Stores, settings: Settings, gone: str, back: str, status: str
) -> None:
    write(filled, review(1000))
    collect(filled, settings)
    models = Refresh(filled, settings, "model_metrics")
    models.count()
    write(filled, gone)
    models.tell()
    write(filled, back.format(status=status))
    _exact_by_all_counts(filled, settings)


@pytest.mark.parametrize("sees_it_gone", _SHARING)
def test_what_is_gone_while_one_of_the_sets_that_share_its_row_is_written(
    filled: Stores, settings: Settings, sees_it_gone: str
) -> None:
    """Its row is deleted with the other set's columns, whose numbers are zero when it is back, and make no row."""
    write(
        filled,
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1)',
        'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES (900, 1, 1)',
    )
    collect(filled, settings)
    refresh(filled, settings, _other(sees_it_gone))
    write(filled, _GONE)
    refresh(filled, settings, sees_it_gone)
    write(filled, _BACK, *_NOTHING_OF_ITS_OWN)
    _exact_by_all_counts(filled, settings)


@pytest.mark.parametrize("status", ["Published", "Draft"])
def test_what_is_gone_with_its_row_between_two_drains_and_comes_back_with_nothing(
    filled: Stores, settings: Settings, status: str
) -> None:
    """Its numbers are zero, and it has no row, as if it had never had one."""
    write(filled, 'ALTER TABLE "ModelMetric" ADD FOREIGN KEY ("modelId") REFERENCES "Model" ON DELETE CASCADE')
    tick_exact(filled, settings)
    write(filled, _GONE, _BACK.replace("Published", status), *_NOTHING_OF_ITS_OWN)
    _exact_by_all_counts(filled, settings)


@pytest.mark.parametrize("drained", [True, False])
@pytest.mark.parametrize("slow", _SHARING)
def test_a_row_that_a_slow_set_deletes_though_another_one_has_found_it_right_since(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch, slow: str, drained: bool
) -> None:
    write(filled, _GONE)
    if drained:
        collect(filled, settings)
    else:
        key = "INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, batch) VALUES ('{}', 'Model', 1, 0)"
        write(filled, key.format(slow))
    at_upsert, go_on = threading.Event(), threading.Event()
    really = refreshing.run_statements

    def run(connection: Connection, name: str, **places: sql.Composable) -> None:
        if name == "refresh/upsert.sql" and threading.current_thread().name.startswith("slow"):
            at_upsert.set()
            assert go_on.wait(60)
        really(connection, name, **places)

    def slowly() -> None:
        with open_stores(settings, run="slow") as stores:
            refresh(stores, settings, slow)

    monkeypatch.setattr(refreshing, "run_statements", run)
    with ThreadPoolExecutor(1, "slow") as beside:
        running = beside.submit(slowly)
        assert at_upsert.wait(60)
        write(filled, _BACK)
        collect(filled, settings)
        refresh(filled, settings, _other(slow))
        go_on.set()
        running.result(timeout=60)
    _exact_by_all_counts(filled, settings)

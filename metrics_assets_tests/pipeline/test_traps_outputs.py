"""What the other stores show when they lost or kept something, and what a hash may show at all."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline import state
from metrics_assets.pipeline.control import recompute
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.verify import verify
from metrics_assets_tests.pipeline.application import (
    TODAY,
    assert_exact,
    download,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    write,
)

_CASCADE = (
    'ALTER TABLE "ModelMetric" ADD FOREIGN KEY ("modelId") REFERENCES "Model" ON DELETE CASCADE',
    'ALTER TABLE "ModelVersionMetric" ADD FOREIGN KEY ("modelVersionId") REFERENCES "ModelVersion" ON DELETE CASCADE',
)


def _damage(stores: Stores) -> None:
    """ClickHouse has one total wrong and lost another; Redis has evicted one hash and another was edited."""
    stores.clickhouse.command(
        "INSERT INTO entityMetricTotals (entityType, entityId, metricType, total, version)"
        " SELECT entityType, entityId, metricType, 999, max(version) FROM entityMetricTotals"
        " WHERE entityType = 'Model' AND entityId = 1 AND metricType = 'Comment' GROUP BY ALL"
    )
    stores.clickhouse.command("OPTIMIZE TABLE entityMetricTotals FINAL")
    stores.clickhouse.command(
        "ALTER TABLE entityMetricTotals DELETE WHERE entityType = 'ModelVersion' AND entityId = 10"
        " SETTINGS mutations_sync = 1"
    )
    stores.redis.delete("entity:metrics:Model:1")
    stores.redis.hset("entity:metrics:ModelVersion:10", "ThumbsUp", "777")
    assert {difference.store for difference in verify(stores, []).differences} == {"clickhouse totals", "redis"}


def test_recompute_tells_every_store_even_when_postgres_was_right(filled: Stores, settings: Settings) -> None:
    _damage(filled)
    recompute(filled, settings, "Model", [1])
    tick_exact(filled, settings)


def test_recompute_takes_back_what_the_stores_show_of_an_entity_that_does_not_exist(
    filled: Stores, settings: Settings
) -> None:
    filled.redis.hset("entity:metrics:Model:77", mapping={"version": "1", "Comment": "5"})
    filled.clickhouse.command(
        "INSERT INTO entityMetricTotals (entityType, entityId, metricType, total, version)"
        " VALUES ('Model', 77, 'Comment', 5, 1)"
    )
    recompute(filled, settings, "Model", [77])
    tick_exact(filled, settings)


def test_a_rebuild_tells_every_store_even_when_postgres_was_right(filled: Stores, settings: Settings) -> None:
    _damage(filled)
    for asset in ("model_metrics", "model_collection_metrics"):
        rebuild(filled, settings, asset, settings.start_date, TODAY)
    assert_exact(filled)


def test_a_tick_announces_no_key_that_did_not_move(filled: Stores, settings: Settings) -> None:
    write(filled, 'UPDATE "Comment" SET "modelId" = 3 WHERE id = 3', 'UPDATE "Comment" SET "modelId" = 1 WHERE id = 3')
    report = tick(filled, settings)
    assert [pass_.detail.get("totals_sent", 0) for pass_ in report.reports] == [0] * len(report.reports)
    assert [pass_.detail.get("hashes_written", 0) for pass_ in report.reports] == [0] * len(report.reports)


def test_a_rebuild_makes_no_hash_for_an_entity_without_numbers(filled: Stores, settings: Settings) -> None:
    write(filled, 'INSERT INTO "Model" (id, "userId") VALUES (50, 1)')
    tick_exact(filled, settings)
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    assert not filled.redis.exists("entity:metrics:Model:50")


def test_a_deleted_entity_leaves_every_store_when_its_output_row_went_with_it(
    filled: Stores, settings: Settings
) -> None:
    write(filled, *_CASCADE, "DELETE FROM metrics.search_queue")
    write(filled, 'DELETE FROM "ModelVersion" WHERE id = 20', 'DELETE FROM "Model" WHERE id = 3')
    tick_exact(filled, settings)
    assert set(filled.redis.hgetall("entity:metrics:Model:3")) == {"version"}
    assert set(filled.redis.hgetall("entity:metrics:ModelVersion:20")) == {"version"}
    queued = set(read(filled, "SELECT entity_type::text, entity_id FROM metrics.search_queue"))
    assert {("Model", 3), ("ModelVersion", 20), ("Model", 2)} <= queued


def test_a_number_that_a_rule_holds_back_is_not_published_by_another_set(filled: Stores, settings: Settings) -> None:
    shown = model_counter(filled, "commentCount")
    write(
        filled,
        "UPDATE metrics.leaf_total SET total = total + 50 WHERE metric_type = 'Comment' AND entity_id = 1",
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1)',
        'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES (900, 1, 1)',
    )
    assert not tick(filled, settings).ok
    assert filled.redis.hmget("entity:metrics:Model:1", "Comment", "Collection") == [
        str(shown),
        str(model_counter(filled, "collectedCount")),
    ]


def test_verify_reports_a_number_that_a_rule_holds_back(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) '
        "SELECT 'Model', 1, 800 + n, 9, 2000000000 FROM generate_series(1, 2) n",
    )
    for _ in range(2):
        assert not tick(filled, settings).ok
        found = {
            (difference.store, difference.key, difference.counter) for difference in verify(filled, []).differences
        }
        assert ("postgres", "1", "tippedAmountCount") in found
    write(filled, 'DELETE FROM "BuzzTip" WHERE "fromUserId" > 800')
    tick_exact(filled, settings)


@pytest.mark.parametrize("by", ["another set", "a full publish"])
def test_a_number_of_a_paused_set_is_not_published(filled: Stores, settings: Settings, by: str) -> None:
    shown = model_counter(filled, "commentCount")
    state.pause(filled, "model_metrics", "a migration")
    write(filled, 'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1)')
    if by == "another set":
        write(filled, 'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES (900, 1, 1)')
    else:
        filled.redis.flushall()
    tick(filled, settings)
    assert filled.redis.hmget("entity:metrics:Model:1", "Comment", "Collection") == [
        str(shown),
        str(model_counter(filled, "collectedCount")),
    ]
    state.resume(filled, "model_metrics")
    tick_exact(filled, settings)
    assert filled.redis.hget("entity:metrics:Model:1", "Comment") == str(shown + 1)


def test_a_hash_shows_what_the_output_row_shows(filled: Stores) -> None:
    columns = 'SELECT "thumbsUpCount", "downloadCount", "collectedCount" FROM "ModelMetric" WHERE "modelId" = 1'
    shown = [str(number) for number in read(filled, columns)[0]]
    assert filled.redis.hmget("entity:metrics:Model:1", "ThumbsUp", "Download", "Collection") == shown
    assert one(filled, "SELECT count(*) FROM metrics.publish_queue") == 0


def test_a_wrong_number_of_a_pair_that_a_tick_takes_is_not_published(filled: Stores, settings: Settings) -> None:
    shown = read(filled, 'SELECT * FROM "ReviewStatsByBaseModel" WHERE "modelId" = 1 AND "baseModel" = \'SDXL\'')
    write(
        filled,
        "UPDATE metrics.base_model_total SET thumbs_up = thumbs_up + 5 WHERE model_id = 1 AND base_model = 'SDXL'",
        review(1000),
    )
    report = tick(filled, settings)
    assert [(failure.rule, failure.set_name, failure.keys) for failure in report.rule_failures] == [
        ("counters_equal_recount", "review_stats", ("1 SDXL",))
    ]
    assert shown == read(
        filled, 'SELECT * FROM "ReviewStatsByBaseModel" WHERE "modelId" = 1 AND "baseModel" = \'SDXL\''
    )
    recompute(filled, settings, "Model", [1])
    tick_exact(filled, settings)


@pytest.mark.parametrize(
    ("fault", "pair"),
    [
        ("DELETE FROM metrics.base_model_total WHERE model_id = 2", "2 SDXL"),
        ("INSERT INTO metrics.base_model_total (model_id, base_model) VALUES (3, 'Flux')", "3 Flux"),
    ],
)
def test_a_row_of_a_pair_that_contradicts_the_published_versions_is_not_written(
    filled: Stores, settings: Settings, fault: str, pair: str
) -> None:
    model, base_model = pair.split()
    tables = ("ReviewStatsByBaseModel", "ModelBaseModelMetric")
    shown = [read(filled, f'SELECT "modelId", "baseModel" FROM "{table}" ORDER BY 1, 2') for table in tables]
    write(filled, fault)
    for name in ("review_stats", "base_model_metrics"):
        write(filled, f"INSERT INTO metrics.dirty_key VALUES ('{name}', 'Model', {model}, '{base_model}', 1)")
    report = tick(filled, settings)
    assert {(failure.rule, failure.set_name, failure.keys) for failure in report.rule_failures} == {
        ("rows_match_published_versions", name, (pair,)) for name in ("review_stats", "base_model_metrics")
    }
    assert shown == [read(filled, f'SELECT "modelId", "baseModel" FROM "{table}" ORDER BY 1, 2') for table in tables]
    recompute(filled, settings, "Model", [int(model)])
    tick_exact(filled, settings)


@pytest.mark.parametrize("comes_back", ["with a download", "without numbers"])
def test_an_entity_that_comes_back_while_a_set_has_not_seen_it_go_shows_nothing_of_before(
    filled: Stores, settings: Settings, comes_back: str
) -> None:
    write(
        filled,
        'DELETE FROM "ResourceReview" WHERE "modelId" = 1',
        'DELETE FROM "ModelVersion" WHERE "modelId" = 1',
        'DELETE FROM "CollectionItem" WHERE "modelId" = 1',
        'DELETE FROM "Comment" WHERE "modelId" = 1',
        'DELETE FROM "BuzzTip" WHERE "entityType" = \'Model\' AND "entityId" = 1',
        'DELETE FROM "Model" WHERE id = 1',
    )
    tick(filled, settings, ["model_collection_metrics"])
    write(filled, 'INSERT INTO "Model" (id, "userId", status) VALUES (1, 901, \'Published\')')
    if comes_back == "with a download":
        write(
            filled,
            'INSERT INTO "CollectionItem" (id, "collectionId", "modelId", "addedById") VALUES (9001, 1, 1, 1)',
            'INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES (12, 1, \'SDXL\', \'Published\')',
        )
        tick(filled, settings, ["model_collection_metrics"])
        download(filled, version=12)
    tick_exact(filled, settings)
    assert model_counter(filled, "downloadCount") == (1 if comes_back == "with a download" else 0)
    assert model_counter(filled, "thumbsUpCount") == model_counter(filled, "commentCount") == 0

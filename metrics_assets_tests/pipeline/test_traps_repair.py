"""Wrong numbers: where they come from a hand, a planted fault, or a sum that is too great; how they heal."""

from __future__ import annotations

import uuid

import pytest

from metrics_assets.catalog import DAILY_ASSET, EVENTS_ASSET, SETS
from metrics_assets.pipeline import marked
from metrics_assets.pipeline.drain import drain_chunk
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.verify import verify
from metrics_assets_tests.pipeline.application import (
    TODAY,
    assert_exact,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    write,
)


def test_a_hand_edited_output_never_feeds_another_number_and_a_rebuild_heals_it(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        'UPDATE "ReviewStatsByBaseModel" SET "thumbsUpCount" = 777 WHERE "modelId" = 1',
        'UPDATE "ModelVersionMetric" SET "downloadCount" = 888 WHERE "modelVersionId" = 10',
        'UPDATE "ModelMetric" SET "collectedCount" = 999 WHERE "modelId" = 1',
        review(1000, version=10, at="localtimestamp - interval '2 days'"),
    )
    tick(filled, settings)
    assert {777, 888, 999}.isdisjoint(
        {value for row in read(filled, 'SELECT * FROM "ModelBaseModelMetric"') for value in row}
    )
    assert model_counter(filled, "downloadCount") < 888
    for asset in ("model_metrics", "review_stats", "model_collection_metrics"):
        rebuild(filled, settings, asset, TODAY.replace(day=1) if TODAY.day > 10 else settings.start_date, TODAY)
    assert_exact(filled)


@pytest.mark.slow
def test_an_output_row_that_somebody_deleted_or_added_is_put_right_by_a_rebuild(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        'DELETE FROM "ModelMetric" WHERE "modelId" = 1',
        'DELETE FROM "ReviewStatsByBaseModel" WHERE "modelId" = 2',
        'INSERT INTO "ReviewStatsByBaseModel" ("modelId", "baseModel", "thumbsUpCount") VALUES (1, \'Ghost\', 5)',
    )
    for asset in ("model_metrics", "model_collection_metrics", "review_stats"):
        rebuild(filled, settings, asset, settings.start_date, TODAY)
    assert_exact(filled)


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE metrics.leaf_total SET total = total + 3 WHERE metric_type NOT IN ('Download', 'Generation')",
        pytest.param(
            "UPDATE metrics.leaf_total SET total = total + 3 WHERE metric_type IN ('Download', 'Generation')",
            marks=pytest.mark.slow,
        ),
        pytest.param("DELETE FROM metrics.leaf_total WHERE entity_id % 2 = 0", marks=pytest.mark.slow),
        "UPDATE metrics.base_model_total SET thumbs_up = thumbs_up + 1, thumbs_down = 9",
        pytest.param("DELETE FROM metrics.base_model_total WHERE model_id = 1", marks=pytest.mark.slow),
        pytest.param(
            "INSERT INTO metrics.base_model_total (model_id, base_model, thumbs_up) VALUES (2, 'Ghost', 4)",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_wrong_total_is_noticed_and_repaired_by_a_rebuild(filled: Stores, settings: Settings, fault: str) -> None:
    write(filled, fault)
    for asset in ("model_metrics", "model_collection_metrics", "base_model_metrics"):
        rebuild(filled, settings, asset, settings.start_date, TODAY)
    tick_exact(filled, settings)


def test_one_run_of_all_assets_repairs_totals_and_outputs_alike(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        "UPDATE metrics.leaf_total SET total = total + 3",
        "UPDATE metrics.base_model_total SET thumbs_up = thumbs_up + 1",
        'UPDATE "ReviewStatsByBaseModel" SET "thumbsUpCount" = 777',
        'UPDATE "ModelBaseModelMetric" SET "thumbsUpCount" = 888, "downloadCount" = 999',
    )
    run_id = uuid.uuid4().hex
    for asset in (EVENTS_ASSET, DAILY_ASSET, *(metric_set.name for metric_set in SETS)):
        report = rebuild(filled, settings, asset, settings.start_date, TODAY, run_id=run_id)
        # counted once, by the first: what the run has rebuilt is not done again
        assert ("totals" in report.steps) == (asset == EVENTS_ASSET)
    assert_exact(filled)


def test_a_wrong_total_of_a_key_that_a_tick_takes_is_not_published(filled: Stores, settings: Settings) -> None:
    shown = model_counter(filled, "commentCount")
    write(
        filled,
        "UPDATE metrics.leaf_total SET total = total + 50 WHERE metric_type = 'Comment' AND entity_id = 1",
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1)',
    )
    report = tick(filled, settings)
    assert [(failure.rule, failure.keys) for failure in report.rule_failures] == [("counters_equal_recount", ("1",))]
    assert model_counter(filled, "commentCount") == shown
    rebuild(filled, settings, "model_metrics", TODAY, TODAY)
    tick_exact(filled, settings)
    assert model_counter(filled, "commentCount") == shown + 1


def test_an_entity_that_is_gone_leaves_though_its_total_was_wrong(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        "UPDATE metrics.leaf_total SET total = total + 1 WHERE entity_id = 10 AND metric_type = 'ThumbsUp'",
        'DELETE FROM "ModelVersion" WHERE id = 10',
    )
    assert tick(filled, settings).ok
    assert read(filled, 'SELECT * FROM "ModelVersionMetric" WHERE "modelVersionId" = 10') == []


def test_a_sum_beyond_int4_is_held_back_while_others_go_on_and_heals_with_its_source(
    filled: Stores, settings: Settings
) -> None:
    shown = model_counter(filled, "tippedAmountCount", 1)
    other = model_counter(filled, "thumbsUpCount", 2)
    write(
        filled,
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) '
        "SELECT 'Model', 1, 800 + n, 9, 2000000000 FROM generate_series(1, 2) n",
        review(1000, version=20, model=2),
    )
    for _ in range(2):
        report = tick(filled, settings)
        assert {(failure.rule, failure.set_name, failure.keys) for failure in report.rule_failures} == {
            ("within_int4", "model_metrics", ("1",))
        }
        assert not report.ok
        assert model_counter(filled, "tippedAmountCount", 1) == shown
        assert model_counter(filled, "thumbsUpCount", 2) == other + 1
    write(filled, 'DELETE FROM "BuzzTip" WHERE "fromUserId" = 801')
    tick(filled, settings)
    write(filled, 'UPDATE "BuzzTip" SET amount = 5 WHERE "fromUserId" = 802')
    tick_exact(filled, settings)
    assert model_counter(filled, "tippedAmountCount", 1) == shown + 5


def test_only_rows_whose_numbers_moved_are_written(filled: Stores, settings: Settings) -> None:
    updated = 'SELECT "modelId", "updatedAt" FROM "ModelMetric" ORDER BY 1'
    before = dict(read(filled, updated))
    # the model's own number moves back and forth, another one's moves
    write(
        filled,
        'UPDATE "Comment" SET "modelId" = 3 WHERE id = 3',
        'UPDATE "Comment" SET "modelId" = 1 WHERE id = 3',
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 2, 1)',
        'UPDATE "Model" SET "userId" = 5 WHERE id = 1',
    )
    report = tick_exact(filled, settings)
    after = dict(read(filled, updated))
    assert [model for model in after if after[model] != before[model]] == [2]
    rows = {pass_.set_name: pass_.rows_written for pass_ in report.reports}
    assert rows["model_metrics"] == 1
    assert rows["review_stats"] == rows["base_model_metrics"] == 0


def test_a_quiet_tick_writes_nothing(filled: Stores, settings: Settings) -> None:
    report = tick_exact(filled, settings)
    assert [pass_.rows_written for pass_ in report.reports] == [0] * len(report.reports)


def test_a_flushed_redis_has_every_hash_again_after_a_tick(filled: Stores, settings: Settings) -> None:
    filled.redis.flushall()
    assert not verify(filled, []).ok
    tick_exact(filled, settings)


@pytest.mark.slow
def test_a_redis_that_fell_back_to_older_data_is_written_anew(filled: Stores, settings: Settings) -> None:
    keys = [key for key in filled.redis.scan_iter("entity:metrics:*") if filled.redis.type(key) == "hash"]
    old = {key: filled.redis.hgetall(key) for key in keys}
    mark = filled.redis.get("entity:metrics:published")
    write(filled, review(1000), 'DELETE FROM "Comment" WHERE id < 4')
    tick_exact(filled, settings)
    filled.redis.flushall()
    for key, fields in old.items():
        filled.redis.hset(key, mapping=fields)
    filled.redis.set("entity:metrics:published", mark or 0)
    tick_exact(filled, settings)


@pytest.mark.slow
def test_a_rebuild_does_not_wait_for_ever_for_a_pair_whose_recount_waits_for_the_drain(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        'UPDATE "CollectionItem" SET "modelId" = 3 WHERE id < 6',
        'INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (12, 1, \'New\')',
    )
    with filled.postgres.connection() as connection:
        chunk = drain_chunk(connection, chunk_rows=1)
    assert chunk is not None
    assert chunk.rows_left > 0
    rebuild(filled, settings, "review_stats", TODAY, TODAY)
    tick_exact(filled, settings)


def test_a_backlog_that_is_drained_in_small_steps_ends_exact(filled: Stores, settings: Settings) -> None:
    small = settings.model_copy(update={"drain_chunk_rows": 2, "set_chunk_keys": 1})
    write(
        filled,
        'UPDATE "ResourceReview" SET recommended = NOT recommended',
        'DELETE FROM "ResourceReview" WHERE id % 4 = 0',
        'UPDATE "ModelVersion" SET "baseModel" = \'Pony\' WHERE id IN (10, 20)',
        'UPDATE "Image" SET "postId" = 100 WHERE id < 9',
        'UPDATE "Post" SET "modelVersionId" = 11 WHERE id = 100',
        'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id % 3 = 0',
    )
    tick_exact(filled, small)
    assert (
        one(
            filled,
            "SELECT (detail ->> 'chunks')::int FROM metrics.ledger"
            " WHERE set_name = 'entity_metric_events' ORDER BY id DESC",
        )
        > 3
    )


@pytest.mark.slow
def test_a_tick_that_runs_out_of_time_ends_cleanly_and_says_what_is_left(filled: Stores, settings: Settings) -> None:
    hurried = settings.model_copy(update={"drain_chunk_rows": 2, "tick_max_seconds": 0.000001})
    write(filled, 'UPDATE "ResourceReview" SET recommended = NOT recommended')
    report = tick(filled, hurried)
    assert report.reports[0].outcome == "backlog left"
    assert report.reports[0].backlog_after > 0
    tick_exact(filled, settings)


def test_a_table_that_was_emptied_and_filled_is_rebuilt_by_steps_that_are_remembered(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marked, "_ROWS_A_STEP", 10)
    hurried = settings.model_copy(update={"tick_max_seconds": 0.000001})
    write(
        filled,
        'TRUNCATE "Comment"',
        'INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") '
        "SELECT n, 1 + n % 2, n, timestamp '1960-05-01' + n * interval '1 year' FROM generate_series(1, 60) n",
    )
    ticks = 0
    while ticks == 0 or one(filled, "SELECT count(*) FROM metrics.capture_marker"):
        tick(filled, hurried)
        ticks += 1
        assert ticks < 40
    assert ticks > 3
    tick_exact(filled, settings)

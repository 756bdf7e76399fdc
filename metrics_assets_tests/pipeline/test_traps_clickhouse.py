"""What others lost or counted twice in ClickHouse: repeated blocks, retries, versions, parts that never merge."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import collect, tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import (
    TODAY,
    assert_exact,
    download,
    model_counter,
    one,
    read,
    review,
    tick_exact,
    version_counter,
    write,
)

_LAST_YEAR = TODAY.year - 1
_KEPT = (
    "CREATE TABLE kept_event AS TABLE metrics.batch_event WITH NO DATA",
    "CREATE RULE keep AS ON DELETE TO metrics.batch_event DO ALSO INSERT INTO kept_event SELECT OLD.*",
)


@pytest.mark.slow
def test_a_block_that_is_identical_to_an_earlier_one_is_kept(filled: Stores, settings: Settings) -> None:
    """Deduplicating blocks would drop the second rebuild, after rows of a newer one were there in between."""
    filled.clickhouse.command("ALTER TABLE entityMetricEvents MODIFY SETTING non_replicated_deduplication_window = 100")
    filled.clickhouse.command("ALTER TABLE entityMetricDaily MODIFY SETTING non_replicated_deduplication_window = 100")
    try:
        for _ in range(2):
            for statement in (review(1000), 'DELETE FROM "ResourceReview" WHERE id = 1000'):
                write(filled, statement)
                tick_exact(filled, settings)
            rebuild(filled, settings, "model_metrics", TODAY, TODAY)
            tick_exact(filled, settings)
    finally:
        for table in ("entityMetricEvents", "entityMetricDaily"):
            filled.clickhouse.command(f"ALTER TABLE {table} RESET SETTING non_replicated_deduplication_window")


def test_a_batch_that_is_sent_twice_counts_once(filled: Stores, settings: Settings) -> None:
    write(filled, *_KEPT, review(1000), 'UPDATE "Comment" SET "modelId" = 1 WHERE "modelId" = 2')
    tick_exact(filled, settings)
    batches = [number for (number,) in read(filled, "SELECT DISTINCT batch_id FROM kept_event")]
    assert batches
    write(
        filled,
        "DROP RULE keep ON metrics.batch_event",
        "INSERT INTO metrics.batch_event SELECT * FROM kept_event",
        "UPDATE metrics.batch SET forwarded_at = NULL WHERE id IN (SELECT batch_id FROM kept_event)",
    )
    tick_exact(filled, settings)


def test_an_old_batch_that_arrives_after_newer_ones_changes_nothing(filled: Stores, settings: Settings) -> None:
    write(filled, *_KEPT, review(1000))
    tick_exact(filled, settings)
    write(filled, "DROP RULE keep ON metrics.batch_event", 'DELETE FROM "ResourceReview" WHERE id = 1000')
    tick_exact(filled, settings)
    write(
        filled,
        "INSERT INTO metrics.batch_event SELECT * FROM kept_event",
        "UPDATE metrics.batch SET forwarded_at = NULL WHERE id IN (SELECT batch_id FROM kept_event)",
    )
    tick_exact(filled, settings)


@pytest.mark.slow
def test_parts_that_never_merge_are_read_right(filled: Stores, settings: Settings) -> None:
    filled.clickhouse.command("SYSTEM STOP MERGES")
    try:
        for number in range(12):
            write(
                filled,
                'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id % 2 = 0',
                f'UPDATE "Comment" SET "modelId" = 1 + {number} % 3 WHERE id < 5',
            )
            tick(filled, settings)
        assert filled.clickhouse.scalar(
            "SELECT count() > 12 FROM system.parts WHERE active AND table = 'entityMetricEvents'"
        )
        assert_exact(filled)
    finally:
        filled.clickhouse.command("SYSTEM START MERGES")


@pytest.mark.slow
def test_a_merge_keeps_the_numbers(filled: Stores, settings: Settings) -> None:
    write(filled, 'UPDATE "ResourceReview" SET recommended = NOT recommended', 'DELETE FROM "Comment" WHERE id < 4')
    tick_exact(filled, settings)
    for table in ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals"):
        filled.clickhouse.command(f"OPTIMIZE TABLE {table} FINAL")
    tick_exact(filled, settings)


@pytest.mark.slow
def test_one_batch_may_hold_rows_of_more_than_a_hundred_months(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        'INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") '
        "SELECT 1000 + n, 1 + n % 2, n, localtimestamp - n * interval '1 month' FROM generate_series(1, 144) n",
    )
    tick_exact(filled, settings)
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    tick_exact(filled, settings)


@pytest.mark.slow
def test_a_row_whose_day_changes_leaves_nothing_in_its_old_month(filled: Stores, settings: Settings) -> None:
    for months in (3, 0, 7, 2):
        write(
            filled,
            f'UPDATE "ResourceReview" SET "createdAt" = localtimestamp - interval \'{months} months\' WHERE id = 12',
            f'UPDATE "Comment" SET "createdAt" = localtimestamp - interval \'{months} months\' WHERE id = 1',
        )
        tick_exact(filled, settings)
    assert (
        filled.clickhouse.scalar(
            "SELECT sum(metricValue) FROM entityMetricEvents FINAL WHERE source = 'Comment' AND eventKey = 1 "
            "SETTINGS do_not_merge_across_partitions_select_final = 1"
        )
        == 1
    )


@pytest.mark.slow
def test_a_key_that_is_deleted_and_made_again_ends_as_it_is(filled: Stores, settings: Settings) -> None:
    tip = (
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount) '
        "VALUES ('Model', 1, 2, 9, {amount})"
    )
    for amount in (7, 9):
        write(filled, 'DELETE FROM "BuzzTip" WHERE "entityId" = 1 AND "fromUserId" = 2')
        tick_exact(filled, settings)
        write(filled, tip.format(amount=amount))
        tick_exact(filled, settings)
    write(
        filled,
        'DELETE FROM "BuzzTip" WHERE "entityId" = 1 AND "fromUserId" = 2',
        tip.format(amount=11),
        'DELETE FROM "ResourceReview" WHERE id = 12',
        review(12, version=20, model=2),
    )
    tick_exact(filled, settings)


def test_a_rebuild_beats_what_was_captured_before_it(filled: Stores, settings: Settings) -> None:
    """Captured, sealed, not sent; rebuilt from a newer snapshot; then sent after all."""
    write(filled, 'UPDATE "Comment" SET "tosViolation" = true WHERE id IN (1, 2)')
    away = _without_clickhouse(filled, settings)
    assert away == "clickhouse away"
    write(filled, 'UPDATE "Comment" SET "tosViolation" = false WHERE id = 1')
    rebuild(filled, settings, "entity_metric_events", settings.start_date, TODAY)
    tick_exact(filled, settings)


@pytest.mark.slow
def test_what_is_captured_after_a_rebuild_beats_it(filled: Stores, settings: Settings) -> None:
    rebuild(filled, settings, "entity_metric_events", settings.start_date, TODAY)
    write(filled, 'DELETE FROM "Comment" WHERE id = 1', review(1000))
    tick_exact(filled, settings)
    before = model_counter(filled, "thumbsUpCount")
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before


def test_a_rebuild_gives_zero_to_contributions_that_have_no_row(filled: Stores, settings: Settings) -> None:
    filled.clickhouse.command(
        "INSERT INTO entityMetricEvents (entityType, metricType, day, entityId, eventKey, userId, metricValue, "
        "createdAt, version, source) SELECT 'Model', 'Comment', today(), 1, 987654, 1, 5, now64(3), 1, 'Comment'"
    )
    rebuild(filled, settings, "model_metrics", TODAY, TODAY)
    tick_exact(filled, settings)


@pytest.mark.slow
def test_recorded_contributions_have_no_table_and_survive_a_rebuild(filled: Stores, settings: Settings) -> None:
    filled.clickhouse.command(
        "INSERT INTO entityMetricEvents (entityType, metricType, day, entityId, eventKey, userId, metricValue, "
        "createdAt, version, source) SELECT 'Post', 'View', today(), 100, 1, 1, 3, now64(3), 0, 'recorded'"
    )
    rebuild(filled, settings, "entity_metric_events", settings.start_date, TODAY)
    assert (
        filled.clickhouse.scalar("SELECT sum(metricValue) FROM entityMetricEvents FINAL WHERE source = 'recorded'") == 3
    )


def test_clickhouse_away_keeps_postgres_moving_and_gets_everything_later(filled: Stores, settings: Settings) -> None:
    before = model_counter(filled, "thumbsUpCount")
    write(filled, review(1000), 'TRUNCATE "Donation"')
    assert _without_clickhouse(filled, settings) == "clickhouse away"
    assert model_counter(filled, "thumbsUpCount") == before + 1
    assert one(filled, "SELECT count(*) FROM metrics.batch WHERE forwarded_at IS NULL") > 0
    tick_exact(filled, settings)
    assert one(filled, "SELECT count(*) FROM metrics.batch WHERE forwarded_at IS NULL") == 0


def _without_clickhouse(stores: Stores, settings: Settings) -> str:
    """A tick whose ClickHouse does not answer; what it says of it."""
    nowhere = type(stores.clickhouse)("http://metrics@127.0.0.1:9/default", comment="test", timeout_seconds=5)
    alone = Stores(postgres=stores.postgres, clickhouse=nowhere, redis=stores.redis)
    outcome = collect(alone, settings).outcome
    assert tick(alone, settings).away == ("clickhouse",)
    return outcome


def test_a_rebuild_that_saw_what_came_and_went_between_two_ticks_leaves_nothing_of_it(
    filled: Stores, settings: Settings
) -> None:
    """The drain folds insert and delete into nothing; the rebuild's snapshot lay in between."""
    write(filled, review(999, user=900))
    tick_exact(filled, settings)
    write(
        filled,
        review(1000),
        # a review by which the model's user would count earlier than by the other one
        review(1001, version=11, user=900, at="localtimestamp - interval '300 days'"),
        'UPDATE "Comment" SET "modelId" = 2, "createdAt" = "createdAt" - interval \'40 days\' WHERE id = 3',
    )
    rebuild(filled, settings, "entity_metric_events", settings.start_date, TODAY)
    write(
        filled,
        'DELETE FROM "ResourceReview" WHERE id IN (1000, 1001)',
        'UPDATE "Comment" SET "modelId" = 1, "createdAt" = "createdAt" + interval \'40 days\' WHERE id = 3',
    )
    tick_exact(filled, settings)


def _contributions_of_last_year(stores: Stores, number: int) -> None:
    """A download and a comment of a day that only they lie on."""
    download(stores, ip=f"10.7.0.{number}", at=f"toDateTime('{_LAST_YEAR}-05-05 10:00:00', 'UTC')")
    write(
        stores,
        'INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") '
        f"VALUES ({800 + number}, 1, 1, '{_LAST_YEAR}-05-05')",
    )


@pytest.mark.parametrize(
    "loss",
    [
        "ALTER TABLE entityMetricDaily DROP PARTITION {year}",
        pytest.param("ALTER TABLE entityMetricEvents DROP PARTITION {year}", marks=pytest.mark.slow),
        # as ClickHouse does it with what it finds broken when it starts
        "ALTER TABLE entityMetricDaily DETACH PART '{newest}'",
    ],
)
def test_an_older_year_of_ours_that_is_gone_spoils_no_number_and_is_written_again(
    filled: Stores, settings: Settings, loss: str
) -> None:
    """The newest version of the table is still there."""
    filled.clickhouse.command("SYSTEM STOP MERGES entityMetricDaily")
    try:
        for number in range(3):
            _contributions_of_last_year(filled, number)
            tick_exact(filled, settings)
        download(filled)
        write(filled, review(1000))
        tick_exact(filled, settings)
        newest = filled.clickhouse.scalar(
            "SELECT argMax(name, min_block_number) FROM system.parts WHERE active AND database = currentDatabase() "
            f"AND table = 'entityMetricDaily' AND partition_id = '{_LAST_YEAR}'"
        )
        filled.clickhouse.command(loss.format(year=_LAST_YEAR, newest=newest))
        downloads = version_counter(filled, "downloadCount")
        _contributions_of_last_year(filled, 3)
        assert tick(filled, settings).ok
        assert version_counter(filled, "downloadCount") == downloads + 1
        for _ in range(2):
            tick_exact(filled, settings)
        assert one(filled, "SELECT count(*) FROM metrics.capture_marker") == 0
    finally:
        filled.clickhouse.command("SYSTEM START MERGES entityMetricDaily")


def test_merges_and_scratch_rows_that_go_are_not_taken_for_a_loss(
    filled: Stores, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        _contributions_of_last_year(filled, number)
        tick_exact(filled, settings)
        for table in ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals"):
            filled.clickhouse.command(f"OPTIMIZE TABLE {table} FINAL")
        filled.clickhouse.command("TRUNCATE TABLE entityMetricTouched")
    tick_exact(filled, settings)
    assert "ClickHouse acknowledged rows" not in caplog.text


def test_a_part_that_is_lost_after_others_were_merged_is_noticed(
    filled: Stores, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """The merged part covers the numbers of blocks of other partitions too, more than the lost one takes along."""
    _contributions_of_last_year(filled, 0)
    tick_exact(filled, settings)
    for number in range(4):
        write(filled, review(1000 + number, user=1000 + number))
        tick_exact(filled, settings)
    _contributions_of_last_year(filled, 1)
    tick_exact(filled, settings)
    filled.clickhouse.command(f"OPTIMIZE TABLE entityMetricEvents PARTITION {_LAST_YEAR} FINAL")
    tick_exact(filled, settings)
    filled.clickhouse.command("SYSTEM STOP MERGES entityMetricEvents")
    try:
        _contributions_of_last_year(filled, 2)
        tick_exact(filled, settings)
        newest = filled.clickhouse.scalar(
            "SELECT argMax(name, min_block_number) FROM system.parts WHERE active AND database = currentDatabase() "
            f"AND table = 'entityMetricEvents' AND partition_id = '{_LAST_YEAR}'"
        )
        write(filled, review(2000, user=2000))
        tick_exact(filled, settings)
        filled.clickhouse.command(f"ALTER TABLE entityMetricEvents DROP PART '{newest}'")
        assert tick(filled, settings).ok
        assert f"entityMetricEvents (partition {_LAST_YEAR})" in caplog.text
        tick_exact(filled, settings)
    finally:
        filled.clickhouse.command("SYSTEM START MERGES entityMetricEvents")

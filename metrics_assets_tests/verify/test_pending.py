"""Changes on their way are pending, not differences; and running ticks never look like one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from metrics_assets.stores import Stores
from metrics_assets.verify import Difference, verify
from metrics_assets_tests.verify import world
from metrics_assets_tests.verify.world import change


@pytest.mark.parametrize(
    "on_its_way",
    [
        "INSERT INTO metrics.dirty_key VALUES ('model_metrics', 'ModelVersion', 20, NULL, 1)",
        "INSERT INTO metrics.publish_queue VALUES ('ModelVersion', 20, 1)",
        "INSERT INTO metrics.batch_total VALUES (1, 'ModelVersion', 20, '{Image}', '{1}')",
        "INSERT INTO metrics.batch_event VALUES (1, 'Post', 102, 'Image', '2024-03-02', 1, 1, 1, '2024-03-02', '')",
        "INSERT INTO metrics.capture_marker (source, reason) VALUES ('Image', 'TRUNCATE')",
    ],
)
def test_a_key_with_undrained_changes_is_pending(small_world: Stores, on_its_way: str) -> None:
    change(small_world, 'DELETE FROM "Image" WHERE "postId" = 102')
    change(small_world, on_its_way)
    if "'Post'" not in on_its_way and "marker" not in on_its_way:
        change(small_world, "INSERT INTO metrics.publish_queue VALUES ('Post', 102, 1)")
    report = verify(small_world, [])
    assert report.differences == ()
    # version 20, its model, post 102 on one day, and the pair
    assert [verdict.pending for verdict in report.sets] == [3, 0, 0, 1]


@pytest.mark.parametrize(
    ("statement", "keys"),
    [
        ("UPDATE \"Model\" SET status = 'Draft' WHERE id = 1", {"1 SDXL"}),
        ('UPDATE "ModelVersion" SET "modelId" = 2 WHERE id = 11', {"1", "2", "1 SDXL", "2 SDXL"}),
        ('DELETE FROM "ModelVersion" WHERE id = 20', {"20", "2", "2 SDXL"}),
        ('UPDATE "Post" SET "modelVersionId" = 11 WHERE id = 102', {"20", "2", "2 SDXL", "11", "1", "1 SDXL"}),
        ('UPDATE "Image" SET "postId" = 102 WHERE id = 1', {"10", "1", "1 SDXL", "20", "2", "2 SDXL"}),
        ('DELETE FROM "ResourceReview" WHERE id = 3', {"10", "1", "1 SDXL"}),
        ('DELETE FROM "Donation" WHERE id = 1', {"10", "1"}),
        ('UPDATE "Comment" SET "modelId" = 2 WHERE id = 1', {"1", "2"}),
        ('DELETE FROM "CollectionItem" WHERE id = 4', {"2"}),
        ('DELETE FROM "BuzzTip" WHERE amount = 50', {"1"}),
    ],
)
def test_a_captured_change_makes_all_that_it_concerns_pending(
    small_world: Stores, statement: str, keys: set[str]
) -> None:
    change(small_world, statement, drained=False)
    report = verify(small_world, [])
    assert report.differences == ()
    assert sum(verdict.pending for verdict in report.sets) > 0
    with small_world.postgres.connection() as connection:
        connection.execute("DELETE FROM metrics.outbox")
    undated = {difference.key for difference in verify(small_world, []).differences if "-" not in difference.key}
    assert undated == keys


@pytest.mark.parametrize(
    "forgotten",
    [
        "INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, batch, since)"
        " VALUES ('model_metrics', 'ModelVersion', 20, 1, now() - interval '61 minutes')",
        "INSERT INTO metrics.dirty_key (set_name, entity_type, entity_id, batch, held)"
        " VALUES ('model_metrics', 'ModelVersion', 20, 1, true)",
        "INSERT INTO metrics.capture_marker (source, reason, created_at)"
        " VALUES ('Image', 'TRUNCATE', now() - interval '61 minutes')",
        "INSERT INTO metrics.rejected (source, source_key, reason, value, due_at)"
        " VALUES ('Donation', '1', '', '{\"modelVersionId\": 20}', localtimestamp - interval '61 minutes')",
    ],
)
def test_what_nobody_is_working_on_is_no_excuse(small_world: Stores, forgotten: str) -> None:
    change(small_world, 'UPDATE "ModelVersionMetric" SET "imageCount" = 9 WHERE "modelVersionId" = 20')
    change(small_world, forgotten)
    assert [difference.key for difference in verify(small_world, []).differences] == ["20"]


def test_a_rejected_row_that_has_just_become_due_is_pending(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ModelVersionMetric" SET "imageCount" = 9 WHERE "modelVersionId" = 20')
    change(
        small_world,
        "INSERT INTO metrics.rejected (source, source_key, reason, value, due_at)"
        " VALUES ('Donation', '1', '', '{\"modelVersionId\": 20}', localtimestamp)",
    )
    report = verify(small_world, [])
    assert report.differences == ()
    assert report.sets[0].pending == 1


def test_a_captured_change_does_not_hide_a_difference_elsewhere(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ModelMetric" SET "commentCount" = 9 WHERE "modelId" = 2')
    change(small_world, 'DELETE FROM "Comment" WHERE id = 1', drained=False)
    assert [difference.key for difference in verify(small_world, []).differences] == ["2"]


def test_a_forwarded_batch_is_not_on_its_way(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ModelVersionMetric" SET "imageCount" = 9 WHERE "modelVersionId" = 20')
    change(small_world, "INSERT INTO metrics.batch (id, kind, forwarded_at) VALUES (1, 'drain', now())")
    change(small_world, "INSERT INTO metrics.batch_total VALUES (1, 'ModelVersion', 20, '{Image}', '{1}')")
    assert [difference.key for difference in verify(small_world, []).differences] == ["20"]


def test_versions_in_log_rows_that_no_tick_has_counted_are_pending(small_world: Stores) -> None:
    small_world.clickhouse.command(
        "INSERT INTO modelVersionEvents VALUES ('Download', '2024-03-09 10:00:00', 7, 1, 10, 'a')"
    )
    small_world.clickhouse.command(
        "INSERT INTO orchestration.jobs VALUES ('job-e', 0, 'image', '2024-02-01 10:00:00', [20])"
    )
    report = verify(small_world, [])
    assert report.differences == ()
    assert report.sets[0].pending > 0
    world.count_logs(small_world)
    assert {difference.key for difference in verify(small_world, []).differences} == {
        *("10", "1", "1 SDXL", "10 2024-03-09"),
        *("20", "2", "20 2024-02-01"),
    }


def test_log_rows_of_other_versions_do_not_hide_a_difference(small_world: Stores) -> None:
    small_world.clickhouse.command(
        "INSERT INTO modelVersionEvents VALUES ('Download', '2024-03-09 10:00:00', 7, 1, 10, 'a')"
    )
    change(small_world, 'UPDATE "ModelVersionMetric" SET "downloadCount" = 9 WHERE "modelVersionId" = 20')
    assert verify(small_world, ["model_metrics"]).differences == (
        Difference("model_metrics", "postgres", "ModelVersion", "20", "downloadCount", 1, 9),
    )


def test_verify_beside_ticks_finds_no_difference_but_the_real_one(small_world: Stores) -> None:
    small_world.redis.hset("entity:metrics:Model:2", "Download", 99)
    real = Difference("model_metrics", "redis", "Model", "2", "Download", 1, 99)
    with running(lambda number: one_comment_and_its_tick(small_world, number)):
        for _ in range(4):
            assert verify(small_world, ["model_metrics"]).differences == (real,)
    report = verify(small_world, ["model_metrics"])
    assert report.differences == (real,)
    assert report.sets[0].pending == 0


def one_comment_and_its_tick(stores: Stores, number: int) -> None:
    """A comment on model 1, and what a tick does about it: Postgres first, then ClickHouse, then Redis."""
    total, version = world.TOTALS["Model", 1]["Comment"] + number, world.FRESH + number
    day = ("Model", 1, "Comment", "2024-04-01")
    with stores.postgres.connection() as connection:
        with connection.transaction():
            connection.execute(
                'INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") VALUES (%s, 1, 1, \'2024-04-01\')',
                [1000 + number],
            )
            connection.execute('UPDATE "ModelMetric" SET "commentCount" = "commentCount" + 1 WHERE "modelId" = 1')
            connection.execute("DELETE FROM metrics.outbox")
            connection.execute("INSERT INTO metrics.publish_queue VALUES ('Model', 1, 1)")
            connection.execute(
                "INSERT INTO metrics.batch_total VALUES (%s, 'Model', 1, '{Comment}', ARRAY[%s]::bigint[])",
                [number, total],
            )
        world.set_event(stores, day, 1, version, event_key=number)
        world.set_day(stores, day, number, version)
        world.set_total(stores, "Model", 1, "Comment", total, version)
        connection.execute("DELETE FROM metrics.batch_total")
        stores.redis.hset("entity:metrics:Model:1", "Comment", total)
        connection.execute("DELETE FROM metrics.publish_queue")


@contextmanager
def running(step: Callable[[int], None]) -> Iterator[None]:
    """Repeat the step, numbered from 1, in another thread; what it raises is raised at the end."""
    stop, failures = threading.Event(), list[BaseException]()

    def repeat() -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            try:
                step(number)
            except BaseException as error:  # noqa: BLE001 - raised again by the test's own thread
                failures.append(error)
                return

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]

"""Ticks, rebuilds and writers side by side: whatever they do to each other, the next tick ends exact."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from metrics_assets.pipeline import passes
from metrics_assets.pipeline.drain import drain_chunk
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.sample.traffic import apply_random_change
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets.stores.postgres import Connection
from metrics_assets_tests.pipeline import victim
from metrics_assets_tests.pipeline.application import TODAY, one, tick_exact, write

Work = Callable[[Stores], object]


def _side_by_side(settings: Settings, *works: Work) -> None:
    """Each work in a thread with stores of its own, all starting at once; errors come out."""
    barrier = threading.Barrier(len(works))

    def run(work: Work) -> None:
        with open_stores(settings, run="beside") as stores:
            barrier.wait()
            work(stores)

    with ThreadPoolExecutor(len(works)) as threads:
        for running in [threads.submit(run, work) for work in works]:
            running.result(timeout=240)


def test_a_table_that_another_tick_finds_emptied_after_this_one_has_told_clickhouse(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees the other one's marker, and rebuilds the table before that one has sent a row that the TRUNCATE took."""
    really = passes.rebuild_marked_sources

    def rebuild_after_another_has_drained(stores: Stores, connection: Connection, deadline: float) -> tuple[str, ...]:
        monkeypatch.undo()
        with open_stores(settings, run="other") as other:
            write(other, 'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1)', 'TRUNCATE "Comment"')
            passes.Collect(other, settings).count()
        return really(stores, connection, deadline)

    monkeypatch.setattr(passes, "rebuild_marked_sources", rebuild_after_another_has_drained)
    tick(filled, settings)
    tick_exact(filled, settings)


def _hammer(seed: int, changes: int) -> Work:
    def work(stores: Stores) -> None:
        rng = random.Random(seed)
        for _ in range(changes):
            apply_random_change(stores, rng)

    return work


@contextmanager
def _rows_to_drain(stores: Stores, rows: int) -> Iterator[None]:
    write(
        stores,
        'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended, "createdAt") '
        "SELECT 5000 + n, 1 + n % 2, 10 + n % 2 * 10, 5000 + n, n % 3 > 0, localtimestamp - n % 9 * interval '1 day' "
        f"FROM generate_series(1, {rows}) n",
        'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id > 5000 AND id % 2 = 0',
        'DELETE FROM "ResourceReview" WHERE id > 5000 AND id % 5 = 0',
        'UPDATE "ModelVersion" SET "baseModel" = \'Pony\' WHERE id = 10',
    )
    yield
    assert one(stores, "SELECT count(*) FROM metrics.outbox") == 0


@pytest.mark.usefixtures("sessions")
def test_two_ticks_of_one_set_at_once_count_everything_once(filled: Stores, settings: Settings) -> None:
    chunked = settings.model_copy(update={"drain_chunk_rows": 20, "set_chunk_keys": 2})
    with _rows_to_drain(filled, 100):
        _side_by_side(settings, *[lambda stores: tick(stores, chunked, ["review_stats"])] * 2)
    tick_exact(filled, settings)


@pytest.mark.usefixtures("sessions")
@pytest.mark.slow
def test_two_ticks_of_everything_beside_a_writer_end_exact(filled: Stores, settings: Settings) -> None:
    def ticks(stores: Stores) -> None:
        for _ in range(3):
            tick(stores, settings)

    _side_by_side(settings, ticks, ticks, _hammer(11, 80))
    tick_exact(filled, settings)


@pytest.mark.usefixtures("sessions")
def test_a_tick_beside_a_rebuild_of_the_same_day_and_a_writer_ends_exact(filled: Stores, settings: Settings) -> None:
    def ticks(stores: Stores) -> None:
        for _ in range(4):
            tick(stores, settings)

    def rebuilds(stores: Stores) -> None:
        for asset in ("base_model_metrics", "model_metrics"):
            rebuild(stores, settings, asset, TODAY, TODAY)

    _side_by_side(settings, ticks, rebuilds, _hammer(12, 80))
    tick_exact(filled, settings)


@pytest.mark.usefixtures("sessions")
@pytest.mark.slow
def test_two_rebuilds_of_overlapping_ranges_beside_ticks_end_exact(filled: Stores, settings: Settings) -> None:
    chunked = settings.model_copy(update={"drain_chunk_rows": 7, "set_chunk_keys": 3})

    def ticks(stores: Stores) -> None:
        for _ in range(10):
            tick(stores, chunked)

    _side_by_side(
        settings,
        ticks,
        lambda stores: rebuild(stores, settings, "model_metrics", settings.start_date, TODAY),
        lambda stores: rebuild(stores, settings, "review_stats", settings.start_date, TODAY),
        lambda stores: rebuild(stores, settings, "entity_metric_events", settings.start_date, TODAY),
        _hammer(13, 200),
        _hammer(14, 200),
    )
    tick_exact(filled, settings)


@pytest.mark.slow
def test_two_processes_drain_one_outbox_in_small_chunks(filled: Stores, settings: Settings) -> None:
    with _rows_to_drain(filled, 60):
        processes = [victim.start(settings, "tick", METRICS_DRAIN_CHUNK_ROWS="5") for _ in range(2)]
        assert [process.wait(timeout=120) for process in processes] == [0, 0]
    tick_exact(filled, settings)


@pytest.mark.slow
def test_a_drain_and_the_set_that_shows_the_same_pairs_do_not_fail_each_other(
    filled: Stores, settings: Settings
) -> None:
    """Both write base_model_total; whoever comes second starts over."""

    def drains(stores: Stores) -> None:
        for number in range(12):
            write(
                stores, f'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE "userId" = {1 + number % 6}'
            )
            with stores.postgres.connection() as connection:
                drain_chunk(connection, chunk_rows=1000)

    def refreshes(stores: Stores) -> None:
        for _ in range(6):
            tick(stores, settings, ["review_stats"])

    _side_by_side(settings, drains, refreshes)
    tick_exact(filled, settings)

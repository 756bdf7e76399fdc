"""Writers that are still open while ticks and rebuilds go by are counted when they commit, whatever the order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import (
    TODAY,
    in_transaction,
    model_counter,
    one,
    review,
    tick_exact,
    write,
)

_ASSETS = ("entity_metric_events", "model_metrics", "review_stats", "base_model_metrics", "model_collection_metrics")


@pytest.fixture
def writers(settings: Settings) -> Iterator[list[psycopg.Connection]]:
    """Two connections of the application, in a transaction each."""
    with ExitStack() as stack:
        yield [stack.enter_context(psycopg.connect(settings.postgres_dsn or "")) for _ in range(2)]


def test_a_writer_open_over_three_ticks_and_a_rebuild_counts_when_it_commits(
    filled: Stores, settings: Settings, writers: list[psycopg.Connection]
) -> None:
    writer = writers[0]
    before = model_counter(filled, "thumbsUpCount")
    writer.execute(review(1000, user=700).encode())
    writer.execute(b'DELETE FROM "Comment" WHERE id = 3')
    for number in range(3):
        write(filled, review(1100 + number, user=710 + number))
        tick_exact(filled, settings)
    for asset in _ASSETS:
        rebuild(filled, settings, asset, settings.start_date, TODAY)
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 3
    writer.commit()
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 4


@pytest.mark.slow
def test_a_writer_that_began_first_and_commits_last_is_counted(
    filled: Stores, settings: Settings, writers: list[psycopg.Connection]
) -> None:
    before = model_counter(filled, "thumbsUpCount")
    first, second = writers
    first.execute(review(1000, user=700).encode())
    second.execute(review(1001, user=701).encode())
    second.commit()
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 1
    first.commit()
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 2


def test_a_late_commit_beats_a_rebuild_that_began_before_it(
    filled: Stores, settings: Settings, writers: list[psycopg.Connection]
) -> None:
    writers[0].execute(b'UPDATE "ResourceReview" SET recommended = false WHERE "modelVersionId" = 10')
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    writers[0].commit()
    tick_exact(filled, settings)
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    tick_exact(filled, settings)


@pytest.mark.slow
def test_what_is_rolled_back_is_never_counted(filled: Stores, settings: Settings) -> None:
    before = model_counter(filled, "thumbsUpCount")
    in_transaction(filled, lambda connection: connection.execute(review(1000).encode()), keep=False)
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before


@pytest.mark.slow
def test_a_savepoint_that_is_rolled_back_takes_only_its_own_rows_along(filled: Stores, settings: Settings) -> None:
    before = model_counter(filled, "thumbsUpCount")

    def work(connection: psycopg.Connection) -> None:
        connection.execute(review(1000, user=700).encode())
        connection.execute("SAVEPOINT attempt")
        connection.execute(review(1001, user=701).encode())
        connection.execute('UPDATE "ResourceReview" SET exclude = true WHERE id = 1000')
        connection.execute("ROLLBACK TO attempt")

    in_transaction(filled, work)
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 1


def test_a_prepared_transaction_counts_when_it_is_committed(filled: Stores, settings: Settings) -> None:
    before = model_counter(filled, "thumbsUpCount")
    name = str(one(filled, "SELECT current_database()"))  # the names of prepared transactions are the whole server's
    with psycopg.connect(settings.postgres_dsn or "", autocommit=True) as writer:
        writer.execute("BEGIN")
        writer.execute(review(1000).encode())
        writer.execute(f"PREPARE TRANSACTION '{name}'".encode())
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before
    write(filled, f"COMMIT PREPARED '{name}'")
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 1


@pytest.mark.slow
def test_a_key_that_changes_hands_between_open_writers_ends_as_the_last_one_left_it(
    filled: Stores, settings: Settings, writers: list[psycopg.Connection]
) -> None:
    first, second = writers
    first.execute(b'DELETE FROM "Comment" WHERE id = 1')
    tick_exact(filled, settings)
    first.commit()
    second.execute(b'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (1, 3, 9)')
    tick_exact(filled, settings)
    second.commit()
    tick_exact(filled, settings)

"""Rows without a time, of the far past, and of the future."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline.backlog import backlog
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import TODAY, one, read, review, tick_exact, version_counter, write

_REJECTED = "SELECT source, source_key FROM metrics.rejected"


@pytest.mark.parametrize(
    "at",
    [
        "NULL",
        "'-infinity'",
        *(pytest.param(at, marks=pytest.mark.slow) for at in ("'0001-01-01'", "'0044-03-15 BC'", "'1850-01-01'")),
    ],
)
def test_a_row_of_no_time_or_the_far_past_counts_or_is_kept_aside(filled: Stores, settings: Settings, at: str) -> None:
    write(filled, review(1000, at=at), review(1001, user=501, at="localtimestamp - interval '400 days'"))
    tick_exact(filled, settings)
    rebuild(filled, settings, "model_metrics", settings.start_date, settings.start_date)
    tick_exact(filled, settings)
    counted = version_counter(filled, "thumbsUpCount") - 5 - 1
    assert counted + len(read(filled, _REJECTED)) == 1


def test_a_row_of_the_future_is_kept_aside_until_its_date_is_mended(filled: Stores, settings: Settings) -> None:
    write(filled, review(1000, at="localtimestamp + interval '3 days'"))
    tick_exact(filled, settings)
    assert read(filled, _REJECTED) == [("ResourceReview", "1000")]
    assert version_counter(filled, "thumbsUpCount") == 5
    for asset in ("model_metrics", "entity_metric_events", "base_model_metrics"):
        rebuild(filled, settings, asset, settings.start_date, TODAY)
    tick_exact(filled, settings)
    assert version_counter(filled, "thumbsUpCount") == 5
    write(filled, 'UPDATE "ResourceReview" SET "createdAt" = localtimestamp WHERE id = 1000')
    tick_exact(filled, settings)
    assert read(filled, _REJECTED) == []
    assert version_counter(filled, "thumbsUpCount") == 6


@pytest.mark.slow
def test_a_row_within_the_next_day_counts_at_once(filled: Stores, settings: Settings) -> None:
    write(filled, review(1000, at="localtimestamp + interval '20 hours'"))
    tick_exact(filled, settings)
    assert version_counter(filled, "thumbsUpCount") == 6


def test_a_row_of_the_future_counts_by_itself_when_its_day_has_come(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        review(1000, at="localtimestamp + interval '3 days'"),
        review(1001, user=501, at="localtimestamp + interval '3 days'"),
    )
    tick_exact(filled, settings)
    with filled.postgres.connection() as connection, connection.transaction():
        # the days go by: the row's date, unseen by capture as if it had always been that, and when it is due
        connection.execute('ALTER TABLE "ResourceReview" DISABLE TRIGGER metrics_capture_update')
        connection.execute(
            'UPDATE "ResourceReview" SET "createdAt" = "createdAt" - interval \'3 days\' WHERE id = 1000'
        )
        connection.execute('ALTER TABLE "ResourceReview" ENABLE ALWAYS TRIGGER metrics_capture_update')
        connection.execute("UPDATE metrics.rejected SET due_at = localtimestamp WHERE source_key = '1000'")
    assert backlog(filled, "model_metrics").outbox_rows == 1
    tick_exact(filled, settings)
    assert read(filled, _REJECTED) == [("ResourceReview", "1001")]
    assert version_counter(filled, "thumbsUpCount") == 6


@pytest.mark.slow
def test_a_rejected_row_that_is_deleted_is_forgotten(filled: Stores, settings: Settings) -> None:
    future = "localtimestamp + interval '3 days'"
    write(filled, review(1000, at=future), review(1001, user=501, at=future))
    tick_exact(filled, settings)
    write(filled, 'DELETE FROM "ResourceReview" WHERE id = 1000')
    tick_exact(filled, settings)
    assert read(filled, _REJECTED) == [("ResourceReview", "1001")]
    write(filled, 'TRUNCATE "ResourceReview"')
    tick_exact(filled, settings)
    assert read(filled, _REJECTED) == []


def test_a_rebuild_before_the_tick_does_not_count_a_row_of_the_future(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        review(1000, at="localtimestamp + interval '3 days'"),
        'INSERT INTO "Comment" (id, "modelId", "userId", "createdAt") VALUES (900, 1, 1, \'infinity\')',
    )
    rebuild(filled, settings, "model_metrics", TODAY, TODAY)
    tick_exact(filled, settings)
    assert one(filled, "SELECT count(*) FROM metrics.rejected") == 2


@pytest.mark.slow
def test_a_member_with_a_future_row_counts_by_its_other_row(filled: Stores, settings: Settings) -> None:
    """One user, two versions of a model: the model counts the user while one of the two rows counts."""
    write(
        filled,
        review(1000, version=10, user=700, at="localtimestamp + interval '3 days'"),
        review(1001, version=11, user=700),
    )
    tick_exact(filled, settings)
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    tick_exact(filled, settings)
    write(filled, 'DELETE FROM "ResourceReview" WHERE id = 1001')
    tick_exact(filled, settings)


def test_a_row_of_the_future_on_either_side_of_a_truncate_is_kept_aside_as_it_is_now(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        review(1000, at="localtimestamp + interval '3 days'"),
        'TRUNCATE "ResourceReview"',
        review(1000, at="localtimestamp + interval '5 days'"),
    )
    tick_exact(filled, settings)
    kept = """SELECT r.due_at = s."createdAt" - interval '1 day', (r.value ->> 'createdAt')::timestamp = s."createdAt"
              FROM metrics.rejected r JOIN "ResourceReview" s ON s.id::text = r.source_key"""
    assert read(filled, kept) == [(True, True)]

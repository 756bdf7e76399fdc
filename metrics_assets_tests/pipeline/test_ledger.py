"""What every pass leaves written: the ledger, the days it touched, the search queue; pausing and recomputing."""

from __future__ import annotations

import datetime as dt

import pytest

from metrics_assets.catalog import SETS
from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline.backlog import backlog
from metrics_assets.pipeline.control import recompute
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.state import complete_through, pause, resume
from metrics_assets.pipeline.tick import tick
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
    write,
)


def test_a_tick_leaves_one_row_for_each_pass_with_what_it_did(filled: Stores, settings: Settings) -> None:
    last = one(filled, "SELECT max(id) FROM metrics.ledger")
    write(filled, review(1000, at="localtimestamp - interval '5 days'"), 'DELETE FROM "Comment" WHERE id = 3')
    tick(filled, settings, run_id="run-7")
    rows = {
        name: rest
        for name, *rest in read(
            filled,
            "SELECT set_name, mode, run_id, outcome, rows_read, rows_written, backlog_before, backlog_after "
            f"FROM metrics.ledger WHERE id > {last}",
        )
    }
    assert set(rows) == {"entity_metric_events", "entity_metric_daily", *(metric_set.name for metric_set in SETS)}
    # a review counts for its version and its model; a comment for its model, and its row gets value 0
    assert rows["entity_metric_events"] == ["tick", "run-7", "done", 2, 3, 2, 0]
    assert rows["model_metrics"] == ["tick", "run-7", "done", 2, 2, 2, 0]
    assert rows["review_stats"][:5] == ["tick", "run-7", "done", 1, 1]
    assert rows["model_collection_metrics"] == ["tick", "run-7", "done", 0, 0, 0, 0]


@pytest.mark.slow
def test_a_rebuild_leaves_one_row_with_its_days(filled: Stores, settings: Settings) -> None:
    first = TODAY - dt.timedelta(days=20)
    rebuild(filled, settings, "review_stats", first, TODAY, run_id="run-8")
    found = read(
        filled,
        "SELECT set_name, mode, run_id, outcome, first_day, last_day, rows_written > 0 FROM metrics.ledger "
        "ORDER BY id DESC LIMIT 1",
    )
    assert found == [("review_stats", "rebuild", "run-8", "done", first, TODAY, True)]
    built = "SELECT count(*) FROM metrics.day_state WHERE set_name = 'review_stats' AND built_at IS NOT NULL"
    assert one(filled, built) == 21


@pytest.mark.slow
def test_older_days_that_a_tick_touched_are_named_and_remembered(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        review(1000, at="localtimestamp - interval '5 days'"),
        review(1001, user=501, at="localtimestamp - interval '9 days'"),
        review(1002, user=502),
    )
    began = one(filled, "SELECT clock_timestamp()")
    events = tick(filled, settings).reports[0]
    days = (TODAY - dt.timedelta(days=9), TODAY - dt.timedelta(days=5))
    assert (events.older_days.count, events.older_days.oldest, events.older_days.first) == (2, days[0], days)
    changed = read(
        filled,
        f"SELECT day FROM metrics.day_state WHERE set_name = 'model_metrics' AND changed_at >= '{began.isoformat()}'",
    )
    assert set(days) <= {day for (day,) in changed}


def test_a_set_names_the_older_days_of_the_tables_and_logs_that_it_counts(filled: Stores, settings: Settings) -> None:
    tick_exact(filled, settings)
    download(filled, at="now() - INTERVAL 6 DAY")
    write(filled, 'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900, 1, 1)')
    write(filled, 'UPDATE "Comment" SET "createdAt" = localtimestamp - interval \'4 days\' WHERE id = 900')
    reports = {report.set_name: report.older_days.first for report in tick(filled, settings).reports}
    downloaded, commented = TODAY - dt.timedelta(days=6), TODAY - dt.timedelta(days=4)
    assert reports["model_metrics"] == (downloaded, commented)
    assert reports["base_model_metrics"] == (downloaded,)
    assert reports["review_stats"] == reports["model_collection_metrics"] == ()
    assert {report.older_days.count for report in tick(filled, settings).reports} == {0}


def test_changed_entities_enter_the_search_queue_once_each_with_the_reason(filled: Stores, settings: Settings) -> None:
    write(filled, "TRUNCATE metrics.search_queue")
    for number in range(3):
        write(
            filled,
            review(1000 + number, user=500 + number),
            f'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES ({900 + number}, 1, 2)',
        )
        tick_exact(filled, settings)
    assert read(filled, "SELECT entity_type::text, entity_id, reason FROM metrics.search_queue ORDER BY 1, 2") == [
        ("Model", 1, "model_metrics"),
        ("Model", 2, "model_collection_metrics"),
        ("ModelVersion", 10, "model_metrics"),
    ]


def test_a_run_writes_the_contributions_of_its_days_once(filled: Stores, settings: Settings) -> None:
    """A backfill materializes three assets or more in one run."""
    events = rebuild(filled, settings, "entity_metric_events", settings.start_date, TODAY, run_id="run-9")
    write(filled, review(1000), 'DELETE FROM "Comment" WHERE id = 2')
    later = [
        rebuild(filled, settings, asset, settings.start_date, TODAY, run_id="run-9")
        for asset in ("entity_metric_daily", "model_metrics")
    ]
    assert events.rows_read > 0
    assert [report.rows_read for report in later] == [0, 0]
    tick_exact(filled, settings)


def test_days_that_a_run_has_not_rebuilt_yet_are_not_skipped(filled: Stores, settings: Settings) -> None:
    rebuild(filled, settings, "entity_metric_events", TODAY, TODAY, run_id="run-9")
    assert rebuild(filled, settings, "model_metrics", settings.start_date, TODAY, run_id="run-9").rows_read > 0
    assert rebuild(filled, settings, "model_metrics", settings.start_date, TODAY).rows_read > 0


def test_a_paused_set_keeps_what_it_shows_and_catches_up_when_it_is_resumed(filled: Stores, settings: Settings) -> None:
    before = model_counter(filled, "thumbsUpCount")
    pause(filled, "model_metrics", "a migration")
    write(filled, review(1000), 'INSERT INTO "CollectionItem" (id, "collectionId", "modelId") VALUES (900, 1, 1)')
    report = tick(filled, settings)
    paused = next(pass_ for pass_ in report.reports if pass_.set_name == "model_metrics")
    assert (paused.outcome, paused.detail["why"]) == ("paused", "a migration")
    assert model_counter(filled, "thumbsUpCount") == before
    assert model_counter(filled, "collectedCount") == 5
    assert backlog(filled, "model_metrics").dirty_keys > 0
    rebuilt = rebuild(filled, settings, "model_metrics", TODAY, TODAY)
    assert (rebuilt.outcome, rebuilt.detail["why"]) == ("paused", "a migration")
    assert model_counter(filled, "thumbsUpCount") == before
    resume(filled, "model_metrics")
    tick_exact(filled, settings)
    assert model_counter(filled, "thumbsUpCount") == before + 1


@pytest.mark.slow
def test_a_set_is_complete_through_the_start_of_its_last_whole_tick(filled: Stores, settings: Settings) -> None:
    first = complete_through(filled, "model_metrics")
    tick_exact(filled, settings)
    second = complete_through(filled, "model_metrics")
    assert first is not None
    assert second is not None
    assert first < second <= dt.datetime.now(dt.UTC)


@pytest.mark.slow
def test_the_backlog_counts_what_waits_and_nothing_after_a_tick(filled: Stores, settings: Settings) -> None:
    write(filled, review(1000), review(1001, user=501))
    waiting = backlog(filled, "model_metrics")
    assert (waiting.outbox_rows, waiting.log_rows) == (2, 0)
    assert waiting.oldest_captured_at is not None
    tick_exact(filled, settings)
    assert backlog(filled, "model_metrics").total == 0


@pytest.mark.slow
def test_recomputed_entities_are_right_again_with_their_parents(filled: Stores, settings: Settings) -> None:
    write(filled, "UPDATE metrics.leaf_total SET total = total + 9 WHERE entity_id IN (1, 10)")
    write(filled, 'UPDATE "ModelVersionMetric" SET "downloadCount" = 999 WHERE "modelVersionId" = 10')
    assert recompute(filled, settings, "ModelVersion", [10]) > 1
    assert recompute(filled, settings, "Model", [1]) > 1
    tick_exact(filled, settings)
    with pytest.raises(ConfigurationError, match="Planet"):
        recompute(filled, settings, "Planet", [1])
    assert_exact(filled)

"""Users, models and versions that operators leave out of every counter, and take back: in every store, whatever else
happens meanwhile."""

from __future__ import annotations

import datetime as dt

import pytest

from metrics_assets.catalog import LOGS, SETS
from metrics_assets.pipeline import left_out, schema, state
from metrics_assets.pipeline.backlog import backlog
from metrics_assets.pipeline.control import recompute
from metrics_assets.pipeline.drain import drain_chunk
from metrics_assets.pipeline.explain import explain
from metrics_assets.pipeline.logs import waiting_rows
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import collect, tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.verify import verify
from metrics_assets_tests.pipeline.application import (
    TODAY,
    download,
    job,
    model_counter,
    one,
    review,
    tick_exact,
    version_counter,
    write,
)
from metrics_assets_tests.pipeline.hand_count import Numbers, shown, tick_exact_by_hand

_SETS = tuple(metric_set.name for metric_set in SETS)


def _exclude(stores: Stores, *users: int) -> None:
    write(stores, *(f"INSERT INTO metrics.excluded_user (user_id) VALUES ({user})" for user in users))


def _admit(stores: Stores, *users: int) -> None:
    write(stores, *(f"DELETE FROM metrics.excluded_user WHERE user_id = {user}" for user in users))


def _exclude_resource(stores: Stores, entity: str, number: int) -> None:
    write(stores, f"INSERT INTO metrics.excluded_resource (entity_type, entity_id) VALUES ('{entity}', {number})")


def _not_zero(numbers: Numbers) -> Numbers:
    return {at: value for at, value in numbers.items() if value}


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.slow), 1000])
def small(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Chunks of one row, and of more than there are."""
    return settings.model_copy(update={"drain_chunk_rows": request.param, "set_chunk_keys": request.param})


def test_a_user_counts_nowhere_while_excluded_and_everywhere_again(filled: Stores, small: Settings) -> None:
    before = shown(filled)
    _exclude(filled, 1)
    tick_exact_by_hand(filled, small)
    without = shown(filled)
    assert {at[2] for at, value in before.items() if without.get(at, 0) < value} >= {
        *("downloadCount", "generationCount", "thumbsUpCount", "commentCount", "collectedCount", "imageCount"),
        *("tippedCount", "tippedAmountCount"),
    }
    _admit(filled, 1)
    tick_exact_by_hand(filled, small)
    assert _not_zero(shown(filled)) == _not_zero(before)


def test_everybody_is_excluded(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        "INSERT INTO metrics.excluded_user (user_id) SELECT generate_series(-1, 1000)",
        'UPDATE "CollectionItem" SET "addedById" = 1',
    )
    tick_exact_by_hand(filled, settings)
    assert not any(shown(filled).values())
    write(filled, "TRUNCATE metrics.excluded_user")
    tick_exact_by_hand(filled, settings)
    assert model_counter(filled, "downloadCount") > 0


def test_an_excluded_user_goes_on_and_others_change_beside_him(filled: Stores, small: Settings) -> None:
    _exclude(filled, 3)
    tick_exact_by_hand(filled, small)
    write(
        filled,
        'UPDATE "ResourceReview" SET recommended = NOT recommended',
        'DELETE FROM "ResourceReview" WHERE "userId" = 3 AND "modelVersionId" IN (10, 11)',
        review(1000, user=3, version=10),
        review(1001, user=77, version=11),
        'UPDATE "ResourceReview" SET "userId" = 3 WHERE id = 1001',
        'UPDATE "ResourceReview" SET "modelId" = 2 WHERE "userId" IN (3, 4)',
        'UPDATE "Comment" SET "userId" = 7 - "userId" WHERE "userId" IN (3, 4)',
        'UPDATE "Image" SET "userId" = 3 WHERE id < 4',
    )
    download(filled, user=3)
    job(filled, "new", user=3)
    job(filled, "new", user=4)
    tick_exact_by_hand(filled, small)
    write(filled, 'UPDATE "ResourceReview" SET recommended = NOT recommended')
    _admit(filled, 3)
    tick_exact_by_hand(filled, small)


@pytest.mark.parametrize("asset", ["entity_metric_events", "model_metrics"])
def test_excluded_for_a_moment_in_which_everything_was_rebuilt(filled: Stores, settings: Settings, asset: str) -> None:
    _exclude(filled, 1, 2)
    rebuild(filled, settings, asset, settings.start_date, TODAY)
    _admit(filled, 1, 2)
    tick_exact_by_hand(filled, settings)


def test_admitted_for_a_moment_in_which_everything_was_rebuilt(filled: Stores, settings: Settings) -> None:
    _exclude(filled, 1, 2)
    tick_exact_by_hand(filled, settings)
    _admit(filled, 1, 2)
    rebuild(filled, settings, "model_metrics", settings.start_date, TODAY)
    _exclude(filled, 1, 2)
    tick_exact_by_hand(filled, settings)


@pytest.mark.parametrize("asset", ["entity_metric_daily", *_SETS])
def test_a_rebuild_of_some_days_leaves_out_whom_no_tick_has_left_out_yet(
    filled: Stores, settings: Settings, asset: str
) -> None:
    _exclude(filled, 1, 2)
    rebuild(filled, settings, asset, TODAY - dt.timedelta(days=3), TODAY - dt.timedelta(days=1))
    tick_exact_by_hand(filled, settings)


def test_an_entity_is_counted_anew_before_a_tick_has_left_out_a_user(filled: Stores, settings: Settings) -> None:
    _exclude(filled, 1, 2)
    recompute(filled, settings, "ModelVersion", [10])
    tick_exact_by_hand(filled, settings)


def test_a_count_of_a_log_that_died_after_it_had_noted_whom_to_leave_out(filled: Stores, settings: Settings) -> None:
    _exclude(filled, 1)
    with filled.postgres.connection() as connection:
        assert [left_out.note_changes(connection, log) for log in LOGS] == [(1,), (1,)]
        _admit(filled, 1)
        _exclude(filled, 2)
        assert [set(left_out.note_changes(connection, log)) for log in LOGS] == [{1, 2}, {1, 2}]
    tick_exact_by_hand(filled, settings)
    with filled.postgres.connection() as connection:
        assert [left_out.note_changes(connection, log) for log in LOGS] == [(), ()]


def test_who_is_left_out_of_logs_is_sent_once(filled: Stores, settings: Settings) -> None:
    _exclude(filled, 1, 2, -3)
    for user in (1, 5, 6):
        download(filled, user=user)
        tick_exact(filled, settings)
    sent = "SELECT token, count() FROM entityMetricTouched WHERE entityType = 'User' GROUP BY token"
    assert [number for _, number in filled.clickhouse.rows(sent)] == [3]


def test_whose_downloads_are_still_counted_is_a_backlog(filled: Stores, settings: Settings) -> None:
    """The drain has taken it, and nothing of it waits but the logs: ClickHouse was away."""
    download(filled, user=4711)
    tick_exact(filled, settings)
    _exclude(filled, 4711)
    collect(filled, settings)
    with filled.postgres.connection() as connection:
        assert [waiting_rows(filled, connection, log) > 0 for log in LOGS] == [True, True]
    assert not backlog(filled, "model_metrics").nothing
    tick_exact_by_hand(filled, settings)
    assert backlog(filled, "model_metrics").nothing


@pytest.mark.slow
def test_many_are_excluded_and_admitted_at_once(filled: Stores, settings: Settings) -> None:
    write(filled, "INSERT INTO metrics.excluded_user (user_id) SELECT generate_series(2, 100000)")
    assert verify(filled, []).ok
    tick_exact_by_hand(filled, settings)
    write(filled, "DELETE FROM metrics.excluded_user")
    assert verify(filled, []).ok
    tick_exact_by_hand(filled, settings)


def test_a_row_ahead_of_its_time_of_somebody_excluded(filled: Stores, settings: Settings) -> None:
    ahead = "localtimestamp + interval '3 days'"
    _exclude(filled, 700)
    write(filled, review(1000, user=700, at=ahead), review(1001, user=701, at=ahead))
    tick_exact_by_hand(filled, settings)
    _exclude(filled, 701)
    _admit(filled, 700)
    tick_exact_by_hand(filled, settings)
    write(filled, 'UPDATE "ResourceReview" SET "createdAt" = localtimestamp WHERE id >= 1000')
    tick_exact_by_hand(filled, settings)
    _admit(filled, 701)
    tick_exact_by_hand(filled, settings)


def test_changes_that_stay_in_the_outbox_of_a_user_who_is_excluded(filled: Stores, settings: Settings) -> None:
    """A drain of a few rows leaves others of the same user and model; none of them counted before either."""
    _exclude(filled, 2)
    tick_exact(filled, settings)
    write(filled, 'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE "userId" IN (2, 3)')
    with filled.postgres.connection() as connection:
        drain_chunk(connection, chunk_rows=3)
    tick_exact_by_hand(filled, settings)


def test_excluded_with_most_changes_of_the_user_still_in_the_outbox(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        'UPDATE "ResourceReview" SET recommended = NOT recommended, "createdAt" = "createdAt" - interval \'1 day\'',
    )
    with filled.postgres.connection() as connection:
        drain_chunk(connection, chunk_rows=3)
        _exclude(filled, 2)
        drain_chunk(connection, chunk_rows=3)
    tick_exact_by_hand(filled, settings)


@pytest.mark.parametrize(("entity", "number"), [("ModelVersion", 10), ("ModelVersion", 20), ("Model", 1)])
def test_a_resource_reads_as_zero_while_excluded(filled: Stores, small: Settings, entity: str, number: int) -> None:
    before = shown(filled)
    _exclude_resource(filled, entity, number)
    tick_exact_by_hand(filled, small)
    assert _not_zero(shown(filled)) != _not_zero(before)
    if entity == "Model":
        assert model_counter(filled, "thumbsUpCount") == model_counter(filled, "collectedCount") == 0
    else:
        assert version_counter(filled, "downloadCount", number) == 0
    write(filled, "DELETE FROM metrics.excluded_resource")
    tick_exact_by_hand(filled, small)
    assert _not_zero(shown(filled)) == _not_zero(before)


def test_an_excluded_version_goes_on_moves_and_comes_back(filled: Stores, small: Settings) -> None:
    _exclude_resource(filled, "ModelVersion", 20)
    tick_exact_by_hand(filled, small)
    for change in (
        review(1000, version=20, model=2, user=900),
        'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE "modelVersionId" IN (20, 21)',
        'UPDATE "Post" SET "publishedAt" = localtimestamp',
        'UPDATE "ModelVersion" SET "modelId" = 1 WHERE id = 20',
        "UPDATE \"ModelVersion\" SET status = 'Draft' WHERE id IN (20, 21)",
        "UPDATE \"ModelVersion\" SET status = 'Published' WHERE id IN (20, 21)",
        'DELETE FROM "ModelVersion" WHERE id = 20',
        'INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES (20, 2, \'SDXL\', \'Published\')',
        "UPDATE metrics.excluded_resource SET entity_id = 21",
        "TRUNCATE metrics.excluded_resource",
    ):
        write(filled, change)
        download(filled, version=20)
        download(filled, version=21)
        tick_exact_by_hand(filled, small)


def test_a_version_excluded_between_drain_and_log(filled: Stores, settings: Settings) -> None:
    """The log moves sums by what is excluded now; the next drain sums anew."""
    download(filled, version=20)
    download(filled, version=10, user=77)
    collect(filled, settings)
    _exclude_resource(filled, "ModelVersion", 20)
    tick(filled, settings, ["model_metrics"])
    write(filled, "DELETE FROM metrics.excluded_resource")
    download(filled, version=20, user=78)
    tick_exact_by_hand(filled, settings)


def test_what_is_excluded_waits_for_a_tick_and_is_no_difference(filled: Stores, settings: Settings) -> None:
    _exclude(filled, 1)
    _exclude_resource(filled, "ModelVersion", 30)
    report = verify(filled, [])
    assert report.ok, report.differences[:5]
    assert sum(verdict.pending for verdict in report.sets)
    collect(filled, settings)
    assert verify(filled, []).ok


@pytest.mark.parametrize("counter", ["downloadCount", "thumbsUpCount", "imageCount", "tippedAmountCount"])
def test_a_number_without_what_is_excluded_is_explained(filled: Stores, settings: Settings, counter: str) -> None:
    write(
        filled,
        "INSERT INTO metrics.excluded_resource (entity_type, entity_id, reason) VALUES"
        " ('ModelVersion', 10, 'ticket 92'), ('Model', 2, '')",
        "INSERT INTO metrics.excluded_user (user_id) VALUES (2)",
    )
    tick_exact(filled, settings)
    version, model = explain(filled, "ModelVersion", 10, counter), explain(filled, "Model", 1, counter)
    assert (version.agrees, version.listed_sum, version.excluded_versions) == (True, 0, ())
    assert (version.excluded or "").endswith("UTC: ticket 92")
    of_versions = () if counter == "thumbsUpCount" else (10,)
    assert (model.agrees, model.excluded, model.excluded_versions) == (True, None, of_versions)
    assert explain(filled, "Model", 2, counter).agrees
    write(filled, "INSERT INTO metrics.excluded_resource (entity_type, entity_id) VALUES ('User', 1)")
    assert state.excluded(filled) == {"Model": 1, "ModelVersion": 1, "User": 1}


def test_capture_of_exclusions_that_is_installed_after_they_were_made(filled: Stores, settings: Settings) -> None:
    write(
        filled,
        *(
            f"DROP TRIGGER metrics_capture_{event} ON metrics.{table}"
            for table in ("excluded_user", "excluded_resource")
            for event in ("insert", "update", "delete", "truncate")
        ),
        "DELETE FROM metrics.capture WHERE source LIKE 'excluded%'",
    )
    _exclude(filled, 1, 2)
    _exclude_resource(filled, "ModelVersion", 10)
    schema.apply(filled)
    tick_exact_by_hand(filled, settings)
    assert one(filled, "SELECT count(*) FROM metrics.capture_marker") == 0

"""The generated data set: the same for the same seed, and shaped like the real thing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest

from metrics_assets.sample.generate import SampleReport, load_sample
from metrics_assets.stores import Stores
from metrics_assets_tests.sample.support import query, table_sizes, value

_END = dt.datetime(2026, 11, 22, 15, 30, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Loaded:
    stores: Stores
    report: SampleReport


@pytest.fixture(scope="module")
def loaded(plain_application: Stores) -> Loaded:
    """A sample of about 30,000 rows, for tests that only look."""
    return Loaded(plain_application, load_sample(plain_application, scale=0.03, seed=1, end=_END))


def test_the_report_says_how_many_rows_every_table_and_log_holds(loaded: Loaded) -> None:
    assert dict(loaded.report.rows) == table_sizes(loaded.stores)
    assert 25_000 < loaded.report.total_rows < 35_000


def test_a_few_versions_get_most_reviews(loaded: Loaded) -> None:
    counts = [
        count
        for (count,) in query(
            loaded.stores, 'SELECT count(*) AS n FROM "ResourceReview" GROUP BY "modelVersionId" ORDER BY n DESC'
        )
    ]
    assert sum(counts[:20]) > 0.3 * sum(counts)
    assert counts[len(counts) // 2] <= counts[0] / 20


def test_models_have_one_to_fifty_versions_most_of_them_one(loaded: Loaded) -> None:
    models_by_versions = dict(
        query(
            loaded.stores,
            'SELECT n, count(*) FROM (SELECT count(*) AS n FROM "ModelVersion" GROUP BY "modelId") AS m GROUP BY n',
        )
    )
    assert min(models_by_versions) == 1
    assert 10 < max(models_by_versions) <= 50
    assert models_by_versions[1] > sum(models_by_versions.values()) / 2


def test_some_models_have_versions_of_several_base_models_and_some_versions_are_not_published(
    loaded: Loaded,
) -> None:
    mixed = value(
        loaded.stores,
        'SELECT count(*) FROM (SELECT FROM "ModelVersion" GROUP BY "modelId" '
        'HAVING count(DISTINCT "baseModel") > 1) AS m',
    )
    statuses = dict(query(loaded.stores, 'SELECT status, count(*) FROM "ModelVersion" GROUP BY status'))
    assert mixed > 0
    assert statuses["Published"] > 0.8 * sum(statuses.values())
    assert {"Draft", "Unpublished"} <= statuses.keys()


def test_one_day_goes_viral_and_weekends_are_busier(loaded: Loaded) -> None:
    by_day = query(
        loaded.stores,
        'SELECT "createdAt"::date AS day, count(*) AS n FROM "ImageReaction" GROUP BY day ORDER BY n DESC',
    )
    assert by_day[0][1] > 2 * by_day[1][1]
    weekend = [count for day, count in by_day[1:] if day.weekday() >= 5]
    weekday = [count for day, count in by_day[1:] if day.weekday() < 5]
    assert sum(weekend) / len(weekend) > 1.2 * sum(weekday) / len(weekday)


def test_the_history_is_months_long_and_ends_at_its_end(loaded: Loaded) -> None:
    first, last = query(loaded.stores, 'SELECT min("createdAt"), max("createdAt") FROM "Comment"')[0]
    end = _END.replace(tzinfo=None)
    assert first < end - dt.timedelta(days=170)
    assert end - dt.timedelta(days=1) < last <= end


def test_a_few_reviews_have_no_date_or_are_older_than_the_first_partition(loaded: Loaded) -> None:
    undated, ancient = query(
        loaded.stores,
        'SELECT count(*) FILTER (WHERE "createdAt" IS NULL), count(*) FILTER (WHERE "createdAt" < %s) '
        'FROM "ResourceReview"',
        dt.datetime(2024, 1, 1),
    )[0]
    assert undated > 0
    assert ancient > 0


def test_some_users_review_several_versions_of_one_model(loaded: Loaded) -> None:
    assert value(loaded.stores, 'SELECT count(*) - count(DISTINCT ("modelId", "userId")) FROM "ResourceReview"') > 0


def test_some_posts_are_drafts_and_some_show_no_version(loaded: Loaded) -> None:
    drafts, of_none = query(
        loaded.stores,
        'SELECT count(*) FILTER (WHERE "publishedAt" IS NULL), count(*) FILTER (WHERE "modelVersionId" IS NULL) '
        'FROM "Post"',
    )[0]
    assert drafts > 0
    assert of_none > 0


@pytest.mark.parametrize(
    ("what", "condition"),
    [
        ("anonymous downloads", "countIf(type = 'Download' AND userId = 0)"),
        ("events that are no downloads", "countIf(type != 'Download')"),
        ("events delivered again", "count() - uniqExact(type, time, userId, modelId, modelVersionId, ip)"),
    ],
)
def test_the_event_log_holds(loaded: Loaded, what: str, condition: str) -> None:
    assert loaded.stores.clickhouse.scalar(f"SELECT {condition} FROM modelVersionEvents") > 0, what


def test_the_event_log_knows_versions_that_are_not_there_yet(loaded: Loaded) -> None:
    newest = value(loaded.stores, 'SELECT max(id) FROM "ModelVersion"')
    unborn = "SELECT count() FROM modelVersionEvents WHERE modelVersionId > {newest:Int32}"
    assert loaded.stores.clickhouse.scalar(unborn, {"newest": newest}) > 0


@pytest.mark.parametrize(
    ("what", "condition"),
    [
        ("delivered again with other resources", "uniqExact(resourcesUsed) > 1"),
        ("delivered again with another time", "uniqExact(createdAt) > 1"),
        ("that use a version twice", "max(length(resourcesUsed) - length(arrayDistinct(resourcesUsed))) > 0"),
    ],
)
def test_there_are_jobs(loaded: Loaded, what: str, condition: str) -> None:
    jobs = f"SELECT count() FROM (SELECT jobId FROM orchestration.jobs GROUP BY jobId HAVING {condition})"
    assert loaded.stores.clickhouse.scalar(jobs) > 0, what


@pytest.mark.slow
def test_a_million_rows_load_in_seconds(fresh_plain_application: Stores, capsys: pytest.CaptureFixture[str]) -> None:
    report = load_sample(fresh_plain_application, scale=1.0, seed=1, end=_END)
    with capsys.disabled():
        print(f"\n{report.total_rows:,} rows loaded in {report.seconds:.1f} s")
    assert 900_000 < report.total_rows < 1_200_000
    assert dict(report.rows) == table_sizes(fresh_plain_application)

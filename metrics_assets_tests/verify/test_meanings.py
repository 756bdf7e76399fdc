"""What counts and what does not: one source row of the small world changes, and the recount follows it."""

from __future__ import annotations

import datetime as dt

import pytest

from metrics_assets.stores import Stores
from metrics_assets.verify import VERIFIED_SETS, Difference, verify
from metrics_assets_tests.verify import world
from metrics_assets_tests.verify.world import change, expected_now


def test_outputs_that_are_right_show_no_difference_in_any_set(small_world: Stores) -> None:
    report = verify(small_world, [])
    assert report.differences == ()
    assert report.ok
    assert [verdict.set_name for verdict in report.sets] == list(VERIFIED_SETS)
    assert {verdict.set_name: verdict.entities_checked for verdict in report.sets} == {
        "model_metrics": 7,
        "model_collection_metrics": 3,
        "review_stats": 2,
        "base_model_metrics": 2,
    }
    assert all(verdict.counters_checked >= verdict.entities_checked for verdict in report.sets)


def test_a_download_delivered_again_is_one_download(small_world: Stores) -> None:
    small_world.clickhouse.command(
        "INSERT INTO modelVersionEvents SELECT * FROM modelVersionEvents WHERE type = 'Download'"
    )
    world.count_logs(small_world)
    assert verify(small_world, []).differences == ()


def test_a_download_that_differs_in_one_column_is_another_download(small_world: Stores) -> None:
    small_world.clickhouse.command(
        "INSERT INTO modelVersionEvents VALUES ('Download', '2024-03-01 10:00:00', 1, 1, 10, 'c')"
    )
    world.count_logs(small_world)
    assert expected_now(small_world) == {
        ("postgres", "ModelVersion", "10", "downloadCount"): 4,
        ("clickhouse totals", "ModelVersion", "10", "Download"): 4,
        ("redis", "ModelVersion", "10", "Download"): 4,
        ("clickhouse daily", "ModelVersion", "10 2024-03-01", "Download"): 3,
        ("postgres", "Model", "1", "downloadCount"): 6,
        ("clickhouse totals", "Model", "1", "Download"): 6,
        ("redis", "Model", "1", "Download"): 6,
        ("postgres", "Model", "1 SDXL", "downloadCount"): 5,
    }


def test_a_job_counts_on_the_earliest_day_of_the_deliveries_that_name_the_version(small_world: Stores) -> None:
    small_world.clickhouse.command(
        "INSERT INTO orchestration.jobs VALUES ('job-b', 0, 'image', '2024-02-01 10:00:00', [10]),"
        " ('job-d', 2, 'image', '2024-02-02 10:00:00', [10])"
    )
    world.count_logs(small_world)
    expected = expected_now(small_world, ["model_metrics"])
    assert {key[2]: total for key, total in expected.items() if key[0] == "clickhouse daily"} == {
        "10 2024-02-01": 1,  # job-b, no longer on 2024-03-02
        "10 2024-02-02": 1,  # job-d, which names version 12 on its own day as before
        "10 2024-03-02": 0,
    }
    assert expected["postgres", "ModelVersion", "10", "generationCount"] == 3


def test_a_moved_version_takes_its_numbers_along_but_not_the_models_reviews(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ModelVersion" SET "modelId" = 2 WHERE id = 11')
    expected = expected_now(small_world)
    assert {key[1:]: total for key, total in expected.items() if key[0] == "postgres"} == {
        ("Model", "1", "downloadCount"): 4,
        ("Model", "1", "generationCount"): 3,
        ("Model", "2", "downloadCount"): 2,
        ("Model", "2", "generationCount"): 2,
        ("Model", "1 SDXL", "thumbsDownCount"): 0,
        ("Model", "1 SDXL", "downloadCount"): 3,
        ("Model", "2 SDXL", "thumbsUpCount"): 3,
        ("Model", "2 SDXL", "thumbsDownCount"): 2,
        ("Model", "2 SDXL", "downloadCount"): 2,
    }
    assert not any(key[0] in {"clickhouse daily", "clickhouse events"} for key in expected)


def test_a_user_with_two_reviews_counts_once_for_the_model_and_twice_for_its_versions(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ResourceReview" SET "userId" = 2 WHERE id = 5')
    expected = expected_now(small_world, ["model_metrics", "review_stats"])
    assert expected["postgres", "Model", "1", "thumbsUpCount"] == 3
    assert ("postgres", "ModelVersion", "12", "thumbsUpCount") not in expected
    # the day of the first review that qualifies is now the one without createdAt
    assert expected["clickhouse daily", "Model", "1 2024-03-02", "ThumbsUp"] == 0


def test_a_review_without_createdat_counts_on_the_first_of_january_1970(small_world: Stores) -> None:
    change(small_world, 'UPDATE "ResourceReview" SET "createdAt" = NULL WHERE id = 10')
    assert expected_now(small_world) == {
        (store, *entity): total
        for store in ("clickhouse daily", "clickhouse events")
        for entity, total in {
            ("ModelVersion", "20 1970-01-01", "ThumbsUp"): 1,
            ("ModelVersion", "20 2024-03-05", "ThumbsUp"): 0,
            ("Model", "2 1970-01-01", "ThumbsUp"): 1,
            ("Model", "2 2024-03-05", "ThumbsUp"): 1,
        }.items()
    }


def test_images_of_an_unpublished_post_stay_with_the_post(small_world: Stores) -> None:
    change(small_world, 'UPDATE "Post" SET "publishedAt" = NULL WHERE id = 102')
    assert expected_now(small_world) == {
        ("postgres", "ModelVersion", "20", "imageCount"): 0,
        ("clickhouse totals", "ModelVersion", "20", "Image"): 0,
        ("redis", "ModelVersion", "20", "Image"): 0,
        ("postgres", "Model", "2", "imageCount"): 0,
        ("clickhouse totals", "Model", "2", "Image"): 0,
        ("redis", "Model", "2", "Image"): 0,
        ("postgres", "Model", "2 SDXL", "imageCount"): 0,
    }


def test_an_unpublished_version_leaves_its_pair_but_not_its_model(small_world: Stores) -> None:
    change(small_world, "UPDATE \"ModelVersion\" SET status = 'Unpublished' WHERE id = 20")
    assert verify(small_world, []).differences == tuple(
        Difference(name, "postgres", "Model", "2 SDXL", "row", "no row", "a row")
        for name in ("base_model_metrics", "review_stats")
    )


def test_a_published_version_without_reviews_has_a_pair_of_zeros(small_world: Stores) -> None:
    change(
        small_world,
        'INSERT INTO "ModelVersion" (id, "modelId", "baseModel", status) VALUES (40, 3, \'Flux\', \'Published\')',
    )
    assert verify(small_world, []).differences == tuple(
        Difference(name, "postgres", "Model", "3 Flux", "row", "a row", "no row")
        for name in ("base_model_metrics", "review_stats")
    )


def test_a_row_counts_by_its_own_date_whatever_the_pipeline_has_rejected(small_world: Stores) -> None:
    change(
        small_world,
        "INSERT INTO metrics.rejected (source, source_key, reason, value) VALUES "
        "('Comment', '2', '', '{}'), ('BuzzTip', 'Model:1:2', '', '{}'), ('orchestration.jobs', 'job-b', '', '{}')",
    )
    report = verify(small_world, [])
    assert report.differences == ()
    assert report.rejected_rows == 3


def test_a_row_dated_more_than_a_day_ahead_counts_nowhere(small_world: Stores) -> None:
    for table, columns, values in (
        ("Comment", '"modelId", "userId"', "1, 7"),
        ("CollectionItem", '"collectionId", "modelId"', "1, 1"),
        ("Donation", '"modelVersionId", "userId", amount', "10, 7, 5"),
        ("Image", '"userId", "postId"', "7, 100"),
        ("ResourceReview", '"modelId", "modelVersionId", "userId"', "1, 10, 777"),
    ):
        change(
            small_world,
            f'INSERT INTO "{table}" (id, {columns}, "createdAt") '
            f"VALUES (900, {values}, localtimestamp + interval '25 hours')",
        )
    change(
        small_world,
        'INSERT INTO "BuzzTip" ("entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt") '
        "VALUES ('Model', 1, 900, 1, 5, localtimestamp + interval '25 hours')",
    )
    assert expected_now(small_world) == {}
    change(small_world, 'UPDATE "Comment" SET "createdAt" = localtimestamp + interval \'23 hours\' WHERE id = 900')
    assert ("postgres", "Model", "1", "commentCount") in expected_now(small_world)


def test_an_excluded_user_counts_nowhere(small_world: Stores) -> None:
    change(small_world, "INSERT INTO metrics.excluded_user (user_id) VALUES (2)")
    world.count_logs(small_world)
    expected = expected_now(small_world)
    assert {key[1:]: total for key, total in expected.items() if key[0] == "postgres"} == {
        ("ModelVersion", "10", "thumbsUpCount"): 1,
        ("ModelVersion", "11", "thumbsDownCount"): 0,
        ("ModelVersion", "11", "downloadCount"): 0,
        ("ModelVersion", "12", "downloadCount"): 0,
        ("ModelVersion", "12", "generationCount"): 0,
        ("ModelVersion", "12", "tippedCount"): 0,
        ("ModelVersion", "12", "tippedAmountCount"): 0,
        ("ModelVersion", "20", "downloadCount"): 0,
        ("ModelVersion", "20", "imageCount"): 0,
        ("Model", "1", "thumbsUpCount"): 3,
        ("Model", "1", "thumbsDownCount"): 0,
        ("Model", "1", "downloadCount"): 3,
        ("Model", "1", "generationCount"): 3,
        ("Model", "1", "tippedCount"): 3,
        ("Model", "1", "tippedAmountCount"): 150,
        ("Model", "1", "collectedCount"): 2,
        ("Model", "2", "downloadCount"): 0,
        ("Model", "2", "imageCount"): 0,
        ("Model", "2", "collectedCount"): 0,
        ("Model", "1 SDXL", "thumbsUpCount"): 1,
        ("Model", "1 SDXL", "thumbsDownCount"): 0,
        ("Model", "1 SDXL", "downloadCount"): 3,
        ("Model", "2 SDXL", "downloadCount"): 0,
        ("Model", "2 SDXL", "imageCount"): 0,
    }


def test_an_excluded_version_reads_as_zero_and_its_parents_do_not_count_it(small_world: Stores) -> None:
    change(small_world, "INSERT INTO metrics.excluded_resource (entity_type, entity_id) VALUES ('ModelVersion', 20)")
    expected = expected_now(small_world)
    assert set(expected.values()) == {0}
    assert {key[1:] for key in expected if key[0] == "postgres"} == {
        ("ModelVersion", "20", "downloadCount"),
        ("ModelVersion", "20", "generationCount"),
        ("ModelVersion", "20", "thumbsUpCount"),
        ("ModelVersion", "20", "thumbsDownCount"),
        ("ModelVersion", "20", "imageCount"),
        ("Model", "2", "downloadCount"),
        ("Model", "2", "generationCount"),
        ("Model", "2", "imageCount"),
        ("Model", "2 SDXL", "thumbsUpCount"),
        ("Model", "2 SDXL", "thumbsDownCount"),
        ("Model", "2 SDXL", "downloadCount"),
        ("Model", "2 SDXL", "imageCount"),
    }


def test_an_excluded_model_reads_as_zero_and_keeps_its_pairs(small_world: Stores) -> None:
    change(small_world, "INSERT INTO metrics.excluded_resource (entity_type, entity_id) VALUES ('Model', 1)")
    expected = expected_now(small_world)
    assert set(expected.values()) == {0}
    assert {key[2] for key in expected} == {"1", "1 SDXL"}


@pytest.mark.parametrize(
    ("last_day", "differs"), [(dt.date(2024, 3, 2), False), (dt.date(2024, 3, 3), True), (dt.date(2024, 3, 4), True)]
)
def test_as_of_a_day_compares_the_days_up_to_it_and_no_totals(
    small_world: Stores, last_day: dt.date, differs: bool
) -> None:
    world.set_day(small_world, ("ModelVersion", 12, "Download", "2024-03-03"), 9, world.FRESH + 1)
    world.set_total(small_world, "ModelVersion", 12, "Download", 9, world.FRESH + 1)
    change(small_world, 'UPDATE "ModelMetric" SET "downloadCount" = 99')
    named = Difference("model_metrics", "clickhouse daily", "ModelVersion", "12 2024-03-03", "Download", 1, 9)
    assert verify(small_world, [], as_of=last_day).differences == ((named,) if differs else ())

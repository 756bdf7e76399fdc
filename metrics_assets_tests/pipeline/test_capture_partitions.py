"""A source that is a partitioned table: writes through the parent and past it, partitions that come and go."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline import schema
from metrics_assets.pipeline.guard import CaptureNotWhole
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import fill, model_counter, tick_exact, write


@pytest.fixture
def partitioned(bare: Stores, bare_settings: Settings) -> Stores:
    """The small application, in which "Comment" is partitioned by id."""
    write(
        bare,
        'CREATE TABLE "Comment" (id integer PRIMARY KEY, "modelId" integer, "userId" integer NOT NULL, '
        '"tosViolation" boolean NOT NULL DEFAULT false, hidden boolean NOT NULL DEFAULT false, '
        '"createdAt" timestamp(3) NOT NULL DEFAULT now()) PARTITION BY RANGE (id)',
        'CREATE TABLE comment_low PARTITION OF "Comment" FOR VALUES FROM (0) TO (1000)',
        'CREATE TABLE comment_high PARTITION OF "Comment" FOR VALUES FROM (1000) TO (2000)',
    )
    schema.apply(bare, with_application_tables=True)
    fill(bare)
    tick_exact(bare, bare_settings)
    return bare


def test_writes_through_the_parent_and_past_it_are_captured_once(partitioned: Stores, bare_settings: Settings) -> None:
    write(
        partitioned,
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (100, 1, 1), (1100, 1, 1)',
        'INSERT INTO comment_high (id, "modelId", "userId") VALUES (1200, 1, 1), (1201, 2, 1)',
        'UPDATE "Comment" SET id = id + 1000 WHERE id = 2',  # moves the row to the other partition
        "DELETE FROM comment_low WHERE id = 3",
        'UPDATE comment_low SET "modelId" = 1 WHERE id = 4',
    )
    tick_exact(partitioned, bare_settings)


@pytest.mark.slow
def test_a_truncated_partition_is_recounted(partitioned: Stores, bare_settings: Settings) -> None:
    write(partitioned, "TRUNCATE comment_low")
    tick_exact(partitioned, bare_settings)
    assert model_counter(partitioned, "commentCount") == 0


@pytest.mark.parametrize(
    "change",
    [
        'CREATE TABLE comment_new PARTITION OF "Comment" FOR VALUES FROM (2000) TO (3000)',
        pytest.param('ALTER TABLE "Comment" DETACH PARTITION comment_low', marks=pytest.mark.slow),
        pytest.param("DROP TABLE comment_low", marks=pytest.mark.slow),
    ],
)
def test_a_partition_that_comes_or_goes_is_noticed_and_recounted(
    partitioned: Stores, bare_settings: Settings, change: str
) -> None:
    write(partitioned, change)
    with pytest.raises(CaptureNotWhole, match="Comment"):
        tick(partitioned, bare_settings)
    schema.apply(partitioned)
    tick_exact(partitioned, bare_settings)

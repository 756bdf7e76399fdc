"""Capture that is passed by on purpose, or by a table's odd shape. Every number is also counted by hand."""

from __future__ import annotations

import pytest

from metrics_assets.pipeline import schema
from metrics_assets.pipeline.guard import CaptureNotWhole
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import one, review, tick_exact, write
from metrics_assets_tests.pipeline.hand_count import tick_exact_by_hand

_TRIGGER = 'ALTER TABLE "ResourceReview" {} TRIGGER metrics_capture_insert'


@pytest.mark.parametrize(
    ("off", "on"),
    [
        (_TRIGGER.format("DISABLE"), _TRIGGER.format("ENABLE ALWAYS")),
        pytest.param(
            'DROP TRIGGER metrics_capture_insert ON "ResourceReview"',
            'CREATE TRIGGER metrics_capture_insert AFTER INSERT ON "ResourceReview" REFERENCING NEW TABLE AS new_rows '
            "FOR EACH STATEMENT EXECUTE FUNCTION metrics.capture_resource_review_insert(); "
            + _TRIGGER.format("ENABLE ALWAYS"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_rows_written_while_a_trigger_was_off_count_though_it_is_on_again_as_before(
    filled: Stores, settings: Settings, off: str, on: str
) -> None:
    write(filled, off, review(1000, user=700), on)
    tick_exact_by_hand(filled, settings)
    tick_exact(filled, settings)
    assert one(filled, "SELECT count(*) FROM metrics.capture_marker") == 0


def test_a_child_by_inheritance_is_noticed_and_its_rows_count_once_whichever_way_they_are_written(
    filled: Stores, settings: Settings
) -> None:
    write(
        filled,
        'CREATE TABLE comment_child (LIKE "Comment" INCLUDING ALL)',
        'INSERT INTO comment_child (id, "modelId", "userId") VALUES (900, 1, 1)',
        'ALTER TABLE comment_child INHERIT "Comment"',
    )
    with pytest.raises(CaptureNotWhole, match="Comment"):
        tick(filled, settings)
    schema.apply(filled)
    tick_exact_by_hand(filled, settings)
    write(
        filled,
        'INSERT INTO comment_child (id, "modelId", "userId") VALUES (901, 1, 1), (902, 2, 1)',
        'UPDATE "Comment" SET "modelId" = 3 WHERE id IN (1, 900, 901)',
        "DELETE FROM comment_child WHERE id = 902",
    )
    tick_exact_by_hand(filled, settings)

"""Distinct users of pairs, when what a drain takes of a user is not all that the user has written of the pair."""

from __future__ import annotations

import pytest

from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import one, review, tick_exact, write

_PAIR = 'SELECT "thumbsUpCount" FROM "ReviewStatsByBaseModel" WHERE "modelId" = 2 AND "baseModel" = \'SDXL\''


@pytest.fixture
def twice(filled: Stores, settings: Settings) -> Stores:
    """A user who recommends both versions, 20 and 21, of one pair."""
    write(filled, review(1000, version=20, model=2), review(1001, version=21, model=2))
    tick_exact(filled, settings)
    return filled


@pytest.mark.parametrize("chunk", [1, 1000])
@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        pytest.param(["DELETE FROM {t} WHERE id = 1000"], 0, id="one-of-two-goes"),
        pytest.param(["DELETE FROM {t} WHERE id = 1000", "DELETE FROM {t} WHERE id = 1001"], -1, id="both-go"),
        pytest.param(["DELETE FROM {t} WHERE id = 1000", review(1002, version=20, model=2)], 0, id="one-is-rewritten"),
        pytest.param(
            ['UPDATE {t} SET "modelVersionId" = 10, "modelId" = 1 WHERE id = 1000', review(1002, version=20, model=2)],
            0,
            id="one-moves-and-another-takes-its-place",
        ),
        pytest.param(
            ["UPDATE {t} SET exclude = true WHERE id = 1000", "UPDATE {t} SET recommended = false WHERE id = 1001"],
            -1,
            id="neither-recommends",
        ),
        pytest.param(
            ['UPDATE {t} SET "modelId" = 3 WHERE id = 1000', "DELETE FROM {t} WHERE id = 1001"],
            0,
            id="a-review-names-another-model-than-its-version",
        ),
        pytest.param(
            [
                "UPDATE {t} SET recommended = false WHERE id = 1001",
                "DELETE FROM {t} WHERE id = 1000",
                'UPDATE {t} SET "modelVersionId" = 20, recommended = true WHERE id = 1001',
            ],
            0,
            id="the-other-takes-the-place-of-one-that-goes",
        ),
        pytest.param(
            [
                "BEGIN",
                "DELETE FROM {t} WHERE id = 1001",
                'UPDATE {t} SET "modelVersionId" = 21 WHERE id = 1000',
                'UPDATE {t} SET "modelVersionId" = 20 WHERE id = 1000',
                "COMMIT",
            ],
            0,
            id="one-takes-the-others-place-and-goes-back",
        ),
    ],
)
def test_a_user_of_two_versions_counts_once_while_one_review_counts(
    twice: Stores, settings: Settings, chunk: int, changes: list[str], difference: int
) -> None:
    before = one(twice, _PAIR)
    write(twice, *(change.replace("{t}", '"ResourceReview"') for change in changes))

    tick_exact(twice, settings.model_copy(update={"drain_chunk_rows": chunk}))

    assert one(twice, _PAIR) == before + difference

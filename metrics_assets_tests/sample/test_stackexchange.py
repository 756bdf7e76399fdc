"""The import of a Stack Exchange dump, on a tiny one made by hand: what becomes of every row."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pytest

from metrics_assets.sample.stackexchange import UNKNOWN_USER, VOTERS, ImportReport, import_stackexchange
from metrics_assets.stores import Stores
from metrics_assets_tests.sample.support import fingerprints, query
from metrics_assets_tests.sample.tiny_dump import write_dump

_DAY = dt.datetime(2018, 4, 1)


@dataclass(frozen=True)
class Imported:
    stores: Stores
    report: ImportReport


@pytest.fixture(scope="module")
def imported(plain_application: Stores, tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """The tiny dump, imported once."""
    folder = write_dump(tmp_path_factory.mktemp("dump") / "plain")
    return Imported(plain_application, import_stackexchange(plain_application, folder))


def test_questions_become_models_and_answers_become_their_versions(imported: Imported) -> None:
    assert query(imported.stores, 'SELECT id, name, "userId", status FROM "Model" ORDER BY id') == [
        (1, "A <first>\tquestion \n \\N", 7, "Published"),
        (3, "Nobody's", UNKNOWN_USER, "Published"),
        (10, "Without a tag", 7, "Published"),
    ]
    versions = query(
        imported.stores,
        'SELECT id, "modelId", "baseModel", status, "publishedAt" = "createdAt" FROM "ModelVersion" ORDER BY id',
    )
    assert versions == [
        (2, 1, "gates", "Published", True),
        (4, 3, "newer-form", "Published", True),
        (11, 10, "untagged", "Published", True),
    ]


def test_questions_and_answers_become_posts_with_threads_and_questions_have_an_image(imported: Imported) -> None:
    posts = query(
        imported.stores,
        'SELECT p.id, p."userId", p."modelVersionId", p."publishedAt" IS NOT NULL, t.id, i.id, i."userId" '
        'FROM "Post" AS p LEFT JOIN "Thread" AS t ON t."postId" = p.id LEFT JOIN "Image" AS i ON i."postId" = p.id '
        "ORDER BY p.id",
    )
    assert posts == [
        (1, 7, None, True, 1, 1, 7),
        (2, 8, 2, True, 2, None, None),
        (3, UNKNOWN_USER, None, True, 3, 3, UNKNOWN_USER),
        (4, UNKNOWN_USER - 1, 4, True, 4, None, None),
        (10, 7, None, True, 10, 10, 7),
        (11, 7, 11, True, 11, None, None),
    ]


def test_votes_become_reviews_of_answers_and_reactions_to_questions_by_voters_of_their_own(imported: Imported) -> None:
    reviews = query(
        imported.stores,
        'SELECT id, "modelId", "modelVersionId", "userId", recommended, "createdAt" FROM "ResourceReview" ORDER BY id',
    )
    assert reviews == [
        (1, 1, 2, VOTERS + 1, True, _DAY),
        (2, 1, 2, VOTERS + 2, False, _DAY),
        (3, 1, 2, VOTERS + 3, True, _DAY),
    ]
    assert query(imported.stores, 'SELECT id, "imageId", "userId", reaction FROM "ImageReaction" ORDER BY id') == [
        (4, 1, VOTERS + 4, "Like"),
        (5, 1, VOTERS + 5, "Dislike"),
    ]


def test_favourites_become_items_in_the_users_collection(imported: Imported) -> None:
    items = query(
        imported.stores,
        'SELECT i.id, c."userId", i."modelId", i."postId", i."addedById" '
        'FROM "CollectionItem" AS i JOIN "Collection" AS c ON c.id = i."collectionId" ORDER BY i.id',
    )
    assert items == [(6, 8, 1, None, 8), (7, 8, 3, None, 8), (8, 7, None, 4, 7)]


def test_comments_go_to_the_model_or_to_the_thread_of_the_answers_post(imported: Imported) -> None:
    assert query(imported.stores, 'SELECT id, "modelId", "userId" FROM "Comment"') == [(1, 1, 8)]
    assert query(imported.stores, 'SELECT id, "threadId", "userId" FROM "CommentV2"') == [(2, 2, UNKNOWN_USER)]


def test_bounties_of_one_user_on_one_question_add_up(imported: Imported) -> None:
    tips = query(
        imported.stores,
        'SELECT "entityType", "entityId", "fromUserId", "toUserId", amount, "createdAt", "updatedAt" FROM "BuzzTip"',
    )
    assert tips == [("Model", 1, 8, 7, 150, _DAY, dt.datetime(2018, 4, 9))]


def test_users_below_zero_and_nobody_have_users_of_their_own(imported: Imported) -> None:
    assert query(imported.stores, 'SELECT id FROM "User" ORDER BY id') == [
        (7,),
        (8,),
        (UNKNOWN_USER - 1,),
        (UNKNOWN_USER,),
    ]


def test_what_cannot_be_used_is_counted_by_reason(imported: Imported) -> None:
    report = imported.report
    assert report.rows_read == {"Users": 3, "Posts": 10, "Comments": 4, "Votes": 18}
    assert report.rows_unused == {
        "Users": {},
        "Posts": {
            "without an attribute that every row of its kind has": 1,
            "a tag wiki": 1,
            "an answer whose question is not in the dump": 1,
            "of post type 8": 1,
        },
        "Comments": {"on a post that is not in the dump": 1, "on a post that is not used": 1},
        "Votes": {
            "on a post that is not in the dump": 1,
            "on a post that is not used": 2,
            "a favourite without a user": 1,
            "a bounty without a user or an amount": 1,
            "a bounty on an answer": 1,
            "an acceptance": 1,
            "of vote type 42": 1,
        },
    }
    assert report.rows_without_user == {"Posts": 1, "Comments": 1}


def test_every_row_that_is_read_is_either_used_or_unused(imported: Imported) -> None:
    report = imported.report
    written = report.rows_written
    bounties_that_were_added_to_others = 1
    used = {
        "Users": written["User"] - 1,  # the user who stands for nobody
        "Posts": written["Model"] + written["ModelVersion"],
        "Comments": written["Comment"] + written["CommentV2"],
        "Votes": written["ResourceReview"]
        + written["ImageReaction"]
        + written["CollectionItem"]
        + written["BuzzTip"]
        + bounties_that_were_added_to_others,
    }
    assert used == {name: read - sum(report.rows_unused[name].values()) for name, read in report.rows_read.items()}


def test_gzipped_files_give_the_same_as_plain_ones_beside_capture(
    imported: Imported, stores: Stores, tmp_path: Path
) -> None:
    import_stackexchange(stores, write_dump(tmp_path / "packed", packed=True))
    assert fingerprints(stores) == fingerprints(imported.stores)

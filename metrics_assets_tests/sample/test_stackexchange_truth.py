"""A real dump carries its own truth: what it says of itself is what the application's tables hold after import.

The truth is read from the XML by another road than the import's, and the tables are counted by plain SQL.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from metrics_assets.sample.stackexchange import ImportReport, import_stackexchange
from metrics_assets.stores import Stores
from metrics_assets_tests.sample.support import query

_QUESTION, _ANSWER = "1", "2"


@dataclass(frozen=True)
class Imported:
    stores: Stores
    report: ImportReport
    posts: list[Mapping[str, str]]

    def truth(self, kind: str, attribute: str) -> dict[int, int]:
        """What the dump says of each question or answer."""
        return {int(post["Id"]): int(post.get(attribute, 0)) for post in self.posts if post["PostTypeId"] == kind}

    def counted(self, statement: str) -> dict[int, int]:
        """Counts by id, from the application's tables."""
        return dict(query(self.stores, statement))


@pytest.fixture(scope="module")
def imported(plain_application: Stores, real_dump: Path) -> Imported:
    """The real dump, imported once."""
    report = import_stackexchange(plain_application, real_dump)
    with gzip.open(real_dump / "Posts.xml.gz") as source:
        posts = [dict(row.attrib) for row in ElementTree.parse(source).getroot()]
    return Imported(plain_application, report, posts)


def test_reviews_of_all_answers_add_up_to_their_score(imported: Imported) -> None:
    scores = imported.counted(
        "SELECT v.id, coalesce(sum(CASE r.recommended WHEN true THEN 1 WHEN false THEN -1 END), 0) "
        'FROM "ModelVersion" AS v LEFT JOIN "ResourceReview" AS r ON r."modelVersionId" = v.id GROUP BY v.id'
    )
    assert len(scores) == 1_060
    assert scores == imported.truth(_ANSWER, "Score")


def test_reactions_to_the_image_of_all_questions_add_up_to_their_score(imported: Imported) -> None:
    scores = imported.counted(
        "SELECT i.\"postId\", coalesce(sum(CASE r.reaction WHEN 'Like' THEN 1 WHEN 'Dislike' THEN -1 END), 0) "
        'FROM "Image" AS i LEFT JOIN "ImageReaction" AS r ON r."imageId" = i.id GROUP BY i."postId"'
    )
    assert len(scores) == 612
    assert scores == imported.truth(_QUESTION, "Score")


def test_comments_on_all_questions_are_as_many_as_their_comment_count(imported: Imported) -> None:
    comments = imported.counted(
        'SELECT m.id, count(c.id) FROM "Model" AS m LEFT JOIN "Comment" AS c ON c."modelId" = m.id GROUP BY m.id'
    )
    assert len(comments) == 612
    assert comments == imported.truth(_QUESTION, "CommentCount")


def test_comments_in_the_threads_of_all_answers_are_as_many_as_their_comment_count(imported: Imported) -> None:
    comments = imported.counted(
        'SELECT p."modelVersionId", count(c.id) FROM "Post" AS p JOIN "Thread" AS t ON t."postId" = p.id '
        'LEFT JOIN "CommentV2" AS c ON c."threadId" = t.id WHERE p."modelVersionId" IS NOT NULL '
        'GROUP BY p."modelVersionId"'
    )
    assert len(comments) == 1_060
    assert comments == imported.truth(_ANSWER, "CommentCount")


def test_all_questions_are_in_as_many_collections_as_their_favourite_count(imported: Imported) -> None:
    favourites = imported.counted(
        'SELECT m.id, count(i.id) FROM "Model" AS m LEFT JOIN "CollectionItem" AS i ON i."modelId" = m.id GROUP BY m.id'
    )
    assert len(favourites) == 612
    assert favourites == imported.truth(_QUESTION, "FavoriteCount")


def test_votes_on_deleted_posts_and_all_others_that_go_nowhere_are_counted(imported: Imported) -> None:
    unused = imported.report.rows_unused["Votes"]
    assert unused["on a post that is not in the dump"] == 587
    written = imported.report.rows_written
    used = sum(written[name] for name in ("ResourceReview", "ImageReaction", "CollectionItem", "BuzzTip"))
    assert imported.report.rows_read["Votes"] == 12_560 == used + sum(unused.values())


def test_posts_and_comments_without_a_user_are_kept_and_counted(imported: Imported) -> None:
    assert imported.report.rows_without_user == {"Posts": 2, "Comments": 1}

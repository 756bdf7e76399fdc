"""A public dump carries its own truth: after import and a tick our counters say what the dump says of itself."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree

import pytest

from metrics_assets.pipeline import schema
from metrics_assets.pipeline.load import load
from metrics_assets.pipeline.tick import tick
from metrics_assets.sample.stackexchange import import_stackexchange
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.verify import verify

_QUESTION, _ANSWER = "1", "2"


def _posts(dump: Path, kind: str) -> dict[int, dict[str, str]]:
    with gzip.open(dump / "Posts.xml.gz", "rb") as file:
        rows = [dict(row.attrib) for _, row in ElementTree.iterparse(file) if row.tag == "row"]
    return {int(row["Id"]): row for row in rows if row["PostTypeId"] == kind}


def _column(stores: Stores, query: str) -> dict[int, int]:
    with stores.postgres.connection() as connection:
        return dict(connection.execute(query.encode()).fetchall())


@pytest.fixture
def imported(stores: Stores, settings: Settings, real_dump: Path) -> Path:
    """The dump, imported beside installed capture and counted by one tick."""
    import_stackexchange(stores, real_dump)
    assert tick(stores, settings).ok
    return real_dump


def test_every_answers_thumbs_are_its_score(imported: Path, stores: Stores) -> None:
    answers = _posts(imported, _ANSWER)
    counted = _column(stores, 'SELECT "modelVersionId", "thumbsUpCount" - "thumbsDownCount" FROM "ModelVersionMetric"')
    assert len(answers) == 1060
    assert {post: int(row["Score"]) for post, row in answers.items()} == {
        post: counted.get(post, 0) for post in answers
    }


def test_every_questions_comments_and_favourites_are_those_of_the_dump(imported: Path, stores: Stores) -> None:
    questions = _posts(imported, _QUESTION)
    comments = _column(stores, 'SELECT "modelId", "commentCount" FROM "ModelMetric"')
    favourites = _column(stores, 'SELECT "modelId", "collectedCount" FROM "ModelMetric"')
    assert len(questions) == 612
    assert {post: int(row["CommentCount"]) for post, row in questions.items()} == {
        post: comments.get(post, 0) for post in questions
    }
    assert {post: int(row.get("FavoriteCount", 0)) for post, row in questions.items()} == {
        post: favourites.get(post, 0) for post in questions
    }


def test_a_dump_imported_by_ticks_and_one_that_was_there_before_capture_count_the_same(
    imported: Path, stores: Stores, settings: Settings
) -> None:
    by_ticks = _column(stores, 'SELECT "modelId", "thumbsUpCount" FROM "ModelMetric"')
    assert verify(stores, []).ok
    with stores.postgres.connection() as connection:
        connection.execute("DROP SCHEMA metrics CASCADE")
        connection.execute('TRUNCATE "ModelMetric", "ModelVersionMetric"')
    assert schema.apply(stores).loading
    load(stores, settings)
    assert _column(stores, 'SELECT "modelId", "thumbsUpCount" FROM "ModelMetric"') == by_ticks
    assert verify(stores, []).ok

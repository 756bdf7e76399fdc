"""A process that dies anywhere leaves nothing that the next tick does not put right, in all three stores."""

from __future__ import annotations

import os
import signal
from typing import Any

import psycopg
import pytest

from metrics_assets.pipeline import crash
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline import victim
from metrics_assets_tests.pipeline.application import (
    TODAY,
    assert_exact,
    download,
    job,
    model_counter,
    review,
    tick_exact,
    write,
)

_QUICK = {"drain: committed", "set: before commit"}


def _points(*steps: str) -> list[Any]:
    return [
        pytest.param(name, marks=() if name in _QUICK else pytest.mark.faults)
        for name in crash.POINTS
        if name.partition(":")[0] in steps
    ]


def _change_everything(stores: Stores) -> None:
    """Changes of every kind that a step of the tick has work with."""
    write(
        stores,
        review(1000),
        review(1001, version=20, model=2, user=501, at="localtimestamp - interval '9 days'"),
        'UPDATE "ResourceReview" SET recommended = NOT recommended WHERE id % 3 = 0',
        'DELETE FROM "ResourceReview" WHERE id % 7 = 0',
        'UPDATE "ModelVersion" SET "baseModel" = \'Flux\' WHERE id = 11',
        'UPDATE "ModelVersion" SET "modelId" = 1 WHERE id = 21',
        'UPDATE "Post" SET "modelVersionId" = 20 WHERE id = 100',
        'DELETE FROM "Image" WHERE id = 3',
        'UPDATE "BuzzTip" SET amount = amount + 5 WHERE "fromUserId" = 2',
        'DELETE FROM "Model" WHERE id = 3',
    )
    download(stores, at="now() - 86400 * 3")
    download(stores, version=21, ip="10.9.9.9")
    job(stores, "new", versions="[10, 20]")


def _killed(settings: Settings, work: str, point: str) -> None:
    process = victim.start(settings, work, METRICS_CRASH_AT=point)
    assert process.wait(timeout=120) == -signal.SIGKILL, f"the {work} never came to {point!r}"


@pytest.mark.parametrize("point", _points("drain", "forward", "log", "set", "redis"))
def test_the_tick_after_a_killed_tick_ends_exact(filled: Stores, settings: Settings, point: str) -> None:
    _change_everything(filled)
    _killed(settings, "tick", point)
    tick_exact(filled, settings)


@pytest.mark.faults
@pytest.mark.parametrize("point", _points("marked tables"))
def test_a_killed_recount_of_a_truncated_table_is_finished(filled: Stores, settings: Settings, point: str) -> None:
    write(filled, 'TRUNCATE "Comment"', 'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (1, 1, 1)')
    _killed(settings, "tick", point)
    tick_exact(filled, settings)


def test_a_truncated_table_is_recounted_when_the_drain_that_saw_it_was_killed(
    filled: Stores, settings: Settings
) -> None:
    write(filled, 'TRUNCATE "Comment"')
    _killed(settings, "tick", "drain: committed")
    tick_exact(filled, settings)
    assert model_counter(filled, "commentCount") == 0


@pytest.mark.faults
@pytest.mark.parametrize("point", _points("rebuild"))
def test_the_tick_after_a_killed_rebuild_ends_exact(filled: Stores, settings: Settings, point: str) -> None:
    _change_everything(filled)
    _killed(settings, "rebuild", point)
    tick_exact(filled, settings)


@pytest.mark.faults
@pytest.mark.parametrize("point", _points("rebuild"))
def test_a_killed_rebuild_repairs_when_it_is_repeated(filled: Stores, settings: Settings, point: str) -> None:
    write(
        filled,
        "UPDATE metrics.leaf_total SET total = total + 7 WHERE metric_type <> 'Collection'",
        "UPDATE metrics.base_model_total SET thumbs_up = thumbs_up + 1",
    )
    _killed(settings, "rebuild", point)
    for asset in ("base_model_metrics", "model_metrics", "review_stats"):
        rebuild(filled, settings, asset, settings.start_date, TODAY)
    tick_exact(filled, settings)


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("drain: before commit", marks=pytest.mark.faults),
        pytest.param("forward: contributions written", marks=pytest.mark.faults),
        pytest.param("log: before commit", marks=pytest.mark.faults),
        pytest.param("set: before commit"),
        pytest.param("redis: before commit", marks=pytest.mark.faults),
    ],
)
def test_a_connection_that_postgres_ends_costs_the_tick_and_no_number(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    _change_everything(filled)

    def end_our_connections(_process: int, _signal: int) -> None:
        with psycopg.connect(settings.postgres_dsn or "", autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'test'"
            )

    with monkeypatch.context() as patch:
        patch.setenv("METRICS_CRASH_AT", point)
        patch.setattr(os, "kill", end_our_connections)
        with pytest.raises(psycopg.OperationalError):
            tick(filled, settings)
    tick_exact(filled, settings)


@pytest.mark.faults
def test_ten_killed_ticks_in_a_row_lose_nothing(filled: Stores, settings: Settings) -> None:
    points = [name for name in crash.POINTS if name.partition(":")[0] in {"drain", "forward", "log", "set", "redis"}]
    for number, point in enumerate(points[:10]):
        write(filled, review(2000 + number, user=600 + number))
        download(filled, ip=f"10.7.0.{number}")
        job(filled, f"killed {number}", versions="[11]")
        process = victim.start(settings, "tick", METRICS_CRASH_AT=point)
        assert process.wait(timeout=120) in {0, -signal.SIGKILL}
    tick_exact(filled, settings)
    assert_exact(filled)

"""Stores that lose what they had acknowledged. Every number is also counted by hand."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from metrics_assets.pipeline import refresh, rules
from metrics_assets.pipeline.control import recompute
from metrics_assets.pipeline.tick import tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import (
    download,
    model_counter,
    one,
    review,
    tick_exact,
    version_counter,
    write,
)
from metrics_assets_tests.pipeline.hand_count import tick_exact_by_hand


@pytest.mark.parametrize(
    "tables",
    [
        ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals"),
        pytest.param(("entityMetricDaily",), marks=pytest.mark.slow),
        pytest.param(("entityMetricTotals",), marks=pytest.mark.slow),
    ],
)
def test_a_clickhouse_that_fell_back_to_older_data_spoils_no_number_and_is_filled_again(
    filled: Stores, settings: Settings, tables: tuple[str, ...]
) -> None:
    for table in tables:
        filled.clickhouse.command(f"CREATE TABLE older_{table} AS {table}")
        filled.clickhouse.command(f"INSERT INTO older_{table} SELECT * FROM {table}")
    try:
        download(filled)
        write(filled, review(1000), 'DELETE FROM "Comment" WHERE id < 4')
        tick_exact(filled, settings)
        downloads = version_counter(filled, "downloadCount")
        for table in tables:
            filled.clickhouse.command(f"TRUNCATE TABLE {table}")
            filled.clickhouse.command(f"INSERT INTO {table} SELECT * FROM older_{table}")
    finally:
        for table in tables:
            filled.clickhouse.command(f"DROP TABLE older_{table}")
    download(filled, ip="10.3.3.3")
    assert tick(filled, settings).ok
    assert version_counter(filled, "downloadCount") == downloads + 1
    tick_exact_by_hand(filled, settings)
    tick_exact(filled, settings)
    assert one(filled, "SELECT count(*) FROM metrics.capture_marker") == 0


def test_an_application_that_writes_its_own_columns_of_the_outputs_all_the_time_does_not_stop_a_set(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(filled, 'ALTER TABLE "ModelMetric" ADD COLUMN rating integer NOT NULL DEFAULT 0', review(1000))
    recount = rules.broken

    def recount_while_the_application_writes(*arguments: Any) -> tuple[rules.Wrong, ...]:
        with psycopg.connect(settings.postgres_dsn or "", options="-c lock_timeout=100ms") as application:
            with suppress(psycopg.errors.LockNotAvailable):
                application.execute('UPDATE "ModelMetric" SET rating = rating + 1')
            application.commit()
        return recount(*arguments)

    monkeypatch.setattr(rules, "broken", recount_while_the_application_writes)
    tick_exact_by_hand(filled, settings)
    assert one(filled, 'SELECT min(rating) FROM "ModelMetric"') > 0


@pytest.mark.slow
def test_an_application_that_keeps_a_row_of_an_output_for_itself_delays_that_row_and_no_other(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "_LOCK_TIMEOUT", "200ms")
    tick_exact(filled, settings)
    shown = {model: model_counter(filled, "commentCount", model=model) for model in (1, 2)}
    write(
        filled,
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (90001, 1, 1), (90002, 2, 1)',
    )
    with psycopg.connect(settings.postgres_dsn or "") as application:
        application.execute('UPDATE "ModelMetric" SET "updatedAt" = "updatedAt" WHERE "modelId" = 1')
        report = tick(filled, settings)
        (models,) = (found for found in report.reports if found.set_name == "model_metrics")
        assert (models.outcome, models.backlog_after) == ("backlog left", 1)
        assert models.detail["rows locked by others"] == 1
        assert "complete_through" not in models.detail
        assert model_counter(filled, "commentCount", model=1) == shown[1]
        assert model_counter(filled, "commentCount", model=2) == shown[2] + 1
    tick_exact_by_hand(filled, settings)


@pytest.mark.slow
def test_a_row_of_an_output_that_the_application_has_not_committed_is_waited_for(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "_LOCK_TIMEOUT", "200ms")
    write(
        filled,
        """INSERT INTO "Model" (id, name, type, "userId", status) VALUES (77, 'new', 'LORA', 1, 'Published')""",
        'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (90001, 77, 1)',
    )
    with psycopg.connect(settings.postgres_dsn or "") as application:
        application.execute('INSERT INTO "ModelMetric" ("modelId") VALUES (77)')
        commits = threading.Timer(5.0, application.commit)
        commits.start()
        assert tick(filled, settings).ok
        commits.join()
    tick_exact_by_hand(filled, settings)


def test_a_clickhouse_that_lost_the_logs_as_well_leaves_no_download_behind(filled: Stores, settings: Settings) -> None:
    download(filled, version=21)
    tick_exact(filled, settings)
    for table in ("entityMetricEvents", "entityMetricDaily", "entityMetricTotals", "modelVersionEvents"):
        filled.clickhouse.command(f"TRUNCATE TABLE {table}")
    assert tick(filled, settings).ok
    assert version_counter(filled, "downloadCount", version=21) == 0
    tick_exact(filled, settings)


def test_a_rollup_that_fell_back_is_not_hidden_by_a_recompute(filled: Stores, settings: Settings) -> None:
    download(filled)
    tick_exact(filled, settings)
    downloads = version_counter(filled, "downloadCount")
    filled.clickhouse.command("TRUNCATE TABLE entityMetricDaily")
    recompute(filled, settings, "ModelVersion", [20])
    download(filled, ip="10.3.3.3")
    assert tick(filled, settings).ok
    assert version_counter(filled, "downloadCount") == downloads + 1


@pytest.mark.slow
def test_a_tick_holds_no_row_while_it_waits_for_one_of_a_lower_key(
    filled: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "_LOCK_TIMEOUT", "200ms")
    made = """INSERT INTO "Model" (id, name, type, "userId", status) VALUES ({}, 'new', 'LORA', 1, 'Published')"""
    write(filled, made.format(70), made.format(77), 'INSERT INTO "ModelMetric" ("modelId") VALUES (77)')
    write(filled, *(f'INSERT INTO "Comment" (id, "modelId", "userId") VALUES (900{m}, {m}, 1)' for m in (70, 77)))
    with psycopg.connect(settings.postgres_dsn or "") as application:
        application.execute('INSERT INTO "ModelMetric" ("modelId") VALUES (70)')
        ticking = threading.Thread(target=tick, args=(filled, settings))
        ticking.start()
        time.sleep(3.0)
        application.execute('UPDATE "ModelMetric" SET "updatedAt" = localtimestamp WHERE "modelId" = 77')
        application.commit()
        ticking.join(timeout=60)
    assert not ticking.is_alive()
    tick_exact_by_hand(filled, settings)


def test_a_hash_whose_version_is_no_number_is_written_like_any_other(filled: Stores, settings: Settings) -> None:
    filled.redis.hset("entity:metrics:Model:1", "version", "x")
    write(filled, review(1000))
    tick_exact(filled, settings)

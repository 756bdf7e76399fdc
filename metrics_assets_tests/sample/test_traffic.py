"""Live traffic: every kind of change, at a rate, stopped cleanly."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import threading
import time
from dataclasses import replace

import pytest

from metrics_assets.errors import ConfigurationError
from metrics_assets.sample.generate import load_sample
from metrics_assets.sample.log_changes import EVENTS, JOBS, LOG_CHANGES
from metrics_assets.sample.traffic import all_changes, apply_random_change, run_traffic
from metrics_assets.stores import Stores
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets_tests.sample.support import execute, query, table_sizes, value
from metrics_assets_tests.serving.proxy import Proxy

_END = dt.datetime(2026, 11, 22, 15, 30, tzinfo=dt.UTC)

# What breaks systems like ours; each must stay among the kinds of change.
_MUST_BE_THERE = {
    "recommendation_edited",
    "review_excluded",
    "review_against_rules",
    "review_deleted",
    "review_made_again",
    "version_unpublished",
    "version_published",
    "base_model_renamed",
    "version_moved",
    "version_deleted",
    "version_deleted_whole",
    "model_deleted",
    "model_deleted_whole",
    "post_published",
    "post_unpublished",
    "image_moved",
    "tip_given",
    "tip_made_again",
    "download",
    "download_late",
    "download_delivered_again",
    "download_of_a_version_to_come",
    "job_delivered_again",
}


def test_every_kind_of_change_finds_something_to_do_in_a_sample(stores: Stores) -> None:
    load_sample(stores, scale=0.005, seed=1, end=_END)
    rng = random.Random(1)
    seen = {apply_random_change(stores, rng, kinds={change.name}).split(":")[0] for change in all_changes()}
    assert seen == {change.name for change in all_changes()}
    assert seen >= _MUST_BE_THERE


def test_an_empty_application_comes_to_life_one_change_at_a_time(stores: Stores) -> None:
    rng = random.Random(2)
    described = [apply_random_change(stores, rng) for _ in range(80)]
    assert all(int(rows) > 0 for _, rows, _ in map(str.split, described))
    assert len([name for name, size in table_sizes(stores).items() if size]) > 8


def test_a_review_made_again_keeps_its_keys_and_turns_its_opinion(stores: Stores) -> None:
    execute(
        stores,
        'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId", recommended) '
        "VALUES (9, 1, 2, 3, true)",
    )
    assert apply_random_change(stores, random.Random(1), kinds={"review_made_again"}) == "review_made_again: 2 rows"
    assert query(stores, 'SELECT id, "modelId", "modelVersionId", "userId", recommended FROM "ResourceReview"') == [
        (9, 1, 2, 3, False)
    ]


def test_a_second_tip_of_a_user_adds_to_the_first(stores: Stores) -> None:
    execute(stores, 'INSERT INTO "Model" (id, "userId") VALUES (5, 8)')
    execute(stores, 'INSERT INTO "User" (id) VALUES (3)')
    rng = random.Random(1)
    apply_random_change(stores, rng, kinds={"tip_given"})
    first = value(stores, 'SELECT amount FROM "BuzzTip"')
    apply_random_change(stores, rng, kinds={"tip_given"})
    tips = query(stores, 'SELECT "entityType", "entityId", "fromUserId", "toUserId", amount > %s FROM "BuzzTip"', first)
    assert tips == [("Model", 5, 3, 8, True)]


def test_an_event_delivered_again_is_equal_in_every_column(stores: Stores) -> None:
    execute(stores, """INSERT INTO "ModelVersion" (id, "modelId", "baseModel") VALUES (1, 1, 'SD 1.5')""")
    rng = random.Random(1)
    apply_random_change(stores, rng, kinds={"download"})
    apply_random_change(stores, rng, kinds={"download_delivered_again"})
    assert stores.clickhouse.rows("SELECT count(), uniqExact(*) FROM modelVersionEvents") == [(2, 1)]


def test_changes_that_find_nothing_and_changes_that_are_unknown_are_named(stores: Stores) -> None:
    with pytest.raises(ConfigurationError, match=r"review_deleted.*sample load"):
        apply_random_change(stores, random.Random(1), kinds={"review_deleted"})
    with pytest.raises(ConfigurationError, match="no change called review_eaten"):
        apply_random_change(stores, random.Random(1), kinds={"review_eaten"})


def test_traffic_keeps_its_rate_and_reports_what_the_logs_hold(stores: Stores) -> None:
    load_sample(stores, scale=0.002, seed=1, end=_END)
    before = table_sizes(stores)
    report = run_traffic(stores, rate=150, seconds=6.0, seed=1)
    grown = {name: size - before[name] for name, size in table_sizes(stores).items()}
    logged = {log: sum(report.rows.get(c.name, 0) for c in LOG_CHANGES if c.log == log) for log in (EVENTS, JOBS)}
    assert {log: grown[log] for log in logged} == logged
    assert 20 < sum(report.rows.values()) < 2_000
    assert report.rolled_back > 0


def test_traffic_stops_cleanly_on_a_signal_and_gives_the_handlers_back(stores: Stores) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    before = table_sizes(stores)

    def stop() -> None:
        # not before the traffic listens: the signal would end the tests
        while signal.getsignal(signal.SIGTERM) is handlers[1] or table_sizes(stores) == before:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    stopper = threading.Thread(target=stop, daemon=True)
    stopper.start()
    report = run_traffic(stores, rate=50, seconds=10_000, seed=1)
    stopper.join()
    assert report.changes > 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert value(stores, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == 0


def test_traffic_waits_for_a_store_that_is_away_and_goes_on(stores: Stores) -> None:
    load_sample(stores, scale=0.002, seed=1, end=_END)
    before = table_sizes(stores)
    said: list[str] = []
    with Proxy(stores.clickhouse.url) as way:
        behind = replace(stores, clickhouse=ClickHouse(way.url, comment="test", timeout_seconds=5))

        def outage() -> None:
            while table_sizes(stores) == before:
                time.sleep(0.05)
            way.cut()
            while not said:
                time.sleep(0.05)
            way.open()

        keeper = threading.Thread(target=outage, daemon=True)
        keeper.start()
        report = run_traffic(behind, rate=150, seconds=25.0, seed=1, say=said.append)
        keeper.join()

    assert len(said) == 2, said
    assert said[0].startswith("ClickHouse does not answer at ")
    assert said[1] == "Traffic goes on."
    assert report.changes > 0
    grown = {name: size - before[name] for name, size in table_sizes(stores).items()}
    logged = {log: sum(report.rows.get(c.name, 0) for c in LOG_CHANGES if c.log == log) for log in (EVENTS, JOBS)}
    # a block whose answer was lost is sent again
    assert all(grown[log] >= logged[log] > 0 for log in logged)


def test_traffic_without_a_rate_is_refused(stores: Stores) -> None:
    with pytest.raises(ConfigurationError, match="rate"):
        run_traffic(stores, rate=0, seed=1)

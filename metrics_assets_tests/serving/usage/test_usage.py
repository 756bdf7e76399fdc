"""Usage is exact: under deliveries again, late events, bounds in the middle of a day, and rows that are gone."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections import Counter
from typing import Any

import pytest

from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline import log_parts, restored
from metrics_assets.serving.registry import ModelRegistry
from metrics_assets.serving.registry.routing import arm_of
from metrics_assets.serving.usage import rollup
from metrics_assets.serving.usage.arms import usage_by_arm
from metrics_assets.serving.usage.probe import Differences, differences
from metrics_assets.serving.usage.stats import usage_stats, uses_by_day
from metrics_assets.stores import Stores
from metrics_assets_tests.serving.conftest import model as a_model
from metrics_assets_tests.serving.usage.conftest import COLUMNS, Use, day, events, moment

_START = day("2024-01-01")


def _daily(stores: Stores) -> dict[tuple[str, str, str], int]:
    found = stores.clickhouse.rows(
        "SELECT modelId, toString(feature), toString(day), argMax(total, version) AS uses FROM modelUsageDaily"
        " GROUP BY modelId, feature, day HAVING uses > 0"
    )
    return {(model, feature, on): uses for model, feature, on, uses in found}


def _totals(stores: Stores, *bounds: object) -> dict[str, int]:
    return {usage.model_id: usage.total for usage in usage_stats(stores, None, *bounds)}  # type: ignore[arg-type]


def test_a_tick_counts_what_has_arrived(stores: Stores, use: Use) -> None:
    use("2026-11-01 10:00:00", count=3)
    use("2026-11-02 10:00:00", count=2, feature="image")
    report = rollup.tick(stores)
    assert (report.rows_read, report.older_days.count) == (5, 2)
    assert _daily(stores) == {("aurora", "chat", "2026-11-01"): 3, ("aurora", "image", "2026-11-02"): 2}
    assert rollup.tick(stores).rows_read == 0


def test_an_event_delivered_again_counts_once(stores: Stores, use: Use) -> None:
    again = use("2026-11-01 10:00:00", count=3)
    use("2026-11-01 10:00:00", ids=again)
    assert _totals(stores) == {"aurora": 3}
    rollup.tick(stores)
    use("2026-11-01 10:00:00", ids=again)
    assert _totals(stores) == {"aurora": 3}
    rollup.tick(stores)
    assert _daily(stores) == {("aurora", "chat", "2026-11-01"): 3}


def test_an_event_delivered_again_on_another_day_counts_on_the_earlier_one(stores: Stores, use: Use) -> None:
    again = use("2026-11-05 10:00:00", count=2)
    rollup.tick(stores)
    use("2026-11-03 10:00:00", ids=again[:1])
    use("2026-11-09 10:00:00", ids=again[1:])
    for _ in range(2):  # before a tick, and after it
        assert _totals(stores, day("2026-11-03"), day("2026-11-03")) == {"aurora": 1}
        assert _totals(stores, day("2026-11-05"), day("2026-11-05")) == {"aurora": 1}
        assert _totals(stores, day("2026-11-09"), day("2026-11-09")) == {}
        assert _totals(stores, moment("2026-11-09 09:00"), moment("2026-11-09 11:00")) == {}
        rollup.tick(stores)


def test_a_late_event_counts_on_its_day_before_and_after_the_next_tick(stores: Stores, use: Use) -> None:
    use("2026-11-01 10:00:00", count=3)
    rollup.tick(stores)
    use("2026-11-01 23:59:59.999")
    assert _totals(stores, day("2026-11-01"), day("2026-11-01")) == {"aurora": 4}
    assert rollup.tick(stores).older_days.oldest == day("2026-11-01")
    assert _daily(stores) == {("aurora", "chat", "2026-11-01"): 4}


def test_the_probe_finds_totals_that_are_wrong_and_no_others(stores: Stores, use: Use) -> None:
    again = use("2026-11-01 10:00:00")
    use("2026-11-03 10:00:00", ids=again)
    use("2026-11-03 10:00:00", count=2)
    rollup.tick(stores)
    use("2026-11-01 10:00:00")  # nobody has counted this day now, and the event that was there before is of this day
    assert differences(stores, day("2026-11-01")) == Differences(1, ())
    rollup.tick(stores)
    assert differences(stores, day("2026-11-01")) == Differences(2, ())
    stores.clickhouse.command(
        "INSERT INTO modelUsageDaily (day, modelId, feature, total, version)"
        " VALUES ('2026-11-03', 'aurora', 'chat', 9, 18446744073709551615)"
    )
    assert differences(stores, day("2026-11-01")).wrong == ("2026-11-03 aurora chat: 9, the log 2",)


def test_bounds_are_included_in_utc(stores: Stores, use: Use) -> None:
    for at in ("10-31 23:59:59.999", "11-01 00:00:00", "11-01 12:00:00.500", "11-02 23:59:59.999", "11-03 00:00:00"):
        use(f"2026-{at}")
    for _ in range(2):
        assert _totals(stores, day("2026-11-01"), day("2026-11-02")) == {"aurora": 3}
        assert _totals(stores, day("2026-11-01")) == {"aurora": 4}
        assert _totals(stores, None, day("2026-10-31")) == {"aurora": 1}
        assert _totals(stores, moment("2026-11-01 12:00:00.500"), day("2026-11-02")) == {"aurora": 2}
        assert _totals(stores, moment("2026-11-01 12:00:00.501"), day("2026-11-02")) == {"aurora": 1}
        assert _totals(stores, day("2026-11-01"), moment("2026-11-01 12:00:00.500")) == {"aurora": 2}
        assert _totals(stores, day("2026-11-01"), moment("2026-11-01 12:00:00.499")) == {"aurora": 1}
        far_east = dt.timezone(dt.timedelta(hours=14))
        assert _totals(stores, moment("2026-11-02 00:00").replace(tzinfo=far_east)) == {"aurora": 3}
        rollup.tick(stores)


def test_a_model_has_its_total_and_one_for_each_feature(stores: Stores, use: Use) -> None:
    use("2026-11-01 10:00:00", count=3, feature="chat")
    use("2026-11-01 10:00:00", count=2, feature="comparison")
    use("2026-11-01 10:00:00", count=9, model="other's \\ 100%")
    for _ in range(2):
        (usage,) = usage_stats(stores, "aurora")
        assert (usage.total, usage.by_feature) == (5, {"chat": 3, "comparison": 2})
        assert usage_stats(stores, "other's \\ 100%")[0].total == 9
        assert usage_stats(stores, "") == usage_stats(stores, "nobody") == ()
        assert [each.model_id for each in usage_stats(stores)] == ["other's \\ 100%", "aurora"]
        rollup.tick(stores)


def test_whole_days_are_read_from_the_rollup(stores: Stores, use: Use) -> None:
    use("2026-11-01 10:00:00", count=3)
    rollup.tick(stores)
    stores.clickhouse.command(
        "INSERT INTO modelUsageDaily (day, modelId, feature, total, version)"
        " VALUES ('2026-11-01', 'aurora', 'chat', 1000, 18446744073709551615)"
    )
    assert _totals(stores, day("2026-11-01"), day("2026-11-01")) == {"aurora": 1000}
    assert _totals(stores, moment("2026-11-01 00:00:00.001"), day("2026-11-01")) == {"aurora": 3}


@pytest.mark.parametrize("merges", [1, 100], ids=["once", "all the time"])
def test_events_whose_part_is_merged_before_it_is_asked_count(
    stores: Stores, use: Use, monkeypatch: pytest.MonkeyPatch, merges: int
) -> None:
    use("2026-11-01 10:00:00", count=3)
    rollup.tick(stores)
    use("2026-11-01 11:00:00", count=2)
    ask, left = rollup._touched, iter(range(merges))

    def merged_before(*given: Any) -> list[dt.date]:
        if next(left, None) is not None:
            stores.clickhouse.command("OPTIMIZE TABLE modelUsage FINAL SETTINGS optimize_skip_merged_partitions = 0")
        return ask(*given)

    monkeypatch.setattr(rollup, "_touched", merged_before)
    assert _totals(stores) == {"aurora": 5}


def test_a_tick_that_is_out_of_time_keeps_its_pass_and_the_next_one_goes_on(
    stores: Stores, use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_parts, "_ROWS_A_PASS", 1)
    stores.clickhouse.command("SYSTEM STOP MERGES modelUsage")
    try:
        for at in range(1, 4):
            use(f"2026-11-0{at} 10:00:00")
        reports = [rollup.tick(stores, deadline=0.0) for _ in range(3)]
        assert [(report.rows_read, report.backlog_after) for report in reports] == [(1, 2), (1, 1), (1, 0)]
        for at in range(4, 7):
            use(f"2026-11-0{at} 10:00:00")
        assert rollup.tick(stores).rows_read == 3
    finally:
        stores.clickhouse.command("SYSTEM START MERGES modelUsage")
    assert _daily(stores) == {("aurora", "chat", f"2026-11-0{at}"): 1 for at in range(1, 7)}


def test_what_the_rollup_shows_is_counted_anew_when_its_cursor_is_gone(stores: Stores, use: Use) -> None:
    use("2026-10-01 10:00:00", count=3)
    use("2026-11-01 10:00:00", count=2)
    rollup.tick(stores)
    with stores.postgres.connection() as connection:
        connection.execute("DELETE FROM metrics.log_cursor WHERE log = 'modelUsage'")
        stores.clickhouse.command("TRUNCATE TABLE modelUsage")
        assert rollup.waiting_rows(stores, connection) == 1
    use("2026-11-01 10:00:00", count=2)
    assert _totals(stores) == {"aurora": 2}
    rollup.tick(stores)
    assert _daily(stores) == {("aurora", "chat", "2026-11-01"): 2}
    assert _totals(stores) == {"aurora": 2}


def test_a_rollup_that_clickhouse_lost_or_that_is_ahead_of_postgres_is_noticed(stores: Stores, use: Use) -> None:
    use("2026-11-01 10:00:00", count=3)
    version = rollup.rebuild(stores, day("2026-11-01"), day("2026-11-01"), _START).version
    with stores.postgres.connection() as connection:
        restored.note_held(stores, connection)
        stores.clickhouse.command("TRUNCATE TABLE modelUsageDaily")
        rollup.tick(stores)
        stores.clickhouse.command("TRUNCATE TABLE modelUsageDaily")
        restored.look(stores, connection)
        assert _totals(stores) == {"aurora": 3}
        rollup.tick(stores)
        assert _daily(stores) == {("aurora", "chat", "2026-11-01"): 3}
        connection.execute("SELECT setval('metrics.version', 1)")
        restored.look(stores, connection)
        assert restored.last_number(connection) > version


def test_rows_that_are_gone_from_the_log_count_no_more(stores: Stores, use: Use) -> None:
    use("2026-10-01 10:00:00", count=3)
    use("2026-11-01 10:00:00", count=3)
    rollup.tick(stores)
    stores.clickhouse.command("ALTER TABLE modelUsage DROP PARTITION 202610")
    assert _totals(stores) == {"aurora": 3}
    rollup.tick(stores)
    assert _daily(stores) == {("aurora", "chat", "2026-11-01"): 3}
    stores.clickhouse.command("TRUNCATE TABLE modelUsage")
    assert _totals(stores) == {}
    rollup.tick(stores)
    assert _daily(stores) == {}


def test_a_rebuild_makes_days_equal_to_the_log_and_leaves_others(stores: Stores, use: Use) -> None:
    use("1999-01-01 10:00:00")
    use("2026-11-01 10:00:00", count=2)
    use("2026-11-02 10:00:00", count=2)
    for wrong in ("2026-11-01", "2026-11-02"):
        stores.clickhouse.command(f"INSERT INTO modelUsageDaily VALUES ('{wrong}', 'ghost', 'chat', 7, 0)")
    rollup.rebuild(stores, day("2026-11-01"), day("2026-11-01"), _START)
    assert _daily(stores) == {("aurora", "chat", "2026-11-01"): 2, ("ghost", "chat", "2026-11-02"): 7}
    rollup.rebuild(stores, _START, _START, _START)
    assert _daily(stores)["aurora", "chat", "1999-01-01"] == 1


def test_what_cannot_be_asked_says_why(stores: Stores) -> None:
    with pytest.raises(ConfigurationError, match="before the start"):
        usage_stats(stores, None, day("2026-11-02"), day("2026-11-01"))
    with pytest.raises(ConfigurationError, match="no zone"):
        usage_stats(stores, None, dt.datetime(2026, 11, 1))


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 6))])
def test_whatever_arrives_in_whatever_order_every_range_equals_a_recount(stores: Stores, seed: int) -> None:
    rng = random.Random(seed)
    begin = moment("2026-10-28 00:00")
    log: list[tuple[uuid.UUID, dt.datetime, str, str]] = []
    for _ in range(4):
        block = [
            (
                rng.choice(log)[0] if log and rng.random() < 0.2 else uuid.UUID(int=rng.getrandbits(128)),
                begin + dt.timedelta(milliseconds=rng.randrange(8 * 86_400_000)),
                rng.choice(("a", "b", "c")),
                rng.choice(("chat", "image")),
            )
            for _ in range(40)
        ]
        lines = "".join(
            f"{event}\t{model}\t1\t{feature}\t{at:%F %T}.{at.microsecond // 1000:03}\n"
            for event, at, model, feature in block
        )
        stores.clickhouse.insert_tsv("modelUsage", COLUMNS, [lines.encode()])
        log += block
        if rng.random() < 0.6:
            rollup.tick(stores)
        first, last = sorted(begin + dt.timedelta(milliseconds=rng.randrange(8 * 86_400_000)) for _ in range(2))
        for start, end in ((first, last), (first.date(), last.date()), (None, last), (first.date(), None)):
            assert Counter({(m, f): n for m, f, n in _summed(stores, start, end)}) == _recounted(log, start, end)


def _summed(
    stores: Stores, start: dt.date | dt.datetime | None, end: dt.date | dt.datetime | None
) -> list[tuple[str, str, int]]:
    found: Counter[tuple[str, str]] = Counter()
    for model, feature, _, uses in uses_by_day(stores, None, start, end):
        found[model, feature] += uses
    return [(model, feature, uses) for (model, feature), uses in found.items()]


def _recounted(
    log: list[tuple[uuid.UUID, dt.datetime, str, str]],
    start: dt.date | dt.datetime | None,
    end: dt.date | dt.datetime | None,
) -> Counter[tuple[str, str]]:
    """By another road: in Python, over everything."""

    def inside(at: dt.datetime) -> bool:
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        after = start is None or (at >= start if isinstance(start, dt.datetime) else at.date() >= start)
        before = end is None or (at <= end if isinstance(end, dt.datetime) else at.date() <= end)
        return after and before

    earliest: dict[uuid.UUID, tuple[dt.datetime, str, str]] = {}
    for event, at, model, feature in log:
        earliest[event] = min(earliest.get(event, (at, model, feature)), (at, model, feature))
    return Counter((model, feature) for at, model, feature in earliest.values() if inside(at))


def test_usage_is_split_by_the_arm_that_users_are_in(registry: ModelRegistry, stores: Stores) -> None:
    for name in ("old", "new"):
        registry.create(a_model(name))
    route = registry.start_route("trial", "old", "new", 0.3)
    users = range(1, 101)
    now = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5)).strftime("%F %T.000")
    for name in ("old", "new"):
        served = [user for user in users if registry.route("old", user).model_id == name]
        events(stores, now, count=len(served), users=served, model=name)
    events(stores, "2020-01-01 00:00:00", users=[1], model="old")
    treated = sum(arm_of(route, user) == "treatment" for user in users)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    found = {(use.arm, use.model_id): (use.uses, use.users) for use in usage_by_arm(stores, route, now=later)}
    assert found == {
        ("treatment", "new"): (treated, treated),
        ("control", "old"): (100 - treated, 100 - treated),
    }

"""Limits in the profile of our ClickHouse user: a statement that reaches one fails, and never answers with a part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from metrics_assets.errors import StoreRefused
from metrics_assets.stores import clickhouse
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets_tests.local.clickhouse_front.process import PASSWORD, Front

# setting that limits, setting that says what happens then, how it cuts silently, and a statement that reaches the limit
_CUTS = (
    ("max_rows_to_read", "read_overflow_mode", "break", "SELECT sum(n) FROM filled"),
    ("max_rows_to_read_leaf", "read_overflow_mode_leaf", "break", "SELECT sum(n) FROM filled"),
    ("max_rows_to_group_by", "group_by_overflow_mode", "any", "SELECT sum(1) FROM (SELECT n FROM filled GROUP BY n)"),
    ("max_rows_to_sort", "sort_overflow_mode", "break", "SELECT n FROM filled ORDER BY n % 7, n"),
    ("max_result_rows", "result_overflow_mode", "break", "SELECT n FROM filled"),
    ("max_rows_in_set", "set_overflow_mode", "break", "SELECT sum(1) FROM filled WHERE n IN (SELECT n FROM filled)"),
    ("max_rows_in_join", "join_overflow_mode", "break", "SELECT sum(1) FROM filled JOIN filled AS other USING n"),
    ("max_rows_in_distinct", "distinct_overflow_mode", "break", "SELECT sum(1) FROM (SELECT DISTINCT n FROM filled)"),
)
_MODES = {mode: cut for _, mode, cut, _ in _CUTS} | dict.fromkeys(
    ("transfer_overflow_mode", "timeout_overflow_mode", "timeout_overflow_mode_leaf"), "break"
)

Profiled = Callable[..., tuple[Front, ClickHouse]]


@pytest.fixture
def profiled(tmp_path: Path) -> Iterator[Profiled]:
    """Starts a server whose profile has these settings, of which a client may not change the fixed ones."""
    begun: list[tuple[Front, ClickHouse]] = []

    def start(settings: Mapping[str, object], fixed: tuple[str, ...] = ()) -> tuple[Front, ClickHouse]:
        front = _ProfiledFront(tmp_path / "data", settings, fixed)
        front.start()
        url = f"http://metrics:{quote(PASSWORD, safe='')}@127.0.0.1:{front.port}/default"
        begun.append((front, ClickHouse(url, comment="test", timeout_seconds=30)))
        return begun[-1]

    try:
        yield start
    finally:
        for front, store in begun:
            store.close()
            front.stop()


class _ProfiledFront(Front):
    def __init__(self, directory: Path, settings: Mapping[str, object], fixed: tuple[str, ...]) -> None:
        super().__init__(directory)
        named = {name: str(value) for name, value in settings.items()}
        self.program = (
            "-c",
            "import runpy; from metrics_assets.local.clickhouse_front import engine_config as c; "
            f"c._PROFILE_SETTINGS |= {named!r}; c._FIXED_SETTINGS += {fixed!r}; "
            "runpy.run_module('metrics_assets.local.clickhouse_front', run_name='__main__')",
        )


def test_a_limit_that_the_profile_would_answer_with_a_part_fails_instead(profiled: Profiled) -> None:
    front, store = profiled(_MODES)
    store.command("CREATE TABLE filled (n UInt64) ENGINE = MergeTree ORDER BY n AS SELECT number FROM numbers(100000)")
    for limit, _, _, statement in _CUTS:
        limited = f"{statement} SETTINGS {limit} = 10, max_block_size = 1000, max_threads = 1"
        with front.client() as another:
            assert another.query(limited).result_rows != another.query(statement).result_rows, "nothing was cut"
        for answer in (store.rows, lambda asked: list(store.tsv(asked))):
            with pytest.raises(StoreRefused, match=r"TOO_MANY_ROWS|SET_SIZE_LIMIT_EXCEEDED"):
                answer(limited)


def test_every_limit_of_the_server_is_an_error_to_us(profiled: Profiled) -> None:
    _, store = profiled(_MODES)
    modes = "FROM system.settings WHERE name LIKE '%overflow_mode%'"
    assert {mode for (mode,) in store.rows(f"SELECT name {modes}")} == _MODES.keys()
    assert store.rows(f"SELECT DISTINCT value {modes}") == [("throw",)]


def test_a_profile_that_forbids_to_change_what_we_need_anyway_is_no_hindrance(profiled: Profiled) -> None:
    _, store = profiled({}, tuple(_MODES))
    assert store.scalar("SELECT 1") == 1


def test_a_user_who_may_only_read_may_read_with_our_settings(
    profiled: Profiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with readonly = 2 in a profile, with which this server cannot start."""
    _, store = profiled(_MODES)
    monkeypatch.setattr(clickhouse, "_SETTINGS", {"readonly": 2, **clickhouse._SETTINGS})
    assert store.rows("SELECT value FROM system.settings WHERE name IN ('readonly', 'set_overflow_mode')") == [
        ("2",),
        ("throw",),
    ]


def test_a_profile_that_cuts_and_forbids_to_change_that_is_refused(profiled: Profiled) -> None:
    _, store = profiled(_MODES, tuple(_MODES))
    with pytest.raises(StoreRefused, match="overflow_mode is readonly"):
        store.scalar("SELECT 1")

"""The recorder: what it acknowledges is in ClickHouse, or gets there, and counts once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from metrics_assets import local
from metrics_assets.errors import ConfigurationError
from metrics_assets.serving.record import MODEL_USAGE, EventLog, Recorder
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets_tests.serving.proxy import Proxy
from metrics_assets_tests.serving.waiting import CHILD_SECONDS, until

Make = Callable[..., Recorder]


@pytest.fixture
def clickhouse(servers: local.Endpoints, template: str) -> Iterator[ClickHouse]:
    """ClickHouse with an empty log."""
    assert template  # its making has made the log
    client = ClickHouse(servers.clickhouse_url, comment="test", timeout_seconds=60)
    client.command("TRUNCATE TABLE modelUsage")
    yield client
    client.close()


@pytest.fixture
def proxy(clickhouse: ClickHouse) -> Iterator[Proxy]:
    """A way to ClickHouse that can be cut, and stopped."""
    with Proxy(clickhouse.url) as opened:
        yield opened


@pytest.fixture
def make(proxy: Proxy, tmp_path: Path) -> Iterator[Make]:
    """Recorders on that way, closed at the end."""
    made: list[Recorder] = []

    def start(**given: Any) -> Recorder:
        # a machine that is only slow must not make an insert fail
        settings = {"flush_seconds": 0.05, "insert_timeout_seconds": 60.0, **given}
        made.append(Recorder(proxy.url, tmp_path / "recorder", **settings))
        return made[-1]

    yield start
    proxy.open()
    for recorder in made:
        recorder.close()


def _events(count: int, *, first: int = 0) -> list[tuple[str, int, str]]:
    return [("aurora", number, "chat") for number in range(first, first + count)]


def _users(clickhouse: ClickHouse) -> list[int]:
    """Users of the events in the log, each event once."""
    found = clickhouse.rows("SELECT any(userId) AS u FROM modelUsage GROUP BY eventId ORDER BY u")
    return [user for (user,) in found]


def test_an_event_is_in_the_log_when_flush_has_delivered_it(make: Make, clickhouse: ClickHouse) -> None:
    recorder = make()
    assert recorder.record(MODEL_USAGE, ("aurora", 7, "chat"))
    recorder.flush(delivered=True)
    (row,) = clickhouse.rows("SELECT modelId, userId, feature, abs(timestamp - now64(3)) < 60 FROM modelUsage")
    assert row == ("aurora", 7, "chat", 1)
    assert (recorder.stats().recorded, recorder.stats().flushed, recorder.stats().pending) == (1, 1, 0)


def test_an_event_is_sent_without_a_flush(make: Make, clickhouse: ClickHouse) -> None:
    make().record(MODEL_USAGE, ("aurora", 7, "chat"))
    until(lambda: _users(clickhouse) == [7])


def test_a_block_is_sent_when_it_is_full(make: Make, clickhouse: ClickHouse) -> None:
    recorder = make(block_events=100, flush_seconds=1_000.0)
    recorder.record_many(MODEL_USAGE, _events(250))
    until(lambda: recorder.stats().flushed >= 200)


def test_every_text_arrives_as_it_was(make: Make, clickhouse: ClickHouse) -> None:
    texts = ["tab\there", "line\nbreak", "back\\slash", "\\N", "", "quote'\"", "🙂", "\0", "\r"]
    recorder = make()
    for number, text in enumerate(texts):
        recorder.record(MODEL_USAGE, (text, number, "chat"))
        recorder.flush()
    recorder.flush(delivered=True)
    found = clickhouse.rows("SELECT modelId FROM modelUsage ORDER BY userId")
    assert [text for (text,) in found] == texts


class _Named(str, Enum):  # noqa: UP042, a StrEnum writes its value by itself
    CHAT = "chat"
    MODEL = "tab\there"


class _User(int, Enum):
    ANN = 7


def test_a_member_of_an_enum_arrives_as_its_value(make: Make, clickhouse: ClickHouse) -> None:
    recorder = make()
    recorder.record(MODEL_USAGE, (_Named.CHAT, _User.ANN, _Named.CHAT))
    recorder.record(MODEL_USAGE, (_Named.MODEL, _User.ANN, _Named.CHAT))
    recorder.flush(delivered=True)
    found = clickhouse.rows("SELECT modelId, userId, feature FROM modelUsage ORDER BY modelId")
    assert found == [("chat", 7, "chat"), ("tab\there", 7, "chat")]


def test_many_threads_record_at_once(make: Make, clickhouse: ClickHouse) -> None:
    recorder = make(block_events=500)
    with ThreadPoolExecutor(8) as threads:
        for begin in range(0, 4_000, 500):
            threads.submit(lambda first: [recorder.record(MODEL_USAGE, e) for e in _events(500, first=first)], begin)
    recorder.flush(delivered=True)
    assert _users(clickhouse) == list(range(4_000))


def test_coroutines_record_and_flush(make: Make, clickhouse: ClickHouse) -> None:
    recorder = make()

    async def work() -> None:
        recorder.record(MODEL_USAGE, ("aurora", 1, "image"))
        await asyncio.to_thread(recorder.flush, delivered=True)

    asyncio.run(work())
    assert _users(clickhouse) == [1]


def test_events_are_spilled_while_clickhouse_is_away_and_sent_when_it_is_back(
    make: Make, proxy: Proxy, clickhouse: ClickHouse
) -> None:
    recorder = make()
    recorder.record_many(MODEL_USAGE, _events(100))
    recorder.flush(delivered=True)
    proxy.cut()
    recorder.record_many(MODEL_USAGE, _events(100, first=100))
    recorder.flush()  # acknowledged: on disk
    assert recorder.stats().spilled == 100
    assert recorder.stats().blocks_on_disk > 0
    proxy.open()
    until(lambda: recorder.stats().blocks_on_disk == 0)
    assert _users(clickhouse) == list(range(200))
    assert recorder.stats().flushed == 200


@pytest.mark.faults
def test_a_slow_clickhouse_does_not_hold_up_the_caller_and_counts_nothing_twice(
    make: Make, proxy: Proxy, clickhouse: ClickHouse
) -> None:
    recorder = make(insert_timeout_seconds=1.0, block_events=10)
    recorder.record(MODEL_USAGE, ("aurora", 100, "chat"))
    recorder.flush(delivered=True)
    proxy.hold_answers()  # rows get there, and nobody is told
    recorder.record_many(MODEL_USAGE, _events(100))
    recorder.flush()
    assert recorder.stats().spilled > 0
    proxy.open()
    until(lambda: recorder.stats().blocks_on_disk == 0)
    recorder.flush(delivered=True)
    assert clickhouse.scalar("SELECT count() FROM modelUsage") > 101  # sent twice
    assert _users(clickhouse) == list(range(101))


def test_memory_and_disk_are_bounded_and_what_does_not_fit_is_rejected(make: Make, proxy: Proxy) -> None:
    proxy.cut()
    recorder = make(max_pending=100, max_spill_bytes=1, block_events=10)
    assert recorder.record_many(MODEL_USAGE, _events(250), timeout_seconds=0.0) == 100
    for event in _events(150):
        recorder.record(MODEL_USAGE, event)
    stats = recorder.stats()
    # `record` takes no lock: while a block of ten is cut, ten more may slip in
    assert 100 <= stats.recorded == stats.pending <= 110
    assert stats.recorded + stats.rejected == 400
    proxy.open()
    recorder.flush(timeout_seconds=60)
    assert recorder.record(MODEL_USAGE, ("aurora", 1, "chat"))


def test_closing_flushes(make: Make, clickhouse: ClickHouse) -> None:
    recorder = make(flush_seconds=1_000.0)
    recorder.record_many(MODEL_USAGE, _events(100))
    recorder.close(timeout_seconds=120)
    assert _users(clickhouse) == list(range(100))
    assert not recorder.record(MODEL_USAGE, ("aurora", 1, "chat"))


def test_what_a_process_left_on_disk_is_sent_by_the_next_one(make: Make, proxy: Proxy, clickhouse: ClickHouse) -> None:
    proxy.cut()
    first = make(flush_seconds=1_000.0)
    first.record_many(MODEL_USAGE, _events(100))
    first.close()
    proxy.open()
    second = make()
    until(lambda: second.stats().flushed == 100)
    assert _users(clickhouse) == list(range(100))


def test_the_files_of_a_process_that_lives_are_left_alone(make: Make, proxy: Proxy) -> None:
    proxy.cut()
    first = make()
    first.record_many(MODEL_USAGE, _events(10))
    first.flush()
    second = make()
    second.record_many(MODEL_USAGE, _events(10))
    second.flush()
    assert (first.stats().blocks_on_disk, second.stats().blocks_on_disk) == (1, 1)


def test_a_block_that_clickhouse_can_never_read_is_set_aside_and_holds_nothing_up(
    make: Make, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    recorder = make()
    recorder.record(MODEL_USAGE, ("aurora", "no number", "chat"))
    recorder.flush(delivered=True)
    recorder.record(MODEL_USAGE, ("aurora", 5, "chat"))
    recorder.flush(delivered=True)
    until(lambda: recorder.stats().rejected == 1)
    until(lambda: _users(clickhouse) == [5])
    (aside,) = (tmp_path / "recorder" / "refused").iterdir()
    assert b"no number" in aside.read_bytes()


def test_an_event_that_clickhouse_can_never_read_is_set_aside_alone(
    make: Make, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    recorder = make(flush_seconds=1_000.0)
    recorder.record_many(MODEL_USAGE, [*_events(30), ("aurora", "no number", "chat"), *_events(30, first=30)])
    recorder.flush(delivered=True, timeout_seconds=120)
    assert _users(clickhouse) == list(range(60))
    assert (recorder.stats().rejected, recorder.stats().flushed) == (1, 60)
    (aside,) = (tmp_path / "recorder" / "refused").iterdir()
    assert aside.read_bytes().count(b"\taurora\t") == 1


class _Wordless:
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("value", [10**5000, _Wordless()], ids=["too long a number", "no text"])
def test_an_event_that_cannot_be_written_is_rejected_alone(
    make: Make, clickhouse: ClickHouse, caplog: pytest.LogCaptureFixture, value: object
) -> None:
    recorder = make(flush_seconds=1_000.0)
    recorder.record_many(MODEL_USAGE, [*_events(5), ("aurora", value, "chat"), *_events(5, first=5)])
    recorder.flush(delivered=True)
    recorder.record(MODEL_USAGE, ("aurora", value, "chat"))  # a block with nothing else
    recorder.flush(delivered=True)
    recorder.record_many(MODEL_USAGE, _events(5, first=10))
    recorder.flush(delivered=True)
    assert _users(clickhouse) == list(range(15))
    stats = recorder.stats()
    assert (stats.recorded, stats.rejected, stats.flushed, stats.pending) == (17, 2, 15, 0)
    assert "a value cannot be written as text" in caplog.text


@pytest.mark.parametrize(
    ("kind", "fine", "wrong"),
    [
        ("Enum8('a' = 1)", "a", "b"),
        ("UUID", "00000000-0000-0000-0000-000000000001", "no id"),
        ("Bool", "true", "perhaps"),
        ("FixedString(2)", "ab", "abc"),
        ("IPv4", "10.0.0.1", "no address"),
        ("IPv6", "::1", "no address"),
        ("Array(Int32)", "[1]", "1"),
        ("Int32, CONSTRAINT positive CHECK v > 0", "1", "0"),
    ],
)
def test_a_value_that_its_column_can_never_hold_is_set_aside(
    make: Make, clickhouse: ClickHouse, kind: str, fine: str, wrong: str
) -> None:
    clickhouse.command("DROP TABLE IF EXISTS test_typed")
    clickhouse.command(f"CREATE TABLE test_typed (id UUID, at DateTime64(3), v {kind}) ENGINE = MergeTree ORDER BY at")
    typed = EventLog("test_typed", "id", "at", ("v",))
    recorder = make()
    try:
        recorder.record_many(typed, [(fine,), (wrong,), (fine,)])
        recorder.flush(delivered=True)
        assert clickhouse.scalar("SELECT count() FROM test_typed") == 2
        assert recorder.stats().rejected == 1
    finally:
        clickhouse.command("DROP TABLE test_typed")


def test_a_block_that_is_refused_for_an_unknown_reason_does_not_hold_up_its_own_log(
    make: Make, clickhouse: ClickHouse
) -> None:
    for drop in ("VIEW IF EXISTS test_picky_view", "TABLE IF EXISTS test_picky"):
        clickhouse.command(f"DROP {drop}")
    clickhouse.command("CREATE TABLE test_picky (id UUID, at DateTime64(3), n Int32) ENGINE = MergeTree ORDER BY n")
    clickhouse.command(
        "CREATE MATERIALIZED VIEW test_picky_view ENGINE = Memory AS SELECT throwIf(n = 5) AS thrown FROM test_picky"
    )
    picky = EventLog("test_picky", "id", "at", ("n",))
    recorder = make()
    try:
        recorder.record(picky, (5,))
        recorder.flush()
        for number in range(3):
            recorder.record(picky, (number,))
            recorder.flush()
        until(lambda: recorder.stats().blocks_on_disk == 1)
        # before its view refuses it, a row is in the table
        assert clickhouse.rows("SELECT DISTINCT n FROM test_picky WHERE n != 5 ORDER BY n") == [(0,), (1,), (2,)]
        clickhouse.command("DROP VIEW test_picky_view")
        recorder.flush(delivered=True)
        assert recorder.stats().flushed == 4
    finally:
        clickhouse.command("DROP VIEW IF EXISTS test_picky_view")
        clickhouse.command("DROP TABLE test_picky")


def test_what_clickhouse_can_never_read_is_set_aside_though_the_disk_is_full(
    make: Make, clickhouse: ClickHouse
) -> None:
    recorder = make(max_spill_bytes=1)
    recorder.record_many(MODEL_USAGE, [*_events(5), ("aurora", "no number", "chat")])
    recorder.flush(delivered=True)
    recorder.record_many(MODEL_USAGE, _events(5, first=5))
    recorder.flush(delivered=True)
    assert _users(clickhouse) == list(range(10))
    assert recorder.stats().rejected == 1


def test_a_full_disk_is_emptied_though_a_block_in_memory_is_refused(
    make: Make, proxy: Proxy, clickhouse: ClickHouse, caplog: pytest.LogCaptureFixture
) -> None:
    clickhouse.command("DROP TABLE IF EXISTS test_missing")
    proxy.cut()
    recorder = make(max_spill_bytes=2_000)
    recorder.record_many(MODEL_USAGE, _events(20))
    recorder.flush()
    recorder.record_many(EventLog("test_missing", "id", "at", ("n",)), [(number,) for number in range(20)])
    until(lambda: "20 events of test_missing go to disk" in caplog.text)  # they are tried, and do not fit there
    proxy.open()
    recorder.flush()
    until(lambda: _users(clickhouse) == list(range(20)))
    assert recorder.stats().blocks_on_disk == 1


def test_a_recorder_goes_on_after_errors_that_it_does_not_know(make: Make, clickhouse: ClickHouse) -> None:
    for_the_collector = EventLog(["test_odd"], "id", "at", ("n",))  # type: ignore[arg-type]
    for_the_courier = EventLog("test_odd", "id", "at", (7,))  # type: ignore[arg-type]
    recorder = make()
    recorder.record(for_the_collector, (1,))
    recorder.record(for_the_courier, (1,))
    recorder.flush()
    recorder.record_many(MODEL_USAGE, _events(5))
    until(lambda: _users(clickhouse) == list(range(5)))
    assert (recorder.stats().blocks_on_disk, recorder.stats().rejected) == (1, 0)


def test_what_is_no_block_is_set_aside_and_what_is_no_folder_is_left(
    make: Make, proxy: Proxy, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    root = tmp_path / "recorder"
    proxy.cut()
    left = make(flush_seconds=1_000.0)
    left.record_many(MODEL_USAGE, _events(10))
    left.close()
    (folder,) = (path for path in root.iterdir() if path.is_dir())
    (folder / "000000000000-00000000.block").write_bytes(b'{"table": "modelUsage"')
    (folder / "000000000001-00000000.block").write_bytes(b"[]\n")
    (folder / "000000000000-00000001.block").mkdir()
    (root / "notes.txt").write_text("not ours")
    proxy.open()
    recorder = make()
    until(lambda: _users(clickhouse) == list(range(10)) and recorder.stats().blocks_on_disk == 0)
    assert len(list((root / "refused").iterdir())) == 3
    assert (root / "notes.txt").exists()


def test_a_log_that_is_not_taken_does_not_hold_up_another(make: Make, clickhouse: ClickHouse) -> None:
    missing = EventLog("test_missing", "id", "at", ("n",))
    clickhouse.command("DROP TABLE IF EXISTS test_missing")
    recorder = make()
    recorder.record_many(missing, [(number,) for number in range(10)])
    recorder.flush()
    recorder.record_many(MODEL_USAGE, _events(10))
    until(lambda: _users(clickhouse) == list(range(10)))
    assert recorder.stats().blocks_on_disk > 0
    clickhouse.command("CREATE TABLE test_missing (id UUID, at DateTime64(3), n Int32) ENGINE = MergeTree ORDER BY n")
    try:
        recorder.flush(delivered=True, timeout_seconds=120)
        assert clickhouse.scalar("SELECT sum(n) FROM test_missing") == 45
    finally:
        clickhouse.command("DROP TABLE test_missing")


def test_a_closed_recorder_lets_its_files_go_though_a_fork_has_them_open(
    make: Make, proxy: Proxy, clickhouse: ClickHouse
) -> None:
    proxy.cut()
    first = make(flush_seconds=1_000.0)
    beside = os.dup(first._spill._lock)  # a fork shares the open file in the same way
    try:
        first.record_many(MODEL_USAGE, _events(10))
        first.close()
        proxy.open()
        make()
        until(lambda: _users(clickhouse) == list(range(10)))
    finally:
        os.close(beside)


def test_an_event_with_too_few_values_is_refused_at_once(make: Make) -> None:
    recorder = make()
    with pytest.raises(ConfigurationError, match="needs 3 values"):
        recorder.record(MODEL_USAGE, ("aurora", 1))
    with pytest.raises(ConfigurationError, match="needs 3 values"):
        recorder.record_many(MODEL_USAGE, [("aurora", 1, "chat"), ("aurora",)])
    assert recorder.stats().recorded == 0


def test_another_log_is_recorded_beside_it(make: Make, clickhouse: ClickHouse) -> None:
    clickhouse.command("DROP TABLE IF EXISTS test_clicks")
    clickhouse.command("CREATE TABLE test_clicks (id UUID, at DateTime64(3), n Int32) ENGINE = MergeTree ORDER BY n")
    clicks = EventLog("test_clicks", "id", "at", ("n",))
    recorder = make()
    try:
        for number in range(10):
            recorder.record(clicks, (number,))
            recorder.record(MODEL_USAGE, ("aurora", number, "chat"))
        recorder.flush(delivered=True)
        assert clickhouse.scalar("SELECT sum(n) FROM test_clicks") == 45
        assert _users(clickhouse) == list(range(10))
    finally:
        clickhouse.command("DROP TABLE test_clicks")


def test_a_process_that_ends_flushes(clickhouse: ClickHouse, tmp_path: Path) -> None:
    code = "from metrics_assets_tests.serving.writer import main; main(kill_after=None)"
    _run(code, clickhouse.url, tmp_path)
    assert _users(clickhouse) == list(range(1_000))


@pytest.mark.faults
def test_nothing_that_was_acknowledged_is_lost_or_counted_twice_whatever_is_killed(
    make: Make, proxy: Proxy, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    acknowledged: set[int] = set()
    for number in range(8):
        arguments = f"kill_after={number + 1}, first={number * 1_000_000}"
        code = f"from metrics_assets_tests.serving.writer import main; main({arguments})"
        with ThreadPoolExecutor(1) as beside:
            disturbing = threading.Event()
            beside.submit(_disturb, proxy, disturbing)
            try:
                told = _run(code, proxy.url, tmp_path)
            finally:
                disturbing.set()  # else the pool waits for ever
        acknowledged.update(user for line in told for user in range(*map(int, line.split())))
    proxy.open()
    last = make()
    until(lambda: last.stats().blocks_on_disk == 0 and acknowledged <= set(_users(clickhouse)))
    users = _users(clickhouse)
    assert len(users) == len(set(users))


@pytest.mark.faults
def test_a_clickhouse_that_is_stopped_and_started_while_events_are_inserted_has_each_once(tmp_path: Path) -> None:
    # servers of its own: the others of this process are shared
    with tempfile.TemporaryDirectory(prefix="metrics-") as folder:
        Path(folder).chmod(0o711)
        home = Path(folder) / "home"
        try:
            url = local.ensure(home, need=frozenset({"clickhouse"})).clickhouse_url
            clickhouse = ClickHouse(url, comment="test", timeout_seconds=60)
            clickhouse.command(
                "CREATE TABLE modelUsage (eventId UUID, modelId String, userId Int32, feature String,"
                " timestamp DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY timestamp"
            )
            recorder = Recorder(url, tmp_path / "recorder", block_events=500, flush_seconds=0.02)
            done = threading.Event()
            taken = [0]

            def write() -> None:
                while not done.is_set():
                    taken[0] += recorder.record_many(MODEL_USAGE, _events(100, first=taken[0]))
                    done.wait(0.005)

            with ThreadPoolExecutor(1) as beside:
                writing = beside.submit(write)
                try:
                    for end in (_kill, local.stop):
                        inserted, spilled = recorder.stats().flushed, recorder.stats().spilled
                        until(lambda before=inserted: recorder.stats().flushed > before)  # type: ignore[misc]
                        end(home)
                        until(lambda before=spilled: recorder.stats().spilled > before)  # type: ignore[misc]
                        assert local.ensure(home, need=frozenset({"clickhouse"})).clickhouse_url == url
                finally:
                    done.set()
                writing.result()
            recorder.flush(delivered=True, timeout_seconds=120)
            assert _users(clickhouse) == list(range(taken[0]))
            assert recorder.stats().rejected == 0
            recorder.close()
            clickhouse.close()
        finally:
            local.stop(home)


def _kill(home: Path) -> None:
    (pid,) = (server.pid for server in local.status(home) if server.name == "clickhouse")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def _disturb(proxy: Proxy, done: threading.Event) -> None:
    while not done.is_set():
        for state in (proxy.cut, proxy.open, proxy.hold_answers, proxy.open):
            state()
            done.wait(0.1)


def _run(code: str, url: str, tmp_path: Path) -> list[str]:
    process = subprocess.run(
        [sys.executable, "-c", code, url, str(tmp_path / "recorder")],
        capture_output=True,
        text=True,
        check=False,
        timeout=CHILD_SECONDS,
    )
    assert process.returncode in {0, -9}, process.stderr
    return process.stdout.splitlines()

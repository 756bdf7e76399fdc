"""The process: its lock, its ready file, how it stops, and that data outlive it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from metrics_assets_tests.local.clickhouse_front.process import Front
from metrics_assets_tests.local.clickhouse_front.test_concurrency import wait_until


@pytest.fixture
def own_front(tmp_path: Path) -> Iterator[Front]:
    """A front of the test's own, started; the test may end it."""
    front = Front(tmp_path / "data")
    front.start()
    yield front
    if front.process.poll() is None:
        front.stop()


def test_the_ready_file_says_where_to_go_and_is_the_owners_alone(front: Front) -> None:
    ready = json.loads(front.ready_file.read_text())
    assert ready == {"pid": front.process.pid, "port": front.port, "version": front.client().server_version}
    assert stat.S_IMODE(front.ready_file.stat().st_mode) == 0o600


def test_everything_in_the_folder_is_the_owners_alone(front: Front) -> None:
    front.client().command("CREATE TABLE IF NOT EXISTS modes (a UInt8) ENGINE = MergeTree ORDER BY a")
    front.client().insert("modes", [[1]], column_names=["a"])
    files = [path for path in front.directory.rglob("*") if not path.is_symlink()]
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    assert len(files) > 10


def test_a_second_front_on_the_same_folder_is_refused_and_says_who_holds_it(front: Front) -> None:
    second = front.spawn()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 4
    assert f"process {front.process.pid}" in errors
    assert front.client().ping()
    assert json.loads(front.ready_file.read_text())["pid"] == front.process.pid


def test_without_a_password_the_front_does_not_start(tmp_path: Path) -> None:
    process = Front(tmp_path / "data").spawn(password=None)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "METRICS_CLICKHOUSE_FRONT_PASSWORD" in errors


def test_data_and_definitions_survive_kill_9(own_front: Front) -> None:
    client = own_front.client()
    client.command("CREATE DATABASE other")
    for table in ("default.kept", "other.kept"):
        client.command(f"CREATE TABLE {table} (a UInt32) ENGINE = MergeTree ORDER BY a")
        client.insert(table, [range(1000)], column_names=["a"], column_oriented=True)
    client.command("CREATE MATERIALIZED VIEW other.seen ENGINE = MergeTree ORDER BY a AS SELECT a FROM other.kept")
    for _ in range(3):
        own_front.kill()
        own_front.start()
        again = own_front.client()
        assert again.query("SELECT count(), sum(a) FROM default.kept").first_row == (1000, 499_500)
        assert again.command("SELECT count() FROM other.kept") == 1000
        again.insert("other.kept", [[5000]], column_names=["a"])
        assert again.command("SELECT count() FROM other.seen") == 1
        again.command("ALTER TABLE other.kept DELETE WHERE a = 5000", settings={"mutations_sync": 1})
        again.command("TRUNCATE TABLE other.seen")


def test_a_front_that_is_asked_to_stop_finishes_what_runs(own_front: Front) -> None:
    client = own_front.client(autogenerate_session_id=False)
    client.command("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
    slow = "INSERT INTO t SELECT number + sleepEachRow(0.6) FROM numbers(5) SETTINGS max_block_size = 1"
    with ThreadPoolExecutor(1) as thread:
        insert = thread.submit(client.command, slow)
        wait_until(own_front.client(), "sleepEachRow(0.6)", 1)
        assert own_front.stop() == 0
        assert insert.result(60).written_rows == 5
    assert not own_front.ready_file.exists()
    own_front.start()
    assert own_front.client().command("SELECT count() FROM t") == 5


def test_what_a_killed_front_left_in_its_temporary_folder_is_removed(own_front: Front) -> None:
    own_front.stop()
    left_over = own_front.directory / "tmp" / "left over"
    left_over.write_bytes(b"half a body")
    own_front.start()
    assert not left_over.exists()


def test_a_port_that_is_taken_is_named(front: Front, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "metrics_assets.local.clickhouse_front", "--path", str(tmp_path / "data")]
    outcome = subprocess.run(
        [*program, "--ready-file", str(tmp_path / "ready"), "--port", str(front.port)],
        env={**os.environ, "METRICS_CLICKHOUSE_FRONT_PASSWORD": "p"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert outcome.returncode == 2
    assert f"127.0.0.1:{front.port}" in outcome.stderr

"""The life of the embedded servers: who starts them, who attaches, what ends them, what survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import clickhouse_connect
import psycopg
import redis
import sqlalchemy

from metrics_assets import local
from metrics_assets.errors import Refused
from metrics_assets_tests.local.support import REPOSITORY, Client, is_alive, supervisor_pid, wait_until

REDIS = frozenset({"redis"})
NATIVE = frozenset({"postgres", "redis"})


def _pids(home: Path) -> dict[str, int]:
    return {server.name: server.pid for server in local.status(home) if server.pid is not None}


def _write_one_row_everywhere(endpoints: local.Endpoints) -> None:
    with psycopg.connect(endpoints.postgres_dsn) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (42)")
    with clickhouse_connect.get_client(dsn=endpoints.clickhouse_url) as client:
        client.command("CREATE TABLE kept (n Int32) ENGINE = MergeTree ORDER BY n")
        client.insert("kept", [[42]], column_names=["n"])
    redis.Redis.from_url(endpoints.redis_url).hset("kept", "n", 42)


def _read_it_everywhere(endpoints: local.Endpoints) -> tuple[object, object, object]:
    with psycopg.connect(endpoints.postgres_dsn) as connection:
        in_postgres = connection.execute("SELECT n FROM kept").fetchone()
    with clickhouse_connect.get_client(dsn=endpoints.clickhouse_url) as client:
        in_clickhouse = client.query("SELECT n FROM kept").result_rows
    return in_postgres, in_clickhouse, redis.Redis.from_url(endpoints.redis_url).hget("kept", "n")


IT_IS_THERE = ((42,), [(42,)], b"42")


def test_all_three_start_from_nothing_and_keep_their_data_and_addresses_over_a_stop(home: Path) -> None:
    began = time.monotonic()
    first = local.ensure(home)
    print(f"\ncold start of all three: {time.monotonic() - began:.2f} s")
    _write_one_row_everywhere(first)
    local.stop(home)
    assert _pids(home) == {}

    began = time.monotonic()
    second = local.ensure(home)
    print(f"warm start of all three: {time.monotonic() - began:.2f} s")

    assert second == first
    assert _read_it_everywhere(second) == IT_IS_THERE


def test_nothing_is_orphaned_and_nothing_lost_when_the_supervisor_is_killed(running_home: Path) -> None:
    endpoints = local.ensure(running_home)
    _write_one_row_everywhere(endpoints)
    servers = _pids(running_home)
    assert len(servers) == 3

    os.kill(supervisor_pid(running_home), signal.SIGKILL)
    for name, pid in servers.items():
        wait_until(lambda pid=pid: not is_alive(pid), f"{name} ends with its supervisor")  # type: ignore[misc]

    again = local.ensure(running_home)
    assert again == endpoints
    assert _read_it_everywhere(again) == IT_IS_THERE


def test_dagsters_driver_opens_its_own_database(running_home: Path) -> None:
    endpoints = local.ensure(running_home)
    engine = sqlalchemy.create_engine(endpoints.dagster_postgres_url)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT current_database()")).scalar() == "dagster"
    engine.dispose()


def test_postgres_is_set_up_as_the_pipeline_expects(running_home: Path) -> None:
    expected = {
        "TimeZone": "UTC",
        "data_checksums": "on",
        "jit": "off",
        "listen_addresses": "127.0.0.1",
        "max_connections": "200",
        "max_prepared_transactions": "16",
        "max_wal_size": "4GB",
        "server_encoding": "UTF8",
        "shared_buffers": "256MB",
        "shared_preload_libraries": "pg_stat_statements",
        "synchronous_commit": "on",
    }
    endpoints = local.ensure(running_home)
    with psycopg.connect(endpoints.postgres_dsn) as connection:
        found = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", [list(expected)]
        ).fetchall()
        collation = connection.execute(
            "SELECT coalesce(datlocale, datcollate) FROM pg_database WHERE datname = 'metrics'"
        ).fetchone()
        connection.execute("SELECT count(*) FROM pg_stat_statements")
    assert dict(found) == expected
    assert collation == ("C.UTF-8",)


def test_servers_that_are_not_needed_do_not_run_until_someone_needs_them(home: Path) -> None:
    first = local.ensure(home, need=REDIS)
    assert (first.postgres_dsn, first.clickhouse_url, first.dagster_postgres_url) == ("", "", "")
    assert set(_pids(home)) == {"redis"}
    redis_pid = _pids(home)["redis"]

    second = local.ensure(home, need=NATIVE)
    assert second.postgres_dsn
    assert second.redis_url == first.redis_url
    assert _pids(home)["redis"] == redis_pid


def test_of_four_programs_that_ask_at_once_one_starts_the_servers(home: Path) -> None:
    clients = [Client(home, need=NATIVE) for _ in range(4)]
    answers = [client.answer() for client in clients]
    for client in clients:
        client.leave()
    assert len(answers[0]["pids"]) == 2
    assert all(answer == answers[0] for answer in answers)


def test_a_client_is_served_although_the_supervisor_was_killed_while_it_made_the_database(home: Path) -> None:
    client = Client(home, need=frozenset({"postgres"}))
    wait_until((home / "pg18.init" / "base").is_dir, "initdb is at work")
    os.kill(supervisor_pid(home), signal.SIGKILL)
    assert set(client.answer()["pids"]) == {"postgres"}
    client.leave()


def test_a_second_start_attaches_to_what_runs(running_home: Path) -> None:
    before = (supervisor_pid(running_home), _pids(running_home))
    client = Client(running_home, need=local.ALL_SERVERS)
    assert client.answer()["pids"] == before[1]
    assert (supervisor_pid(running_home), _pids(running_home)) == before
    client.leave()


def test_servers_stop_soon_after_their_last_client_is_killed(home: Path) -> None:
    first, second = Client(home, need=REDIS), Client(home, need=REDIS)
    pid = first.answer()["pids"]["redis"]
    second.answer()
    first.kill()
    time.sleep(0.7)
    assert is_alive(pid), "the servers stopped under a client"
    second.kill()
    wait_until(lambda: not is_alive(pid), "redis ends after its last client")


def test_kept_servers_outlive_the_program_that_started_them(home: Path) -> None:
    client = Client(home, need=REDIS, keep=True, linger_seconds=0.0)
    pid = client.answer()["pids"]["redis"]
    client.kill()
    time.sleep(0.5)
    assert is_alive(pid)
    local.stop(home)
    assert not is_alive(pid)


def test_servers_that_die_come_back_where_they_were(running_home: Path) -> None:
    endpoints = local.ensure(running_home)
    before = _pids(running_home)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def all_are_new() -> bool:
        now = _pids(running_home)
        return set(now) == local.ALL_SERVERS and not set(now.values()) & set(before.values())

    wait_until(all_are_new, "the servers are started again")
    with psycopg.connect(endpoints.postgres_dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with clickhouse_connect.get_client(dsn=endpoints.clickhouse_url) as client:
        assert client.command("SELECT 1") == 1
    assert redis.Redis.from_url(endpoints.redis_url).ping()
    assert "postgres (process" in (running_home / "log" / "supervisor.log").read_text()


def test_a_client_whose_servers_were_stopped_gets_them_again(home: Path) -> None:
    first = local.ensure(home, need=REDIS)
    local.stop(home)
    assert local.ensure(home, need=REDIS) == first
    assert redis.Redis.from_url(first.redis_url).ping()


def test_a_program_that_a_client_starts_does_not_keep_the_servers(home: Path) -> None:
    script = f"""
import subprocess, sys
from pathlib import Path
from metrics_assets import local
local.ensure(Path({str(home)!r}), need=frozenset({{"redis"}}), linger_seconds=0.1)
child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid)
"""
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    child = int(started.stdout)
    try:
        supervisor = supervisor_pid(home)
        wait_until(lambda: not is_alive(supervisor), "the supervisor ends while the client's child lives")
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_is_a_client_only_when_it_asks_itself(home: Path) -> None:
    script = f"""
import os, sys, time
from pathlib import Path
from metrics_assets import local
def ask():
    return local.ensure(Path({str(home)!r}), need=frozenset({{"redis"}}), linger_seconds=0.1)
mine = ask()
asked, has_asked = os.pipe()
idle = os.fork()
if idle == 0:
    time.sleep(60)
    os._exit(0)
asking = os.fork()
if asking == 0:
    assert ask() == mine
    os.write(has_asked, b"!")
    sys.stdin.read()
    os._exit(0)
os.close(has_asked)
assert os.read(asked, 1) == b"!"
print(idle, flush=True)
os._exit(0)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdin is not None
    assert parent.stdout is not None
    idle = int(parent.stdout.readline())
    try:
        assert parent.wait(timeout=60) == 0
        supervisor = supervisor_pid(home)
        time.sleep(0.6)
        assert is_alive(supervisor), "the child that asked lost its servers"
        parent.stdin.close()
        wait_until(lambda: not is_alive(supervisor), "the supervisor ends while the idle child lives")
        assert is_alive(idle)
    finally:
        os.kill(idle, signal.SIGKILL)
        parent.stdout.close()


def test_a_supervisor_whose_home_was_removed_ends(home: Path) -> None:
    local.ensure(home, need=REDIS, keep=True)
    supervisor = supervisor_pid(home)
    home.rename(home.with_name("elsewhere"))
    wait_until(lambda: not is_alive(supervisor), "the supervisor notices")


def test_in_the_foreground_it_starts_everything_is_alone_and_ends_on_interrupt(home: Path) -> None:
    program = [sys.executable, "-m", "metrics_assets.local.supervisor", "--home", str(home)]
    with subprocess.Popen(program, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as first:
        wait_until(lambda: set(_pids(home)) == local.ALL_SERVERS, "all servers run")
        second = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert second.returncode == Refused.exit_code
        assert "metrics-assets local stop" in second.stderr
        first.send_signal(signal.SIGINT)
        said = first.communicate(timeout=60)[1]
    assert first.returncode == 0
    assert "postgres 18" in said
    assert _pids(home) == {}

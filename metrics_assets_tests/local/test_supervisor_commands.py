"""The command line of the embedded servers, and the small programs below it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from metrics_assets import local
from metrics_assets.errors import StoreUnreachable
from metrics_assets.local import tether
from metrics_assets.local.commands import local as commands
from metrics_assets.local.dagster_home import dagster_home
from metrics_assets.settings import settings
from metrics_assets_tests.local.support import REPOSITORY, is_alive, wait_until


@pytest.fixture
def _home_is_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METRICS_HOME", str(home))
    settings.cache_clear()
    return home


def _run(*arguments: str) -> str:
    return CliRunner().invoke(commands, arguments, catch_exceptions=False).stdout


@pytest.mark.usefixtures("_home_is_set")
def test_start_status_env_and_stop_work_from_a_shell(home: Path) -> None:
    assert str(home / "pg18") in _run("start")
    described = json.loads(_run("status", "--json"))
    assert [(server["name"], server["running"]) for server in described] == [
        ("postgres", True),
        ("clickhouse", True),
        ("redis", True),
    ]

    exports = _run("env")
    script = f"{exports}\nprintenv METRICS_HOME METRICS_REDIS_URL DAGSTER_HOME DAGSTER_POSTGRES_URL"
    shell = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    endpoints = local.running_endpoints(home)
    assert endpoints is not None
    assert shell.stdout.splitlines() == [
        str(home),
        endpoints.redis_url,
        str(home / "dagster"),
        endpoints.dagster_postgres_url,
    ]
    assert f"METRICS_POSTGRES_DSN={endpoints.postgres_dsn}" in exports
    assert f"METRICS_CLICKHOUSE_URL={endpoints.clickhouse_url}" in exports

    _run("stop")
    assert {server["running"] for server in json.loads(_run("status", "--json"))} == {False}


@pytest.mark.usefixtures("_home_is_set")
def test_env_without_servers_says_how_to_start_them() -> None:
    with pytest.raises(StoreUnreachable, match="metrics-assets local start"):
        _run("env")


def test_the_dagster_home_follows_the_repository_and_leaves_a_users_own_file(home: Path, tmp_path: Path) -> None:
    assert not (dagster_home(home, tmp_path) / "dagster.yaml").exists()
    (tmp_path / "dagster.yaml").write_text("of the repository")
    assert (dagster_home(home, tmp_path) / "dagster.yaml").read_text() == "of the repository"

    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert (dagster_home(home, moved) / "dagster.yaml").read_text() == "of the repository"

    (home / "dagster" / "dagster.yaml").unlink()
    (home / "dagster" / "dagster.yaml").write_text("mine")
    assert (dagster_home(home, moved) / "dagster.yaml").read_text() == "mine"


def test_importing_the_package_loads_no_engine_and_no_driver() -> None:
    script = "import sys, metrics_assets.local; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    heavy = {"chdb", "psycopg", "redis", "clickhouse_connect", "asyncio", "starlette", "dagster", "pydantic"}
    assert heavy.isdisjoint(result.stdout.split())


def test_no_url_shows_when_endpoints_are_printed() -> None:
    endpoints = local.Endpoints(Path("/home"), "postgresql://secret", "http://secret", "unix://secret", "secret")
    assert "secret" not in repr(endpoints)


_PARENT = """
import subprocess, sys, time
child = subprocess.Popen(
    [sys.executable, sys.argv[1], "--watch", "--parent", str(__import__("os").getpid()), "--signal", "15",
     "--", "/bin/sh", "-c", "echo $$; exec sleep 60"],
)
time.sleep(60)
"""


def _watched() -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, tether.__file__], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def test_where_the_kernel_does_not_help_the_tether_ends_a_server_whose_parent_was_killed() -> None:
    parent, server = _watched()
    time.sleep(0.5)
    assert is_alive(server)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not is_alive(server), "the tether notices")


def test_where_the_kernel_does_not_help_the_tether_passes_signals_and_the_exit_code_on() -> None:
    server = "trap 'exit 7' TERM; echo ready; while true; do sleep 0.05; done"
    watching = subprocess.Popen(
        [
            *(sys.executable, tether.__file__, "--watch", "--parent", str(os.getpid()), "--signal", "15"),
            *("--", "/bin/sh", "-c", server),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    assert watching.stdout.readline() == "ready\n"
    watching.terminate()
    assert watching.wait(timeout=120) == 7
    watching.stdout.close()

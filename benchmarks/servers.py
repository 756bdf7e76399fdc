"""Embedded servers that benchmarks run on, and how much memory their Postgres has.

Servers stay up from one area to the next when it uses the same ones: starting them takes longer than many an area.
Others are stopped before an area starts its own, so that nothing runs that is not measured.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.progress import say
from metrics_assets import local

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_MIB = 1024 * 1024
_in_use: set[Path] = set()
_idle: set[Path] = set()


def root() -> Path:
    """The folder of all data sets."""
    return Path(os.environ.get("METRICS_BENCH_HOME") or Path(__file__).parents[1] / ".bench").resolve()


@contextmanager
def running(home: Path, *, at_once: int = 1, need: frozenset[str] = local.ALL_SERVERS) -> Iterator[local.Endpoints]:
    """The servers of `home`; they stay up until other ones are asked for, or `stop_idle`.

    Postgres has a quarter of the machine's memory for shared_buffers, as a production server has, split among
    `at_once` of them. Both sides of every comparison run on it: with the small buffers of a test server, what reads
    more pages would lose time to page copies that a real server does not make.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    _idle.discard(home)
    _in_use.add(home)
    try:
        if len(_in_use) == 1:
            stop_idle()
        endpoints = local.ensure(home, need=need)
        if _set_buffers(endpoints.postgres_dsn, _memory_bytes() // 4 // at_once // _MIB):
            say(f"{home.name}: restarting Postgres with other shared_buffers")
            local.stop(home)
            endpoints = local.ensure(home, need=need)
        yield endpoints
    finally:
        _in_use.discard(home)
        _idle.add(home)


def stop_idle() -> None:
    """Stop the servers that no area uses any more."""
    for home in sorted(_idle):
        local.stop(home)
        _idle.discard(home)


def discard(home: Path) -> None:
    """Stop the servers of `home` and delete their data."""
    local.stop(home)
    shutil.rmtree(home)


def _set_buffers(dsn: str, mebibytes: int) -> bool:
    """Whether Postgres has to be restarted for them."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute("SELECT setting::bigint * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'")
        if found.fetchone() == (mebibytes,):
            return False
        statement = sql.SQL("ALTER SYSTEM SET shared_buffers = {}")
        connection.execute(statement.format(sql.Literal(f"{mebibytes}MB")))
    return True


def _memory_bytes() -> int:
    """What the machine has, or what the container may use of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CGROUP_LIMIT.read_text().strip() if _CGROUP_LIMIT.exists() else "max"
    return memory if limit == "max" else min(memory, int(limit))

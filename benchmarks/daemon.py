"""A Dagster daemon with its code server on a data set, as `make dev` runs them, and the ticks that its schedules make.

Moments are read from where they are kept: the run's row, tags and events in Dagster's database, the commit in the
ledger.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.data import Dataset
from benchmarks.progress import say
from metrics_assets import local
from metrics_assets.catalog import SETS
from metrics_assets.local import tether

_WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
_EVERY_MINUTE, _ONCE_A_YEAR = "* * * * *", "0 0 1 1 *"
_PATIENCE_SECONDS = 300
_STOP_SECONDS = 60
# Rows that tell the output's commit: the pass began when everything written by then was in the shared layer.
_COMMITTED = """
SELECT run_id, finished_at, rows_written FROM metrics.ledger
WHERE set_name = %s AND mode = 'tick' AND run_id IS NOT NULL AND (detail ->> 'complete_through')::timestamptz >= %s
ORDER BY id LIMIT 1"""
_SCHEDULED = """
SELECT (SELECT value FROM run_tags WHERE run_id = r.run_id AND key = '.dagster/scheduled_execution_time'),
       create_timestamp AT TIME ZONE 'UTC'
FROM runs r WHERE run_id = %s"""
_EVENTS = """
SELECT dagster_event_type, step_key, timestamp AT TIME ZONE 'UTC' FROM event_logs
WHERE run_id = %s AND dagster_event_type IN ('PIPELINE_STARTING', 'PIPELINE_START', 'STEP_START') ORDER BY timestamp"""


@dataclass(frozen=True)
class Running:
    """A daemon that runs.

    Attributes:
        database: address of Dagster's own database.
        log: file of what the daemon says.
    """

    database: str
    log: Path
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class ScheduledTick:
    """A tick that a schedule made.

    Attributes:
        seconds: from the schedule's second to the committed rows.
        parts: the same by what it is made of, in order.
    """

    scheduled_at: dt.datetime
    seconds: float
    parts: Mapping[str, float]
    rows_written: int


@contextmanager
def daemon(data: Dataset, *, alone: str | None) -> Iterator[Running]:
    """A daemon whose schedules tick every minute; only that of the set `alone`, or all when None.

    Dagster's database is made anew, so that no run or switch of an earlier daemon is in the way.
    """
    home = data.settings.home
    endpoints = local.ensure(home)
    database = str(endpoints.dagster_postgres_url)
    with psycopg.connect(endpoints.postgres_dsn, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS dagster WITH (FORCE)")
        connection.execute("CREATE DATABASE dagster")
    environment = {
        **os.environ,
        "METRICS_HOME": str(home),
        "METRICS_POSTGRES_DSN": str(data.settings.postgres_dsn),
        "METRICS_CLICKHOUSE_URL": str(data.settings.clickhouse_url),
        "METRICS_REDIS_URL": str(data.settings.redis_url),
        "METRICS_SCHEDULES_ON": "1",
        "DAGSTER_HOME": str(local.dagster_home(home)),
        "DAGSTER_POSTGRES_URL": database,
        **{
            f"METRICS_{metric_set.name.upper()}_CRON": (
                _EVERY_MINUTE if alone in (None, metric_set.name) else _ONCE_A_YEAR
            )
            for metric_set in SETS
        },
    }
    tied = [sys.executable, "-I", "-S", tether.__file__, "--parent", str(os.getpid()), "--signal", str(signal.SIGINT)]
    log = home / "dagster-daemon.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*tied, "--", sys.executable, "-m", "dagster._daemon", "run", "-w", str(_WORKSPACE)],
            env=environment,
            cwd=environment["DAGSTER_HOME"],
            stdout=said,
            stderr=said,
            start_new_session=True,  # a Ctrl-C is for us: the daemon is stopped below, when its runs are over
        )
        try:
            yield Running(database, log, process)
        finally:
            _stop(process)


def tick_that_holds(data: Dataset, running: Running, set_name: str, *, written_at: dt.datetime) -> ScheduledTick | None:
    """The first tick after which the set holds everything that was written by then; None when a sensor made it.

    Raises:
        TimeoutError: there is none within five minutes, or the daemon has ended.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and running.process.poll() is None:
        with data.stores.postgres.connection() as connection:
            committed = connection.execute(_COMMITTED.encode(), (set_name, written_at)).fetchone()
        if committed:
            run_id, finished_at, rows_written = committed
            return _tick(running, str(run_id), finished_at, int(rows_written))
        time.sleep(0.25)
    raise TimeoutError(
        f"No scheduled tick of {set_name} has taken what was written at {written_at:%H:%M:%S} UTC. "
        f"The daemon's log is {running.log}."
    )


def _tick(running: Running, run_id: str, finished_at: dt.datetime, rows_written: int) -> ScheduledTick | None:
    with psycopg.connect(running.database) as dagster:
        scheduled = dagster.execute(_SCHEDULED.encode(), (run_id,)).fetchone()
        events = dagster.execute(_EVENTS.encode(), (run_id,)).fetchall()
    assert scheduled is not None
    if scheduled[0] is None:
        say(f"run {run_id} was made by a sensor, not by the schedule: it is not measured")
        return None
    scheduled_at = dt.datetime.fromisoformat(scheduled[0])
    # each moment ends the part that it stands beside
    moments: list[tuple[str, dt.datetime]] = [("", scheduled_at), ("schedule evaluated, run made", scheduled[1])]
    step = "the run's process loads until its first step"
    for kind, key, moment in events:
        if kind == "PIPELINE_STARTING":
            moments.append(("out of the queue", moment))
        elif kind == "PIPELINE_START":
            moments.append(("the run's process started", moment))
        elif moment <= finished_at:
            moments.append((step, moment))
            step = f"step {key}"
    moments.append((f"{step}, until committed", finished_at))
    parts = {name: (moment - before).total_seconds() for (_, before), (name, moment) in itertools.pairwise(moments)}
    return ScheduledTick(scheduled_at, (finished_at - scheduled_at).total_seconds(), parts, rows_written)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the daemon and what it started; what does not end by itself is killed with its group."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_STOP_SECONDS)
    # its code server may outlive it
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

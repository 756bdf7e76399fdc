"""Processes that report, to run beside each other and to be killed: `python -m … starts|updates ARGUMENT…`."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TypeVar

from metrics_assets.job_metrics import ClientUpdate, JobMetrics
from metrics_assets.job_metrics.operations import Operation
from metrics_assets.job_metrics.service import drive
from metrics_assets.stores.postgres import Postgres

T = TypeVar("T")

CLIENTS = 200
UPDATES = 400
INSIDE, COMMITTED = "inside a transaction", "between commit and answer"
_DIES_AFTER = 60  # statements and commits
_COMMITS = 8  # as likely to be hit as all statements of a transaction together
_DSN = "JOB_METRICS_TEST_DSN"


def start(dsn: str, work: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that reports to that Postgres."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, work, *arguments],
        env={**os.environ, _DSN: dsn},
        stdout=subprocess.PIPE,
        text=True,
    )


def plan(worker: int) -> list[ClientUpdate]:
    """What a worker has to report: the same whenever it is asked, each update under a key of its own."""
    rng = random.Random(worker)
    return [
        ClientUpdate(
            "251007-073024",
            f"client-{rng.randrange(CLIENTS):03}",
            {"Leads Processed": rng.randrange(1, 50), "Total Tokens": f"{rng.randrange(1000, 9000):,}"},
            idempotency_key=f"{worker}-{number}",
        )
        for number in range(UPDATES)
    ]


class _Mortal(JobMetrics):
    """The service in a process that dies anywhere: after any statement, and after a commit that nobody was told of."""

    def __init__(self, postgres: Postgres, rng: random.Random) -> None:
        super().__init__(postgres)
        self._rng = rng

    def _once(self, operation: Callable[[], Operation[T]]) -> T:
        with self._postgres.connection() as connection:
            with connection.transaction():
                value = drive(connection, self._watched(operation()))
            self._perhaps_die(COMMITTED, _COMMITS)
        return value

    def _watched(self, operation: Operation[T]) -> Operation[T]:
        """The operation, which may be cut off after each of its statements."""
        try:
            query = next(operation)
            while True:
                found = yield query
                self._perhaps_die(INSIDE, 1)
                query = operation.send(found)
        except StopIteration as end:
            value: T = end.value
            return value

    def _perhaps_die(self, where: str, weight: int) -> None:
        if self._rng.random() < weight / _DIES_AFTER:
            print(where, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)


def _starts(jobs: JobMetrics, second: str, count: str) -> None:
    for _ in range(int(count)):
        print(jobs.start_job("score", started_at=dt.datetime.fromisoformat(second)), flush=True)


def _updates(jobs: JobMetrics, worker: str, seed: str, dies: str) -> None:
    """Report the plan from somewhere before its end, some of it twice and in batches; perhaps die on the way."""
    rng = random.Random(seed)
    jobs = _Mortal(jobs._postgres, random.Random(f"{seed} death")) if dies == "dies" else jobs
    todo = plan(int(worker))
    for number in range(0, len(todo), 10):
        batch = todo[number : number + 10]
        if rng.random() < 0.3:
            batch = batch + rng.sample(todo, 5)
        if rng.random() < 0.5:
            rng.shuffle(batch)
        jobs.record(batch)


def main(work: str, *arguments: str) -> None:
    """Do the work once."""
    postgres = Postgres(os.environ[_DSN], application_name="worker", statement_timeout_seconds=60, schema="public")
    {"starts": _starts, "updates": _updates}[work](JobMetrics(postgres), *arguments)
    postgres.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

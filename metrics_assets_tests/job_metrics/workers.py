"""Processes that report, to run beside each other and to be killed: `python -m … starts|updates ARGUMENT…`."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys

from metrics_assets.job_metrics import ClientUpdate, JobMetrics
from metrics_assets.stores.postgres import Postgres

CLIENTS = 200
UPDATES = 400
_DIES_AFTER = 12
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


def _starts(jobs: JobMetrics, second: str, count: str) -> None:
    for _ in range(int(count)):
        print(jobs.start_job("score", started_at=dt.datetime.fromisoformat(second)), flush=True)


def _updates(jobs: JobMetrics, worker: str, seed: str, dies: str) -> None:
    """Report the plan from somewhere before its end, some of it twice and in batches; perhaps die on the way."""
    rng = random.Random(seed)
    todo = plan(int(worker))
    for number in range(0, len(todo), 10):
        batch = todo[number : number + 10]
        if rng.random() < 0.3:
            batch = batch + rng.sample(todo, 5)
        if rng.random() < 0.5:
            rng.shuffle(batch)
        jobs.record(batch)
        if dies == "dies" and rng.random() < 1 / _DIES_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)


def main(work: str, *arguments: str) -> None:
    """Do the work once."""
    postgres = Postgres(os.environ[_DSN], application_name="worker", statement_timeout_seconds=60, schema="public")
    {"starts": _starts, "updates": _updates}[work](JobMetrics(postgres), *arguments)
    postgres.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Throughput of job metrics: client updates a second in batches, each with an idempotency key, as a role that row-level
security binds: that is what production has, and a superuser would be spared the policies.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from benchmarks import servers
from benchmarks.measure import Bound, Row, Samples, at_least, repeat, verified
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.job_metrics import ClientUpdate, JobMetrics
from metrics_assets.pipeline import job_tables
from metrics_assets.stores.postgres import Postgres

AREA = "jobs"
_ROLE = "bench_jobs"
_BATCH = 1_000
_BATCHES = 20
_CLIENTS = 5_000
_LIMIT = 5_000
_FIGURES = ("Leads Processed", "Posts Processed", "Posts Successfully Scored", "Post Scoring Tokens", "Total Tokens")


@dataclass
class _Story:
    """Updates of one run, new ones every time it is asked, and what they come to."""

    rng: random.Random
    run_id: str
    asked: int = 0
    total: int = 0

    def batch(self) -> list[ClientUpdate]:
        """A batch of updates, of five figures each, for clients drawn from all."""
        updates = []
        for _ in range(_BATCH):
            self.asked += 1
            figures = {name: self.rng.randrange(1, 1000) for name in _FIGURES}
            self.total += figures["Total Tokens"]
            client = f"client-{self.rng.randrange(_CLIENTS)}"
            updates.append(ClientUpdate(self.run_id, client, figures, idempotency_key=str(self.asked)))
        return updates


def run(options: Options) -> list[Row]:
    """Batches of new updates, the same again as retries, and the totals of a run with 5,000 clients."""
    fresh, repeated, totals = Samples(), Samples(), Samples()
    with _service() as jobs:
        story = _Story(random.Random(options.seed), jobs.start_job("bench"))

        def once(number: int) -> None:
            batches = [story.batch() for _ in range(2 if options.quick else _BATCHES)]
            for samples in (fresh, repeated):
                took = samples if number >= 0 else Samples()
                with took.timed():
                    applied = sum(jobs.record(batch).updates_applied for batch in batches)
                took.count(len(batches) * _BATCH, applied)
            took = totals if number >= 0 else Samples()
            with took.timed():
                found = jobs.update_job_aggregate_metrics(story.run_id)
            took.count(found.clients, 1)

        repeat(options.runs, once)
        wrong = int(jobs.update_job_aggregate_metrics(story.run_id).metrics["Total Tokens"] != story.total)
    rows = [
        fresh.row(AREA, f"client updates in batches of {_BATCH:,}", bound=_per_second(fresh, _LIMIT)),
        repeated.row(AREA, "the same again, found by their keys", note=f"{_rate(repeated):,.0f} updates/s"),
        totals.row(AREA, "totals of a run recomputed from its clients"),
    ]
    for row in rows:
        say(f"{AREA}: {row.name}: {row.median * 1000:.0f} ms")
    say(f"{AREA}: {_rate(fresh):,.0f} updates/s; sums {'differ' if wrong else 'equal a plain count'}")
    return verified(rows, wrong)


def _per_second(samples: Samples, limit: float) -> Bound:
    return at_least(_rate(samples), limit, "updates/s")


def _rate(samples: Samples) -> float:
    return statistics.median(samples.rows_in) / samples.median


@contextmanager
def _service() -> Iterator[JobMetrics]:
    """The service in a database of its own, as its owner, who is no superuser."""
    home = servers.root() / "jobs"
    with servers.running(home, need=frozenset({"postgres"})) as endpoints:
        with psycopg.connect(endpoints.postgres_dsn, autocommit=True) as admin:
            _make(admin)
        # what is said later wins
        dsn = psycopg.conninfo.make_conninfo(endpoints.postgres_dsn, dbname=_ROLE, user=_ROLE, password=_ROLE)
        postgres = Postgres(dsn, application_name="bench", statement_timeout_seconds=600, schema="public")
        try:
            with postgres.connection() as connection:
                connection.execute("CREATE SCHEMA metrics")
                connection.execute(_LEDGER)
                for statement in job_tables.statements():
                    connection.execute(statement)
            yield JobMetrics(postgres)
        finally:
            postgres.close()


# job_metrics.sql puts indexes on it
_LEDGER = "CREATE TABLE metrics.ledger (run_id text, started_at timestamptz)"


def _make(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    role = sql.Identifier(_ROLE)
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(role))
    admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(role))
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER PASSWORD {}").format(role, sql.Literal(_ROLE)))
    admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))

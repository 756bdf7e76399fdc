"""Many processes report at once, repeat themselves and die; the figures equal a plain count of what they had."""

from __future__ import annotations

import datetime as dt
import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics_assets.catalog.job_metrics import BUILT_IN, IN_PROGRESS, STATUSES
from metrics_assets.job_metrics import JobMetrics, merge
from metrics_assets.stores.postgres import Postgres
from metrics_assets_tests.job_metrics import workers

_RUN = "251007-073024"
_PROCESSES = 8
_COUNTED = ("Leads Processed", "Total Tokens")
_KNOWN = {metric.name: metric for metric in BUILT_IN}


def _report_until_done(dsn: str, worker: int) -> list[str]:
    """Run a worker that may die until one comes to its end; returns where those before it died."""
    rng = random.Random(worker)
    deaths: list[str] = []
    while True:
        # after some deaths it is let through, or the test would last as long as chance wants
        dies = "dies" if len(deaths) < 3 else "lives"
        process = workers.start(dsn, "updates", str(worker), str(rng.random()), dies)
        told, _ = process.communicate(timeout=240)
        if process.returncode == 0:
            return deaths
        assert process.returncode == -signal.SIGKILL
        deaths.append(told.strip())


@pytest.mark.faults
def test_two_hundred_clients_by_eight_processes_with_retries_and_kills_equal_a_recount(
    postgres: Postgres, jobs: JobMetrics
) -> None:
    with ThreadPoolExecutor(_PROCESSES) as pool:
        found_dead = pool.map(lambda worker: _report_until_done(postgres.dsn, worker), range(_PROCESSES))
        deaths = Counter(where for wheres in found_dead for where in wheres)

    expected: dict[str, Counter[str]] = {}
    for update in (update for worker in range(_PROCESSES) for update in workers.plan(worker)):
        found = expected.setdefault(update.client_id, Counter())
        for name, value in update.metrics.items():
            found[name] += int(str(value).replace(",", ""))
    assert min(deaths[workers.INSIDE], deaths[workers.COMMITTED]) > 0, f"no worker died there: {deaths}"
    assert deaths.total() >= _PROCESSES, "the workers died too seldom to prove anything"
    assert len(expected) == workers.CLIENTS
    counted = {client.client_id: client.metrics for client in jobs.client_runs(_RUN)}
    assert {client: {name: found[name] for name in _COUNTED} for client, found in counted.items()} == expected
    run = jobs.complete_job_metrics(_RUN, True)
    assert run.clients == workers.CLIENTS
    assert run.metrics["Leads Processed"] == sum(figures["Leads Processed"] for figures in expected.values())
    assert run.metrics["Total Tokens"] == sum(figures["Total Tokens"] for figures in expected.values())


_MOMENTS = st.integers(0, 1000).map(
    lambda minutes: dt.datetime(2025, 10, 7, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
)
_CHANGES = st.builds(
    merge.Change,
    values=st.fixed_dictionaries(
        {},
        optional={
            "Leads Processed": st.integers(0, 1000).map(Decimal),
            "Start Time": _MOMENTS,
            "End Time": _MOMENTS,
            "Status": st.sampled_from([status for status in STATUSES if status != IN_PROGRESS]),
        },
    ),
    mode=st.just("add"),
    at=_MOMENTS,
)


@given(st.lists(_CHANGES, max_size=6, unique_by=lambda change: change.at), st.randoms())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_order_in_which_updates_arrive_changes_nothing(changes: list[merge.Change], rng: random.Random) -> None:
    shuffled = list(changes)
    rng.shuffle(shuffled)

    assert _after(changes) == _after(shuffled)


def _after(changes: list[merge.Change]) -> merge.Figures:
    figures = merge.Figures()
    for change in changes:
        figures = merge.apply(figures, change, _KNOWN)
    return figures

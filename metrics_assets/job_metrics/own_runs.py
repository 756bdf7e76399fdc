"""This project's own runs as job runs: a client run is what one asset did in a Dagster run, read from the ledger that
the pipeline keeps anyway. Everything is set, never added, so that reading it again changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from psycopg.types.json import Jsonb

from metrics_assets.catalog import SETS
from metrics_assets.catalog.job_metrics import COMPLETED, FAILED, IN_PROGRESS
from metrics_assets.job_metrics.operations import EVERY_CLIENT, Operation, file, see, start_job, start_values
from metrics_assets.job_metrics.records import ClientUpdate
from metrics_assets.job_metrics.service import JobMetrics, now
from metrics_assets.stores.postgres import Postgres

MODE, SET = "mode", "set"  # labels of own runs
_SETTLED = dt.timedelta(minutes=10)
_FAILED_PASS = "failed"


@dataclass(frozen=True)
class RunFacts:
    """What Dagster knows of a run.

    Attributes:
        requested_at: when it was asked for; from then to `started_at` it waited in the queue.
        status: In Progress, Completed or Failed.
    """

    run_id: str
    job_name: str
    status: str
    requested_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    mode: str


@dataclass(frozen=True)
class _Pass:
    """What an asset did in a run, as own_runs.sql tells it."""

    run_id: str
    set_name: str
    mode: str
    outcome: str
    error: str
    started_at: dt.datetime
    finished_at: dt.datetime
    entities_changed: int
    rows_read: int
    rows_written: int
    backlog_before: int
    backlog_after: int
    seconds: float
    query_seconds: float
    steps: Mapping[str, float]


def record_own_runs(
    postgres: Postgres,
    first: dt.datetime,
    end: dt.datetime,
    facts: Callable[[Sequence[str]], Mapping[str, RunFacts]],
    *,
    also: Iterable[RunFacts] = (),
    again: bool = False,
) -> int:
    """Make job runs of the Dagster runs that wrote to the ledger from `first` to before `end`, and bring those up to
    date that are job runs in progress.

    Dagster is asked before the ledger is read: what it says has ended wrote its last line before that.

    Args:
        facts: looks up Dagster's runs by id; those that it does not know are taken by what the ledger says.
        also: runs that may have ended before they wrote anything.
        again: also those that are job runs and have ended already.

    Returns:
        How many runs were recorded.
    """
    service = JobMetrics(postgres)
    others = {run.run_id: run for run in also}
    told = set() if again else service.run(partial(_ended, list(others)))
    wanted = service.run(partial(_run_ids, first, end, again))
    known = {**{run_id: run for run_id, run in others.items() if run_id not in told}, **facts(wanted)}
    by_run: dict[str, list[_Pass]] = {}
    for one in service.run(partial(_passes, sorted({*wanted, *known}))):
        by_run.setdefault(one.run_id, []).append(one)
    for run_id in {**by_run, **known}:
        _record(service, by_run.get(run_id, []), known.get(run_id) or _told_by_ledger(by_run[run_id]))
    return len({**by_run, **known})


def _run_ids(first: dt.datetime, end: dt.datetime, again: bool) -> Operation[list[str]]:
    found = yield file("own_runs_ids"), {"first": first, "end": end, "again": again, "mode": MODE, "set": SET}
    return [str(run_id) for (run_id,) in found]


def _passes(dagster_run_ids: list[str]) -> Operation[list[_Pass]]:
    found = yield file("own_runs"), {"run_ids": dagster_run_ids}
    return [_Pass(*row) for row in found]


def _ended(dagster_run_ids: list[str]) -> Operation[set[str]]:
    """Those that are job runs and have ended."""
    found = yield (
        "SELECT alias FROM metrics.job_run_alias JOIN metrics.job_run USING (run_id)"
        " WHERE alias = ANY (%(ids)s) AND status <> 'In Progress'",
        {"ids": dagster_run_ids},
    )
    return {str(alias) for (alias,) in found}


def _record(service: JobMetrics, passes: Sequence[_Pass], run: RunFacts) -> None:
    began = [one.started_at for one in passes]
    set_name = _set_of(passes, run.job_name)
    values = start_values(
        # what Dagster calls its job for assets that were chosen by hand says nothing
        job_of(set_name, run.job_name) if run.job_name.startswith("__") else run.job_name,
        requested_at=run.requested_at,
        started_at=run.started_at or min(began, default=run.requested_at),
        labels={MODE: run.mode, SET: set_name},
    )
    run_id = service.run(partial(start_job, values, run.run_id, rename=True))
    if passes:
        service.record([_update(run_id, one, of_set=one.set_name == set_name) for one in passes])
        service.run(partial(_keep_steps, run_id, passes))
    if run.status == IN_PROGRESS:
        service.update_job_aggregate_metrics(run_id)
        return
    failed = [f"{one.set_name}: {one.error}" for one in passes if one.outcome == _FAILED_PASS]
    ended = run.finished_at or max((one.finished_at for one in passes), default=run.requested_at)
    service.complete_job_metrics(run_id, run.status == COMPLETED, "; ".join(failed) or None, at=ended)


def _update(run_id: str, one: _Pass, *, of_set: bool) -> ClientUpdate:
    failed = one.outcome == _FAILED_PASS
    return ClientUpdate(
        run_id,
        one.set_name,
        {
            "Start Time": one.started_at,
            "End Time": one.finished_at,
            "Status": FAILED if failed else COMPLETED,
            # an entity passes several assets on its way: the run counts it once, where its set counts it
            "Entities Changed": one.entities_changed if of_set else None,
            "Rows Read": one.rows_read,
            "Rows Written": one.rows_written,
            "Backlog Before": one.backlog_before,
            "Backlog After": one.backlog_after,
            "Seconds": Decimal(str(one.seconds)),
            "Query Seconds": Decimal(str(one.query_seconds)),
        },
        mode="set",
        at=one.finished_at,
        notes=one.error if failed else one.outcome,
    )


def _keep_steps(run_id: str, passes: Sequence[_Pass]) -> Operation[None]:
    yield from see(EVERY_CLIENT)
    yield (
        file("steps_write"),
        {
            "run_ids": [run_id] * len(passes),
            "client_ids": [one.set_name for one in passes],
            "steps": [Jsonb(one.steps) for one in passes],
        },
    )


def _set_of(passes: Iterable[_Pass], job_name: str) -> str:
    """The set that a run is of: its job's, or the last in their order that it worked on; "" when it is of none."""
    for metric_set in SETS:
        if metric_set.job == job_name:
            return metric_set.name
    names = {one.set_name for one in passes}
    return next((metric_set.name for metric_set in reversed(SETS) if metric_set.name in names), "")


def job_of(set_name: str, otherwise: str) -> str:
    """Name of the set's job."""
    return next((metric_set.job for metric_set in SETS if metric_set.name == set_name), otherwise)


def _told_by_ledger(passes: Sequence[_Pass]) -> RunFacts:
    """A run that Dagster has forgotten, or that belongs to another instance."""
    job = job_of(_set_of(passes, ""), passes[0].set_name)
    ended = max(one.finished_at for one in passes)
    failed = any(one.outcome == _FAILED_PASS for one in passes)
    status = IN_PROGRESS if now() - ended < _SETTLED else FAILED if failed else COMPLETED
    began = min(one.started_at for one in passes)
    return RunFacts(passes[0].run_id, job, status, began, began, ended, passes[0].mode)

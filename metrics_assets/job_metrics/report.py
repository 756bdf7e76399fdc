"""Totals by job and by client of some days, and how this project's own sets keep up with their schedules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import sql

from metrics_assets.catalog.job_metrics import FAILED, LEVELS, Aggregation, JobMetric
from metrics_assets.job_metrics.operations import EVERY_CLIENT, Operation, file, known_metrics, listed, see
from metrics_assets.job_metrics.own_runs import MODE, SET, job_of
from metrics_assets.job_metrics.pace import Pace, Tick, looked_back, pace
from metrics_assets.job_metrics.records import JobRun
from metrics_assets.job_metrics.service import JobMetrics, now
from metrics_assets.job_metrics.values import Value
from metrics_assets.stores.postgres import Postgres

_TOTAL_COLUMNS = 6


@dataclass(frozen=True)
class Total:
    """A job's runs of a day, or those of one client in it.

    Attributes:
        client_id: empty for the job as a whole.
        runs: job runs, or client runs; those that are neither completed nor failed are in progress.
        metrics: summed, or as the metric says, by its name; of levels (`LEVELS`) the highest.
    """

    day: dt.date
    job_name: str
    client_id: str
    runs: int
    runs_completed: int
    runs_failed: int
    metrics: Mapping[str, Value]


@dataclass(frozen=True)
class JobReport:
    """What the runs that began on some days come to.

    Attributes:
        runs: every run, the newest first.
        by_job, by_client: totals by day.
        paces: how each set keeps up, now or at the end of the days, by the name of the set.
    """

    first_day: dt.date
    last_day: dt.date
    runs: tuple[JobRun, ...]
    by_job: tuple[Total, ...]
    by_client: tuple[Total, ...]
    paces: Mapping[str, Pace]


def between(first_day: dt.date, last_day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """The moments from which and before which the days last, in UTC."""
    begin, end = (dt.datetime.combine(day, dt.time(), dt.UTC) for day in (first_day, last_day))
    return begin, end + dt.timedelta(days=1)


def aggregate_runs(postgres: Postgres, first_day: dt.date, last_day: dt.date, *, again: bool = False) -> int:
    """Recompute the totals of runs that began on these days and whose clients changed, or of all; returns how many."""
    service = JobMetrics(postgres)
    found = service.run(partial(_to_aggregate, *between(first_day, last_day), again))
    for run_id in found:
        service.update_job_aggregate_metrics(run_id)
    return len(found)


def report(postgres: Postgres, first_day: dt.date, last_day: dt.date, periods: Mapping[str, float]) -> JobReport:
    """Totals of the runs that began on these days, as they are stored.

    Args:
        periods: seconds from one scheduled tick to the next, by set.
    """
    service = JobMetrics(postgres)
    first, end = between(first_day, last_day)
    until = min(now(), end)
    return JobReport(
        first_day,
        last_day,
        service.job_runs(began=(first, end)),
        service.run(partial(_totals, "totals_by_job", first, end)),
        service.run(partial(_totals, "totals_by_client", first, end)),
        {name: _pace(service, name, period, until) for name, period in periods.items()},
    )


def _to_aggregate(first: dt.datetime, end: dt.datetime, again: bool) -> Operation[list[str]]:
    yield from see(EVERY_CLIENT)
    found = yield file("runs_to_aggregate"), {"first": first, "end": end, "again": again}
    return [str(run_id) for (run_id,) in found]


def _totals(question: str, first: dt.datetime, end: dt.datetime) -> Operation[tuple[Total, ...]]:
    yield from see(EVERY_CLIENT)
    known = yield from known_metrics()
    metrics = [metric for metric in known if not metric.is_last]
    columns = [
        ("client", metric.column) if question == "totals_by_client" else ("run", metric.job_column)
        for metric in metrics
    ]
    aggregates = [
        sql.SQL("{}({})").format(sql.SQL(_over_runs(metric).value), sql.Identifier(*column))
        for metric, column in zip(metrics, columns, strict=True)
    ]
    found = yield file(question, aggregates=listed(aggregates)), {"first": first, "end": end}
    return tuple(_total(row, metrics) for row in found)


def _over_runs(metric: JobMetric) -> Aggregation:
    return Aggregation.MAX if metric.name in LEVELS else metric.aggregation


def _total(row: tuple[Any, ...], metrics: Iterable[JobMetric]) -> Total:
    cells = zip(metrics, row[_TOTAL_COLUMNS:], strict=True)
    return Total(*(*row[:_TOTAL_COLUMNS], {metric.name: cell for metric, cell in cells if cell is not None}))


def _pace(service: JobMetrics, set_name: str, period: float, until: dt.datetime) -> Pace:
    runs = service.job_runs(job_name=job_of(set_name, set_name), began=(until - looked_back(period), until))
    return pace(set_name, period, list(_ticks(runs, set_name, until)))


def _ticks(runs: Iterable[JobRun], set_name: str, until: dt.datetime) -> Iterable[Tick]:
    for run in runs:
        if run.labels.get(SET) != set_name or run.labels.get(MODE) != "tick" or run.status == FAILED:
            continue
        seconds = seconds_from_request(run)
        so_far = (until - (run.requested_at or run.started_at)).total_seconds()
        backlog = int(str(run.metrics.get("Backlog After", 0)))
        yield Tick(run.started_at, so_far if seconds is None else seconds, backlog, running=seconds is None)


def seconds_from_request(run: JobRun) -> float | None:
    """From the time that a run was asked for to its end, the wait included; None while it runs."""
    if run.finished_at is None:
        return None
    return (run.finished_at - (run.requested_at or run.started_at)).total_seconds()

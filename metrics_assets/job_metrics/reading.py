"""Operations that read runs, their clients, and what was left out of their figures: with all metrics that there are by
then, whoever registered them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from psycopg import sql

from metrics_assets.catalog.job_metrics import JobMetric
from metrics_assets.job_metrics.operations import (
    EVERY_CLIENT,
    Operation,
    file,
    in_utc,
    known_metrics,
    listed,
    resolve,
    see,
)
from metrics_assets.job_metrics.records import ClientRun, JobRun, NoSuchRun, OpenRun, Rejected
from metrics_assets.job_metrics.values import Rejection

_RUN_COLUMNS = 13
_CLIENT_COLUMNS = 7


def runs(
    *,
    job_name: str | None = None,
    status: str | None = None,
    began: tuple[dt.datetime, dt.datetime] | None = None,
    limit: int | None = None,
) -> Operation[tuple[JobRun, ...]]:
    """Runs, the newest first.

    Args:
        began: only those that began at or after the first moment and before the second.
        limit: at most so many; all when unset.
    """
    first, end = map(in_utc, began) if began else (None, None)
    known = yield from known_metrics()
    found = yield (
        _runs_statement(known),
        {"run_id": None, "job_name": job_name, "status": status, "first": first, "end": end, "limit": limit},
    )
    return tuple(_job_run(row, known) for row in found)


def run(spelled: str) -> Operation[JobRun]:
    """One run.

    Raises:
        NoSuchRun: it was never started nor updated.
    """
    run_id = yield from resolve(spelled, create=False)
    known = yield from known_metrics()
    found = yield (
        _runs_statement(known),
        {"run_id": run_id, "job_name": None, "status": None, "first": None, "end": None, "limit": 1},
    )
    if not found:
        raise NoSuchRun(f"There is no job run {run_id}. `metrics-assets jobs list` shows the runs.")
    return _job_run(found[0], known)


def client_runs(spelled: str, client_id: str | None = None) -> Operation[tuple[ClientRun, ...]]:
    """The client runs of a run, or that of one client, by client id."""
    yield from see(client_id or EVERY_CLIENT)
    run_id = yield from resolve(spelled, create=False)
    known = yield from known_metrics()
    found = yield (
        file("client_runs", columns=listed(sql.Identifier(metric.column) for metric in known)),
        {"run_id": run_id, "client_id": client_id},
    )
    return tuple(ClientRun(*(*row[:_CLIENT_COLUMNS], _named(row[_CLIENT_COLUMNS:], known))) for row in found)


def rejected_values(spelled: str) -> Operation[tuple[Rejected, ...]]:
    """The values that were left out of a run, by client and metric."""
    yield from see(EVERY_CLIENT)
    run_id = yield from resolve(spelled, create=False)
    found = yield (
        "SELECT run_id, client_id, metric, value, reason FROM metrics.job_rejected_value WHERE run_id = %(run_id)s"
        " ORDER BY client_id, metric, value, reason",
        {"run_id": run_id},
    )
    return tuple(
        Rejected(run, client, Rejection(metric, value, reason)) for run, client, metric, value, reason in found
    )


def open_runs() -> Operation[tuple[OpenRun, ...]]:
    """Runs in progress with their last sign of life, the longest silent first."""
    yield from see(EVERY_CLIENT)
    found = yield file("open_runs"), None
    return tuple(OpenRun(*row) for row in found)


def _runs_statement(known: Sequence[JobMetric]) -> sql.Composed:
    return file("runs", columns=listed(sql.Identifier(metric.job_column) for metric in known))


def _job_run(row: tuple[Any, ...], known: Sequence[JobMetric]) -> JobRun:
    return JobRun(*(*row[:_RUN_COLUMNS], _named(row[_RUN_COLUMNS:], known)))


def _named(cells: Sequence[Any], known: Sequence[JobMetric]) -> dict[str, Any]:
    return {metric.name: cell for metric, cell in zip(known, cells, strict=True) if cell is not None}

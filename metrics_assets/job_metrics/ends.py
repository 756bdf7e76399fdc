"""Operations that end runs, let them go on, and recompute their totals from the client runs."""

from __future__ import annotations

import datetime as dt

from psycopg import sql

from metrics_assets.catalog.job_metrics import COMPLETED, FAILED, IN_PROGRESS
from metrics_assets.errors import Refused
from metrics_assets.job_metrics import merge
from metrics_assets.job_metrics.operations import (
    EVERY_CLIENT,
    Operation,
    file,
    in_utc,
    known_metrics,
    listed,
    own,
    resolve,
    see,
    share,
)
from metrics_assets.job_metrics.records import NoSuchRun
from metrics_assets.job_metrics.values import storable


def aggregate(spelled: str) -> Operation[str]:
    """Recompute the figures of a run from its client runs; returns its id.

    Raises:
        NoSuchRun: it was never started nor updated.
        Refused: this role may not see every client's rows.
    """
    yield from see(EVERY_CLIENT)
    run_id = yield from resolve(spelled, create=False)
    yield from own(run_id)
    yield from _aggregate(run_id)
    return run_id


def complete_job(spelled: str, success: bool, notes: str | None, at: dt.datetime) -> Operation[str]:
    """End a run, and recompute its figures; returns its id. Of two ends the later one counts.

    Raises: as `aggregate`.
    """
    yield from see(EVERY_CLIENT)
    run_id = yield from resolve(spelled, create=False)
    yield from own(run_id)
    yield from _move_job(
        run_id, COMPLETED if success else FAILED, in_utc(at), None if notes is None else storable(notes)
    )
    yield from _aggregate(run_id)
    return run_id


def reopen_job(spelled: str, at: dt.datetime) -> Operation[str]:
    """Let a run that has ended go on; returns its id.

    Raises:
        NoSuchRun: it was never started nor updated.
    """
    run_id = yield from resolve(spelled, create=False)
    yield from own(run_id)
    yield from _move_job(run_id, IN_PROGRESS, at, None)
    return run_id


def abandon(spelled: str, reason: str, at: dt.datetime) -> Operation[str | None]:
    """End a run in progress whose worker is gone, and its client runs in progress, as failed.

    Args:
        at: when it was seen last. A true end that arrives late is later, and counts.

    Returns:
        The run's id; None when it had ended meanwhile.
    """
    yield from see(EVERY_CLIENT)
    run_id = yield from resolve(spelled, create=False)
    yield from own(run_id)
    reason = storable(reason)
    # an end from before a reopening would not count
    found = yield (
        "SELECT status, greatest(%(at)s, reopened_at) FROM metrics.job_run WHERE run_id = %(run_id)s",
        {"run_id": run_id, "at": in_utc(at)},
    )
    if not found or found[0][0] != IN_PROGRESS:
        return None
    ended_at = found[0][1]
    yield file("run_abandon"), {"run_id": run_id, "reason": reason, "at": ended_at}
    yield from _move_job(run_id, FAILED, ended_at, reason)
    yield from _aggregate(run_id)
    return run_id


def heartbeat(spelled: str) -> Operation[None]:
    """Say that the run lives."""
    run_id = yield from resolve(spelled)
    yield from share([run_id])
    yield "UPDATE metrics.job_run SET seen_at = clock_timestamp() WHERE run_id = %(run_id)s", {"run_id": run_id}


def _move_job(run_id: str, status: str, at: dt.datetime, notes: str | None) -> Operation[None]:
    found = yield (
        "SELECT status, nullif(status_at, '-infinity'), reopened_at FROM metrics.job_run"
        " WHERE run_id = %(run_id)s FOR UPDATE",
        {"run_id": run_id},
    )
    if not found:
        raise NoSuchRun(f"There is no job run {run_id}. `metrics-assets jobs list` shows the runs.")
    now, now_at, reopened_at = found[0]
    reopens = status == IN_PROGRESS
    if reopens and now == IN_PROGRESS:
        return  # or an end that was measured before would not count any more
    if not merge.moves_status(now, now_at or merge.NEVER, reopened_at, status, at, reopen=reopens):
        return
    yield (
        file("run_move"),
        {"run_id": run_id, "status": status, "at": at, "reopened_at": at if reopens else reopened_at, "notes": notes},
    )


def _aggregate(run_id: str) -> Operation[None]:
    # asked here and not remembered: another process may have registered one, and its totals are this run's too
    known = yield from known_metrics()
    aggregates, assignments = [], []
    for metric in known:
        column, total = sql.Identifier(metric.column), sql.Identifier(metric.job_column)
        at = sql.Identifier(f"{metric.column}_at")
        total_at = sql.Identifier(f"{metric.job_column}_at")
        if metric.is_last:
            newest = "(array_agg({} ORDER BY {} DESC, client_id DESC) FILTER (WHERE {} > '-infinity'))[1] AS {}"
            aggregates += [sql.SQL(newest).format(column, at, at, total), sql.SQL("max({}) AS {}").format(at, total_at)]
            assignments += [sql.SQL("{0} = totals.{0}").format(name) for name in (total, total_at)]
        else:
            function = sql.SQL(metric.aggregation.value)
            aggregates.append(sql.SQL("{}({}) AS {}").format(function, column, total))
            assignments.append(sql.SQL("{0} = totals.{0}").format(total))
    found = yield (
        file("aggregate", aggregates=listed(aggregates), assignments=listed(assignments)),
        {"run_id": run_id},
    )
    if found:
        return
    exists = yield file("runs_status"), {"run_ids": [run_id]}
    if not exists:
        raise NoSuchRun(f"There is no job run {run_id}. `metrics-assets jobs list` shows the runs.")
    raise Refused(
        f"The totals of {run_id} were not recomputed: this role does not see every client's rows. Use the role that "
        "owns metrics.job_client_run, or GRANT that role to it."
    )

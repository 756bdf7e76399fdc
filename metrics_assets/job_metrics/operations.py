"""What the service does, as generators: they yield statements and are sent the rows. One driver runs them on a
connection, another on an asynchronous one (`service`, `asynchronous`), so the two cannot differ in what they do.

Every operation is one transaction at READ COMMITTED: a statement sees what committed before it, also after a wait.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from psycopg import sql
from psycopg.types.json import Jsonb

from metrics_assets.catalog.job_metrics import COMPLETED, FAILED, IN_PROGRESS, Aggregation, JobMetric, Kind
from metrics_assets.errors import Refused
from metrics_assets.job_metrics import merge, run_ids
from metrics_assets.job_metrics.records import NoSuchRun
from metrics_assets.job_metrics.values import storable
from metrics_assets.pipeline.job_tables import metric_statements
from metrics_assets.stores import sqlfile

T = TypeVar("T")
Query: TypeAlias = tuple[str | sql.Composed, Mapping[str, object] | None]
Rows: TypeAlias = list[tuple[Any, ...]]
Operation: TypeAlias = Generator[Query, Rows, T]

PACKAGE = "metrics_assets.job_metrics"
LOCK_CLASS = 0x4D4A  # of advisory locks of job runs; the pipeline's have another
EVERY_CLIENT = "*"


def file(name: str, **places: sql.Composable) -> sql.Composed:
    """A statement of this package's SQL files."""
    return sqlfile.compose(PACKAGE, f"sql/{name}.sql", **places)


def see(client_id: str) -> Operation[None]:
    """From here to the end of the transaction, row-level security shows this client's rows, or `EVERY_CLIENT`'s."""
    yield "SELECT set_config('metrics.client_id', %(client_id)s, true)", {"client_id": client_id}


def known_metrics() -> Operation[tuple[JobMetric, ...]]:
    """The metrics that there are."""
    found = yield (
        "SELECT name, kind, aggregation, decimals, negative, choices, of_job FROM metrics.job_metric ORDER BY name",
        None,
    )
    return tuple(
        JobMetric(name, Kind(kind), Aggregation(aggregation), decimals, negative, tuple(choices), of_job)
        for name, kind, aggregation, decimals, negative, choices, of_job in found
    )


def register(metric: JobMetric) -> Operation[tuple[JobMetric, ...]]:
    """Add a metric with its columns; returns all there are."""
    yield "SET LOCAL lock_timeout = '5s'", None
    for statement in metric_statements(metric):
        yield statement, None
    known = yield from known_metrics()
    if metric not in known:
        there = next((other for other in known if other.column == metric.column), None)
        raise Refused(
            f"{metric.name!r} is registered otherwise: {there}. Register it as it is, or choose another name: "
            "values of two meanings must not be summed."
        )
    return known


def resolve(spelled: str, *, create: bool = True, begin: Mapping[str, object] | None = None) -> Operation[str]:
    """The one form of a run id. A Dagster run id that nobody has named before gets a new one.

    Args:
        create: whether it does.
        begin: what is known of the run that it then gets.

    Raises:
        InvalidRunId: the spelling is unknown.
        NoSuchRun: with `create=False`, nobody has named the Dagster run id before.
    """
    spelling = run_ids.read(spelled)
    if spelling.run_id is not None:
        return spelling.run_id
    alias = {"alias": spelling.alias}
    look_up = "SELECT run_id FROM metrics.job_run_alias WHERE alias = %(alias)s"
    found = yield look_up, alias
    if not found and not create:
        raise NoSuchRun(f"There is no job run of the Dagster run {spelled}. `metrics-assets jobs list` shows the runs.")
    if not found:
        yield "SELECT pg_advisory_xact_lock(%(class)s, hashtext(%(alias)s))", {**alias, "class": LOCK_CLASS}
        found = yield look_up, alias
    if found:
        return str(found[0][0])
    return (yield from _begin(begin or start_values("unnamed"), spelling.alias))


def start_values(
    job_name: str,
    *,
    started_at: dt.datetime | None = None,
    requested_at: dt.datetime | None = None,
    silence_allowed: dt.timedelta = dt.timedelta(hours=1),
    worker: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """What is known of a run when it starts. Without `started_at` it starts now, or when its id says."""
    return {
        "job_name": job_name,
        "requested_at": requested_at,
        "started_at": started_at,
        "silence": silence_allowed,
        "worker": worker,
        "labels": Jsonb(dict(labels or {})),
    }


def start_job(values: Mapping[str, object], spelled: str | None) -> Operation[str]:
    """Begin a run under a new id, or say what is known of the run that `spelled` names; returns its id."""
    if spelled is None:
        return (yield from _begin(values, None))
    run_id = yield from resolve(spelled, begin=values)
    began_at = values["started_at"] or run_ids.began_at(run_id)
    yield file("run_name"), {**values, "started_at": began_at, "run_id": run_id}
    return run_id


def _begin(values: Mapping[str, object], alias: str | None) -> Operation[str]:
    began_at = values["started_at"] or dt.datetime.now(dt.UTC)
    assert isinstance(began_at, dt.datetime)
    named = {**values, "started_at": began_at, "second": run_ids.of_second(began_at)}
    found: Rows = []
    while not found:
        found = yield file("run_start"), named
    run_id = str(found[0][0])
    if alias is not None:
        yield (
            "INSERT INTO metrics.job_run_alias (alias, run_id) VALUES (%(alias)s, %(run_id)s)",
            {"alias": alias, "run_id": run_id},
        )
    return run_id


def share(ids: Iterable[str]) -> Operation[frozenset[str]]:
    """Share the runs until the end of the transaction, made when they are not there; returns those that have ended."""
    wanted = sorted(set(ids))
    yield file("runs_lock"), {"lock_class": LOCK_CLASS, "run_ids": wanted}
    found = yield file("runs_status"), {"run_ids": wanted}
    missing = sorted(set(wanted) - {run_id for run_id, _ in found})
    if missing:
        yield (
            file("runs_missing"),
            {"run_ids": missing, "started_at": [run_ids.began_at(run_id) for run_id in missing]},
        )
    return frozenset(run_id for run_id, status in found if status != IN_PROGRESS)


def own(run_id: str) -> Operation[None]:
    """Have the run alone until the end of the transaction: updates under way are waited for."""
    yield (
        "SELECT pg_advisory_xact_lock(%(class)s, hashtext(%(run_id)s))",
        {"class": LOCK_CLASS, "run_id": run_id},
    )


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
    yield from _move_job(run_id, COMPLETED if success else FAILED, at, None if notes is None else storable(notes))
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
        {"run_id": run_id, "at": at},
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


def listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    """The parts, each after a comma and on a line of its own."""
    return sql.Composed([sql.Composed([sql.SQL(",\n        "), part]) for part in parts])

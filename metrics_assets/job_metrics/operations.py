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

from metrics_assets.catalog.job_metrics import IN_PROGRESS, Aggregation, JobMetric, Kind
from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.job_metrics import run_ids
from metrics_assets.job_metrics.records import NoSuchRun
from metrics_assets.job_metrics.values import moment
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
    of_job = next((other for other in known if other.job_column == metric.job_column and other != metric), None)
    if metric not in known or of_job is not None:
        there = next((other for other in known if other.column == metric.column and other != metric), of_job)
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
    """What is known of a run when it starts. Without `started_at` it starts now, or when its id says.

    Raises:
        ConfigurationError: a time that cannot be used.
    """
    return {
        "job_name": job_name,
        "requested_at": None if requested_at is None else in_utc(requested_at),
        "started_at": None if started_at is None else in_utc(started_at),
        "silence": silence_allowed,
        "worker": worker,
        "labels": Jsonb(dict(labels or {})),
    }


def start_job(values: Mapping[str, object], spelled: str | None, *, rename: bool = False) -> Operation[str]:
    """Begin a run under a new id, or say what is known of the run that `spelled` names; returns its id.

    Args:
        rename: also when it is the run of another job, which becomes this one's.

    Raises:
        InvalidRunId: the spelling is unknown.
        Refused: the run is of another job.
    """
    if spelled is None:
        return (yield from _begin(values, None))
    run_id = yield from resolve(spelled, begin=values)
    began_at = values["started_at"] or run_ids.began_at(run_id)
    named = {**values, "started_at": began_at, "run_id": run_id, "rename": rename}
    found = yield file("run_name"), named
    if not found:
        other = yield "SELECT job_name FROM metrics.job_run WHERE run_id = %(run_id)s", {"run_id": run_id}
        raise Refused(
            f"The run {run_id} is of the job {other[0][0]!r}, not of {values['job_name']!r}: figures of two jobs must "
            "not be mixed. Start the job without a run id, or with its own."
        )
    return run_id


def in_utc(given: dt.datetime) -> dt.datetime:
    """The moment in UTC, for which one without a zone is taken: Python would take it for local time.

    Raises:
        ConfigurationError: it lies outside 1970 to 2199.
    """
    try:
        return moment(given)
    except ValueError as error:
        raise ConfigurationError(f"The time {given!r} cannot be used: {error}.") from error


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


def listed(parts: Iterable[sql.Composable]) -> sql.Composed:
    """The parts, each after a comma and on a line of its own."""
    return sql.Composed([sql.Composed([sql.SQL(",\n        "), part]) for part in parts])

"""The service: every operation as a method, for programs that wait (`JobMetrics`); `asynchronous` has its twin."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from metrics_assets.catalog.job_metrics import COMPLETED, END_TIME, FAILED, STATUS, JobMetric
from metrics_assets.job_metrics import ends, operations, reading, recording
from metrics_assets.job_metrics.log import run_logger
from metrics_assets.job_metrics.operations import Operation
from metrics_assets.job_metrics.records import ClientRun, ClientUpdate, JobRun, Mode, OpenRun, Recorded, Rejected
from metrics_assets.job_metrics.tracking import ClientWork, Logger, client_run, client_task
from metrics_assets.stores.postgres import Connection, Postgres, retry_conflict

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

ONE_HOUR = dt.timedelta(hours=1)


class JobMetrics:
    """Job runs in the Postgres of the project.

    Every method is one transaction, or a second one for the totals of a run that has ended; deadlocks are tried again.
    A lost connection is the caller's to try again: with an idempotency key that counts once.
    """

    def __init__(self, postgres: Postgres) -> None:
        """Connects on first use."""
        self._postgres = postgres
        self._known: tuple[JobMetric, ...] = ()

    def start_job(
        self,
        job_name: str,
        run_id: str | None = None,
        *,
        requested_at: dt.datetime | None = None,
        started_at: dt.datetime | None = None,
        silence_allowed: dt.timedelta = ONE_HOUR,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """Begin a run, under a new id that no other start gets, or under `run_id` in any spelling.

        Args:
            started_at: now when unset, or when `run_id` says.
            silence_allowed: after so long without an update or a heartbeat the run counts as dead.

        Returns:
            The run id in its one form.

        Raises:
            InvalidRunId: the spelling is unknown.
            Refused: `run_id` is a run of another job.
        """
        values = operations.start_values(
            job_name,
            started_at=started_at,
            requested_at=requested_at,
            silence_allowed=silence_allowed,
            worker=worker(),
            labels=labels,
        )
        return self.run(partial(operations.start_job, values, run_id))

    def update_client_metrics(
        self,
        run_id: str,
        client_id: str,
        metrics: Mapping[str, object],
        mode: Mode = "add",
        idempotency_key: str | None = None,
        logger: Logger | None = None,
        *,
        at: dt.datetime | None = None,
        reopen: bool = False,
    ) -> Recorded:
        """Bring figures of one client into the run; both are made when they are not there.

        Args:
            metrics: by name of the metric. A value that cannot be read is left out, logged as a warning, and kept in
                `metrics.job_rejected_value`.
            mode: see `ClientUpdate`.
            idempotency_key: a call with a key that was used for this client of this run changes nothing.
            at: when it was measured; now when unset.
            reopen: a client run that has ended goes on.

        Raises:
            ConfigurationError: a run id, client id, key, mode or time that cannot be used; nothing is recorded.
        """
        update = ClientUpdate(run_id, client_id, metrics, mode, idempotency_key, at, reopen)
        return self.record([update], logger)

    def complete_client_metrics(
        self,
        run_id: str,
        client_id: str,
        metrics: Mapping[str, object],
        success: bool,
        *,
        notes: str | None = None,
        idempotency_key: str | None = None,
        logger: Logger | None = None,
        at: dt.datetime | None = None,
    ) -> Recorded:
        """Set the last figures of a client, its End Time (unless `metrics` has one), and its status.

        Raises: as `update_client_metrics`.
        """
        return self.record([completion(run_id, client_id, metrics, success, notes, idempotency_key, at)], logger)

    def record(self, updates: Iterable[ClientUpdate], logger: Logger | None = None) -> Recorded:
        """Bring a batch of updates of any runs and clients into the figures, in one transaction; thousands are best.

        Raises: as `update_client_metrics`.
        """
        batch = list(updates)
        known = self._known_for(batch)
        recorded = self.run(partial(recording.record, batch, known, now()))
        warn(recorded.rejected, logger)
        for late in recorded.late_run_ids:
            self.run(partial(ends.aggregate, late))
        return recorded

    def client_run(
        self, run_id: str, client_id: str, logger: Logger | None = None
    ) -> AbstractContextManager[ClientWork]:
        """Work for one client that is completed at the end of the block: as failed, with the error, when it raises, and
        with success otherwise, unless `fail` was called. Start Time and End Time are noted.
        """
        return client_run(self, run_id, client_id, logger)

    def client_task(self, function: Callable[Concatenate[ClientWork, P], R]) -> Callable[Concatenate[str, str, P], R]:
        """Decorator: the function, called with a run id and a client id in front, runs inside `client_run` and gets its
        `ClientWork` in their place.
        """
        return client_task(self, function)

    def update_job_aggregate_metrics(self, run_id: str) -> JobRun:
        """Recompute the totals of a run from its client runs.

        Raises:
            NoSuchRun: it was never started nor updated.
            Refused: this role may not see every client's rows.
        """
        return self.job_run(self.run(partial(ends.aggregate, run_id)))

    def complete_job_metrics(
        self, run_id: str, success: bool, notes: str | None = None, *, at: dt.datetime | None = None
    ) -> JobRun:
        """End a run, at `at` or now, and recompute its totals.

        Raises: as `update_job_aggregate_metrics`.
        """
        ended = partial(ends.complete_job, run_id, success, notes, at or now())
        return self.job_run(self.run(ended))

    def reopen_job(self, run_id: str) -> JobRun:
        """Let a run that has ended go on; one in progress does anyway. Its clients that ended stay so until an update
        with `reopen`."""
        return self.job_run(self.run(partial(ends.reopen_job, run_id, now())))

    def heartbeat(self, run_id: str) -> None:
        """Say that a run lives which has no figures to report for a while."""
        self.run(partial(ends.heartbeat, run_id))

    def abandon(self, run_id: str, reason: str, *, at: dt.datetime | None = None) -> str | None:
        """End a run whose worker is gone, and its clients in progress, as failed; None when it had ended.

        Args:
            at: when it was seen last; now when unset. A true end that arrives late is later, and counts.
        """
        return self.run(partial(ends.abandon, run_id, reason, at or now()))

    def register(self, metric: JobMetric) -> None:
        """Add a metric, with its columns, for every process. Needs the role that owns the tables.

        Raises:
            Refused: another metric has its name or column.
        """
        self._known = self.run(partial(operations.register, metric))

    def job_run(self, run_id: str) -> JobRun:
        """A run as it is stored.

        Raises:
            NoSuchRun: it was never started nor updated.
        """
        return self.run(partial(reading.run, run_id))

    def job_runs(
        self,
        *,
        job_name: str | None = None,
        status: str | None = None,
        began: tuple[dt.datetime, dt.datetime] | None = None,
        limit: int | None = None,
    ) -> tuple[JobRun, ...]:
        """Runs, the newest first; `began` is from the first moment to before the second."""
        return self.run(partial(reading.runs, job_name=job_name, status=status, began=began, limit=limit))

    def client_runs(self, run_id: str, client_id: str | None = None) -> tuple[ClientRun, ...]:
        """The client runs of a run, or that of one client."""
        return self.run(partial(reading.client_runs, run_id, client_id))

    def rejected_values(self, run_id: str) -> tuple[Rejected, ...]:
        """The values that were left out of a run."""
        return self.run(partial(reading.rejected_values, run_id))

    def open_runs(self) -> tuple[OpenRun, ...]:
        """Runs in progress, the longest silent first."""
        return self.run(reading.open_runs)

    def metrics(self) -> tuple[JobMetric, ...]:
        """The metrics that there are, as this process knows them; `record` looks for others."""
        if not self._known:
            self._known = self.run(operations.known_metrics)
        return self._known

    def close(self) -> None:
        """Close its connections; those who share its Postgres lose them too."""
        self._postgres.close()

    def _known_for(self, updates: Sequence[ClientUpdate]) -> tuple[JobMetric, ...]:
        """All metrics; asked for again when an update names one that another process may have registered."""
        if not named(updates) <= {metric.name for metric in self.metrics()}:
            self._known = ()
        return self.metrics()

    def run(self, operation: Callable[[], Operation[T]]) -> T:
        """Run an operation (`operations`, `ends`, `recording`, `reading`) in a transaction of its own."""
        value: T = retry_conflict(self._once)(operation)
        return value

    def _once(self, operation: Callable[[], Operation[T]]) -> T:
        with self._postgres.connection() as connection, connection.transaction():
            return drive(connection, operation())


def drive(connection: Connection, operation: Operation[T]) -> T:
    """Run an operation on a connection, inside its transaction."""
    try:
        query = next(operation)
        while True:
            cursor = connection.execute(*query)
            query = operation.send(cursor.fetchall() if cursor.description else [])
    except StopIteration as end:
        value: T = end.value
        return value


def completion(
    run_id: str,
    client_id: str,
    metrics: Mapping[str, object],
    success: bool,
    notes: str | None,
    idempotency_key: str | None,
    at: dt.datetime | None,
) -> ClientUpdate:
    """The update that ends a client run."""
    ended = {END_TIME.name: at or now(), **metrics, STATUS.name: COMPLETED if success else FAILED}
    return ClientUpdate(run_id, client_id, ended, "set", idempotency_key, at, notes=notes)


def named(updates: Iterable[ClientUpdate]) -> set[str]:
    """Names of the metrics in a batch."""
    return {name for update in updates for name in update.metrics}


def warn(rejected: Iterable[Rejected], logger: Logger | None) -> None:
    """Log every value that was left out, with its run and client."""
    for one in rejected:
        told = one.rejection
        run_logger(one.run_id, one.client_id, logger).warning(
            "Left out %s=%r: %s.", told.metric, told.value, told.reason, extra={"metric": told.metric}
        )


def worker() -> str:
    """This process, for people: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


def now() -> dt.datetime:
    """This moment in UTC."""
    return dt.datetime.now(dt.UTC)

"""The service for asynchronous programs: every method of `JobMetrics` under its name, with the same operations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from metrics_assets.catalog.job_metrics import JobMetric
from metrics_assets.job_metrics import ends, operations, reading, recording
from metrics_assets.job_metrics.operations import Operation
from metrics_assets.job_metrics.records import ClientRun, ClientUpdate, JobRun, Mode, OpenRun, Recorded, Rejected
from metrics_assets.job_metrics.service import ONE_HOUR, completion, named, now, warn, worker
from metrics_assets.job_metrics.tracking import AsyncClientWork, Logger, async_client_run, async_client_task
from metrics_assets.stores.postgres import Postgres, retry_conflict

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")

_CONNECTIONS = 8


class AsyncJobMetrics:
    """`JobMetrics` for a running event loop: `async with AsyncJobMetrics(postgres) as jobs`.

    Each method does, returns and raises what the method of that name in `JobMetrics` does.
    """

    def __init__(self, postgres: Postgres) -> None:
        """Connects when it is entered, with a pool of its own to the server of `postgres`."""
        self._pool = AsyncConnectionPool(
            postgres.dsn, min_size=0, max_size=_CONNECTIONS, timeout=30.0, open=False, kwargs=postgres.how
        )
        self._known: tuple[JobMetric, ...] = ()

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start_job(
        self,
        job_name: str,
        run_id: str | None = None,
        *,
        requested_at: dt.datetime | None = None,
        started_at: dt.datetime | None = None,
        silence_allowed: dt.timedelta = ONE_HOUR,
        labels: Mapping[str, str] | None = None,
    ) -> str:
        """See `JobMetrics.start_job`."""
        values = operations.start_values(
            job_name,
            started_at=started_at,
            requested_at=requested_at,
            silence_allowed=silence_allowed,
            worker=worker(),
            labels=labels,
        )
        return await self.run(partial(operations.start_job, values, run_id))

    async def update_client_metrics(
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
        """See `JobMetrics.update_client_metrics`."""
        update = ClientUpdate(run_id, client_id, metrics, mode, idempotency_key, at, reopen)
        return await self.record([update], logger)

    async def complete_client_metrics(
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
        """See `JobMetrics.complete_client_metrics`."""
        return await self.record([completion(run_id, client_id, metrics, success, notes, idempotency_key, at)], logger)

    async def record(self, updates: Iterable[ClientUpdate], logger: Logger | None = None) -> Recorded:
        """See `JobMetrics.record`."""
        batch = list(updates)
        known = await self._known_for(batch)
        recorded = await self.run(partial(recording.record, batch, known, now()))
        warn(recorded.rejected, logger)
        for late in recorded.late_run_ids:
            await self.run(partial(ends.aggregate, late))
        return recorded

    def client_run(
        self, run_id: str, client_id: str, logger: Logger | None = None
    ) -> AbstractAsyncContextManager[AsyncClientWork]:
        """See `JobMetrics.client_run`."""
        return async_client_run(self, run_id, client_id, logger)

    def client_task(
        self, function: Callable[Concatenate[AsyncClientWork, P], Coroutine[Any, Any, R]]
    ) -> Callable[Concatenate[str, str, P], Coroutine[Any, Any, R]]:
        """See `JobMetrics.client_task`."""
        return async_client_task(self, function)

    async def update_job_aggregate_metrics(self, run_id: str) -> JobRun:
        """See `JobMetrics.update_job_aggregate_metrics`."""
        return await self.job_run(await self.run(partial(ends.aggregate, run_id)))

    async def complete_job_metrics(
        self, run_id: str, success: bool, notes: str | None = None, *, at: dt.datetime | None = None
    ) -> JobRun:
        """See `JobMetrics.complete_job_metrics`."""
        ended = partial(ends.complete_job, run_id, success, notes, at or now())
        return await self.job_run(await self.run(ended))

    async def reopen_job(self, run_id: str) -> JobRun:
        """See `JobMetrics.reopen_job`."""
        return await self.job_run(await self.run(partial(ends.reopen_job, run_id, now())))

    async def heartbeat(self, run_id: str) -> None:
        """See `JobMetrics.heartbeat`."""
        await self.run(partial(ends.heartbeat, run_id))

    async def abandon(self, run_id: str, reason: str, *, at: dt.datetime | None = None) -> str | None:
        """See `JobMetrics.abandon`."""
        return await self.run(partial(ends.abandon, run_id, reason, at or now()))

    async def register(self, metric: JobMetric) -> None:
        """See `JobMetrics.register`."""
        self._known = await self.run(partial(operations.register, metric))

    async def job_run(self, run_id: str) -> JobRun:
        """See `JobMetrics.job_run`."""
        return await self.run(partial(reading.run, run_id))

    async def job_runs(
        self,
        *,
        job_name: str | None = None,
        status: str | None = None,
        began: tuple[dt.datetime, dt.datetime] | None = None,
        limit: int | None = None,
    ) -> tuple[JobRun, ...]:
        """See `JobMetrics.job_runs`."""
        return await self.run(partial(reading.runs, job_name=job_name, status=status, began=began, limit=limit))

    async def client_runs(self, run_id: str, client_id: str | None = None) -> tuple[ClientRun, ...]:
        """See `JobMetrics.client_runs`."""
        return await self.run(partial(reading.client_runs, run_id, client_id))

    async def rejected_values(self, run_id: str) -> tuple[Rejected, ...]:
        """See `JobMetrics.rejected_values`."""
        return await self.run(partial(reading.rejected_values, run_id))

    async def open_runs(self) -> tuple[OpenRun, ...]:
        """See `JobMetrics.open_runs`."""
        return await self.run(reading.open_runs)

    async def metrics(self) -> tuple[JobMetric, ...]:
        """See `JobMetrics.metrics`."""
        if not self._known:
            self._known = await self.run(operations.known_metrics)
        return self._known

    async def close(self) -> None:
        """Close its connections, which leaving the `async with` does too."""
        await self._pool.close()

    async def _known_for(self, updates: Sequence[ClientUpdate]) -> tuple[JobMetric, ...]:
        if not named(updates) <= {metric.name for metric in await self.metrics()}:
            self._known = ()
        return await self.metrics()

    async def run(self, operation: Callable[[], Operation[T]]) -> T:
        """See `JobMetrics.run`."""
        value: T = await retry_conflict(self._once)(operation)
        return value

    async def _once(self, operation: Callable[[], Operation[T]]) -> T:
        async with self._pool.connection() as connection, connection.transaction():
            return await drive(connection, operation())


async def drive(connection: psycopg.AsyncConnection[tuple[Any, ...]], operation: Operation[T]) -> T:
    """Run an operation on a connection, inside its transaction."""
    try:
        query = next(operation)
        while True:
            cursor = await connection.execute(*query)
            query = operation.send(await cursor.fetchall() if cursor.description else [])
    except StopIteration as end:
        value: T = end.value
        return value

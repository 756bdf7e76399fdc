"""Work for a client, or for all of them, that ends with a status whatever happens inside."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import psycopg

from metrics_assets.catalog.job_metrics import START_TIME
from metrics_assets.errors import MetricsError
from metrics_assets.job_metrics import run_ids
from metrics_assets.job_metrics.log import Adapter, RunLogger, run_logger
from metrics_assets.job_metrics.records import ClientUpdate, Recorded
from metrics_assets.job_metrics.values import shown

if TYPE_CHECKING:
    from metrics_assets.job_metrics.asynchronous import AsyncJobMetrics
    from metrics_assets.job_metrics.service import JobMetrics

P = ParamSpec("P")
R = TypeVar("R")
Logger = logging.Logger | Adapter

_CANNOT_END = (psycopg.Error, MetricsError)


@dataclass
class Ending:
    """How the work will end, as far as is known."""

    failure: str | None = None
    last: dict[str, object] = field(default_factory=dict)

    def fail(self, reason: str) -> None:
        """End as failed, with this reason, although nothing raises."""
        self.failure = reason


@dataclass
class ClientWork(Ending):
    """Work for one client, inside `with jobs.client_run(…)`.

    Attributes:
        log: a logger that carries the run and the client.
    """

    service: JobMetrics = field(kw_only=True)
    run_id: str = field(kw_only=True)
    client_id: str = field(kw_only=True)
    log: RunLogger = field(kw_only=True)

    def add(self, metrics: Mapping[str, object], idempotency_key: str | None = None) -> Recorded:
        """Bring figures together with what is there."""
        return self.service.update_client_metrics(
            self.run_id, self.client_id, metrics, "add", idempotency_key, self.log
        )

    def set(self, metrics: Mapping[str, object], idempotency_key: str | None = None) -> Recorded:
        """Replace figures."""
        return self.service.update_client_metrics(
            self.run_id, self.client_id, metrics, "set", idempotency_key, self.log
        )


@dataclass
class AsyncClientWork(Ending):
    """Work for one client, inside `async with jobs.client_run(…)`; otherwise as `ClientWork`."""

    service: AsyncJobMetrics = field(kw_only=True)
    run_id: str = field(kw_only=True)
    client_id: str = field(kw_only=True)
    log: RunLogger = field(kw_only=True)

    async def add(self, metrics: Mapping[str, object], idempotency_key: str | None = None) -> Recorded:
        """Bring figures together with what is there."""
        return await self.service.update_client_metrics(
            self.run_id, self.client_id, metrics, "add", idempotency_key, self.log
        )

    async def set(self, metrics: Mapping[str, object], idempotency_key: str | None = None) -> Recorded:
        """Replace figures."""
        return await self.service.update_client_metrics(
            self.run_id, self.client_id, metrics, "set", idempotency_key, self.log
        )


@contextmanager
def client_run(service: JobMetrics, run_id: str, client_id: str, logger: Logger | None) -> Iterator[ClientWork]:
    """See `JobMetrics.client_run`."""
    log = run_logger(one_form(run_id), client_id, logger)
    work = ClientWork(service=service, run_id=run_id, client_id=client_id, log=log)
    service.record([beginning(run_id, client_id)], log)
    try:
        yield work
    except BaseException as error:
        # also when it is interrupted: nobody else knows that this client is not worked for any more
        try:
            service.complete_client_metrics(run_id, client_id, work.last, False, notes=told(error), logger=log)
        except _CANNOT_END as second:
            error.add_note(cannot_end(second))
        raise
    service.complete_client_metrics(run_id, client_id, work.last, work.failure is None, notes=work.failure, logger=log)


@asynccontextmanager
async def async_client_run(
    service: AsyncJobMetrics, run_id: str, client_id: str, logger: Logger | None
) -> AsyncIterator[AsyncClientWork]:
    """See `AsyncJobMetrics.client_run`."""
    log = run_logger(one_form(run_id), client_id, logger)
    work = AsyncClientWork(service=service, run_id=run_id, client_id=client_id, log=log)
    await service.record([beginning(run_id, client_id)], log)
    try:
        yield work
    except BaseException as error:
        try:
            await service.complete_client_metrics(run_id, client_id, work.last, False, notes=told(error), logger=log)
        except _CANNOT_END as second:
            error.add_note(cannot_end(second))
        raise
    await service.complete_client_metrics(
        run_id, client_id, work.last, work.failure is None, notes=work.failure, logger=log
    )


def client_task(
    service: JobMetrics, function: Callable[Concatenate[ClientWork, P], R]
) -> Callable[Concatenate[str, str, P], R]:
    """See `JobMetrics.client_task`."""

    @wraps(function)
    def tracked(run_id: str, client_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with service.client_run(run_id, client_id) as work:
            return function(work, *args, **kwargs)

    return tracked


def async_client_task(
    service: AsyncJobMetrics, function: Callable[Concatenate[AsyncClientWork, P], Coroutine[Any, Any, R]]
) -> Callable[Concatenate[str, str, P], Coroutine[Any, Any, R]]:
    """See `AsyncJobMetrics.client_task`."""

    @wraps(function)
    async def tracked(run_id: str, client_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        async with service.client_run(run_id, client_id) as work:
            return await function(work, *args, **kwargs)

    return tracked


def beginning(run_id: str, client_id: str) -> ClientUpdate:
    """The update that a client run begins with."""
    from metrics_assets.job_metrics.service import now

    return ClientUpdate(run_id, client_id, {START_TIME.name: now()})


def one_form(run_id: str) -> str:
    """The run id as logs show it: in its one form where reading it is enough."""
    return run_ids.read(run_id).run_id or run_id


def told(error: BaseException) -> str:
    """The error in one line."""
    return shown(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def cannot_end(error: Exception) -> str:
    """What to say on the error that came first."""
    return f"Its client run could not be completed as failed either: {error}"

"""The service of this process, on the Postgres that the environment names: for jobs that want four functions."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Mapping

from metrics_assets import local
from metrics_assets.job_metrics.records import JobRun, Mode, Recorded
from metrics_assets.job_metrics.service import JobMetrics
from metrics_assets.job_metrics.tracking import Logger
from metrics_assets.settings import settings
from metrics_assets.stores.postgres import Postgres


@functools.cache
def job_metrics() -> JobMetrics:
    """The service on METRICS_POSTGRES_DSN, or on the embedded Postgres when that is unset; one a process.

    Raises:
        ConfigurationError: the environment cannot be used.
        StoreUnreachable: the embedded server does not start.
    """
    chosen = settings()
    dsn = chosen.postgres_dsn or local.ensure(chosen.home, need=frozenset({"postgres"})).postgres_dsn
    return JobMetrics(
        Postgres(
            dsn,
            application_name="metrics-assets job metrics",
            statement_timeout_seconds=chosen.statement_timeout_seconds,
            schema=chosen.postgres_schema,
        )
    )


def update_client_metrics(
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
    return job_metrics().update_client_metrics(
        run_id, client_id, metrics, mode, idempotency_key, logger, at=at, reopen=reopen
    )


def complete_client_metrics(
    run_id: str, client_id: str, metrics: Mapping[str, object], success: bool, *, notes: str | None = None
) -> Recorded:
    """See `JobMetrics.complete_client_metrics`."""
    return job_metrics().complete_client_metrics(run_id, client_id, metrics, success, notes=notes)


def update_job_aggregate_metrics(run_id: str) -> JobRun:
    """See `JobMetrics.update_job_aggregate_metrics`."""
    return job_metrics().update_job_aggregate_metrics(run_id)


def complete_job_metrics(run_id: str, success: bool, notes: str | None = None) -> JobRun:
    """See `JobMetrics.complete_job_metrics`."""
    return job_metrics().complete_job_metrics(run_id, success, notes)

"""Tenant run tracking: batch jobs that work for many clients record what they did for each, and the job's own figures
are aggregated from that. docs/job-metrics.md shows how.

In the order of an update's way: `values` reads what was reported, `run_ids` brings the run id to its one form, `merge`
says how figures change, `operations`, `recording`, `ends` and `reading` are the transactions, `service` and
`asynchronous` run them, `tracking` ends client runs whatever happens inside.

Belongs here: what applications and jobs call. Does not belong here: Dagster's words (`orchestration.job_runs`).
"""

from __future__ import annotations

from metrics_assets.catalog.job_metrics import BUILT_IN, Aggregation, JobMetric, Kind
from metrics_assets.job_metrics.asynchronous import AsyncJobMetrics
from metrics_assets.job_metrics.environment import (
    complete_client_metrics,
    complete_job_metrics,
    job_metrics,
    update_client_metrics,
    update_job_aggregate_metrics,
)
from metrics_assets.job_metrics.log import JsonLines, RunLogger, run_logger
from metrics_assets.job_metrics.records import (
    ClientRun,
    ClientUpdate,
    JobRun,
    NoSuchRun,
    OpenRun,
    Recorded,
    Rejected,
)
from metrics_assets.job_metrics.run_ids import InvalidRunId
from metrics_assets.job_metrics.service import JobMetrics
from metrics_assets.job_metrics.values import Rejection

__all__ = [
    "BUILT_IN",
    "Aggregation",
    "AsyncJobMetrics",
    "ClientRun",
    "ClientUpdate",
    "InvalidRunId",
    "JobMetric",
    "JobMetrics",
    "JobRun",
    "JsonLines",
    "Kind",
    "NoSuchRun",
    "OpenRun",
    "Recorded",
    "Rejected",
    "Rejection",
    "RunLogger",
    "complete_client_metrics",
    "complete_job_metrics",
    "job_metrics",
    "run_logger",
    "update_client_metrics",
    "update_job_aggregate_metrics",
]

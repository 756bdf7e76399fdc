"""What goes in and what comes out, as frozen data."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from metrics_assets.errors import MetricsError
from metrics_assets.job_metrics.values import Rejection, Value

Mode = Literal["add", "set"]


class NoSuchRun(MetricsError):
    """No job run has the id."""

    exit_code = 2


@dataclass(frozen=True)
class ClientUpdate:
    """Figures that a job has for one client.

    Attributes:
        run_id: in any spelling that `run_ids.read` knows.
        mode: `add` brings a value together with what is there as the metric says (sum, min, max, last); `set`
            replaces it, except that `last` always goes by `at`.
        idempotency_key: an update with a key that is in the figures already changes nothing.
        at: when it was measured; now when unset. Without a zone it is UTC.
        reopen: a completed or failed run goes on. Without it, late figures count and the status stays.
        notes: replaces the notes of the client run.
    """

    run_id: str
    client_id: str
    metrics: Mapping[str, object]
    mode: Mode = "add"
    idempotency_key: str | None = None
    at: dt.datetime | None = None
    reopen: bool = False
    notes: str | None = None


@dataclass(frozen=True)
class Rejected:
    """A value that was left out of a client run."""

    run_id: str
    client_id: str
    rejection: Rejection


@dataclass(frozen=True)
class Recorded:
    """What became of a batch of updates.

    Attributes:
        updates_repeated: those whose idempotency key was there already; they changed nothing.
        late_run_ids: runs of the batch that had ended before, also of repeated updates; their totals were recomputed.
    """

    updates_applied: int
    updates_repeated: int
    client_runs: int
    rejected: tuple[Rejected, ...] = ()
    late_run_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClientRun:
    """What a run did for one client.

    Attributes:
        steps: seconds by step, of this project's own runs.
        metrics: what was reported, by name of the metric.
    """

    run_id: str
    client_id: str
    status: str
    notes: str
    created_at: dt.datetime
    updated_at: dt.datetime
    steps: Mapping[str, float]
    metrics: Mapping[str, Value]


@dataclass(frozen=True)
class JobRun:
    """One run of a job, with its totals as of `aggregated_at`.

    Attributes:
        requested_at: when it was asked for, where that is known.
        clients: client runs, of which some are completed, some failed, and the others in progress.
        metrics: aggregated over the client runs, by name of the metric.
    """

    run_id: str
    job_name: str
    status: str
    requested_at: dt.datetime | None
    started_at: dt.datetime
    finished_at: dt.datetime | None
    worker: str | None
    labels: Mapping[str, str]
    notes: str
    clients: int
    clients_completed: int
    clients_failed: int
    aggregated_at: dt.datetime | None
    metrics: Mapping[str, Value]

    @property
    def seconds(self) -> float | None:
        """How long it ran; None while it does."""
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class OpenRun:
    """A run in progress.

    Attributes:
        seen_at: its last sign of life: its start, a heartbeat, or an update of a client.
        silent: since then, by Postgres's clock.
        silence_allowed: how long it may say nothing.
        dagster_run_id: the Dagster run that it is, if it is one.
    """

    run_id: str
    job_name: str
    worker: str | None
    seen_at: dt.datetime
    silent: dt.timedelta
    silence_allowed: dt.timedelta
    dagster_run_id: str | None
    labels: Mapping[str, str]

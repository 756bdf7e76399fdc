"""What a batch job reports of its work for one client, declared as data. Data only: no SQL is run here.

To add a metric that every installation has: a `JobMetric` in `BUILT_IN`; `metrics-assets schema apply` adds its
columns. An application adds its own with `JobMetrics.register`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from metrics_assets.errors import ConfigurationError

IN_PROGRESS, COMPLETED, FAILED = "In Progress", "Completed", "Failed"
STATUSES = (IN_PROGRESS, COMPLETED, FAILED)

_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,49}")
# columns of metrics.job_run and metrics.job_client_run that are no metric
_TAKEN = frozenset(
    {
        *("run_id", "client_id", "run_ids", "client_ids", "job_name", "client_status", "worker", "labels", "notes"),
        *("silence_allowed", "steps", "clients", "clients_completed", "clients_failed"),
    }
)


class Kind(enum.StrEnum):
    """What the values of a metric are."""

    NUMBER = "number"
    DATETIME = "datetime"
    STRING = "string"


class Aggregation(enum.StrEnum):
    """How two values become one: two updates of a client run, and the client runs of a job run."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"
    LAST = "last"


@dataclass(frozen=True)
class JobMetric:
    """A figure that a job keeps for every client, and in total.

    Attributes:
        name: what callers and reports call it, `Leads Processed`.
        decimals: digits after the point that a number keeps; 0 for counts, which then have to be whole.
        negative: whether a number below zero makes sense.
        choices: the only strings that are values; empty when every string is one.
        of_job: its column in metrics.job_run, where that is not the column of metrics.job_client_run.

    Raises:
        ConfigurationError: the parts do not fit each other, or the name makes no column.
    """

    name: str
    kind: Kind = Kind.NUMBER
    aggregation: Aggregation = Aggregation.SUM
    decimals: int = 0
    negative: bool = False
    choices: tuple[str, ...] = ()
    of_job: str = ""

    def __post_init__(self) -> None:
        if self.aggregation is Aggregation.SUM and self.kind is not Kind.NUMBER:
            raise ConfigurationError(f"Metric {self.name!r}: a {self.kind} has no sum. Use min, max or last.")
        if not 0 <= self.decimals <= 9:
            raise ConfigurationError(f"Metric {self.name!r}: decimals={self.decimals}; use 0 to 9.")
        # `<column>_at` is where a metric of the aggregation `last` keeps its time
        if not _COLUMN.fullmatch(self.column) or self.column in _TAKEN or self.column.endswith("_at"):
            raise ConfigurationError(
                f"Metric {self.name!r} would have the column {self.column!r}, which cannot be, or is taken. Use "
                "another name: letters, digits and spaces, beginning with a letter, at most 50."
            )

        if self.of_job and not self._may_be_of_job():
            raise ConfigurationError(
                f"Metric {self.name!r}: of_job={self.of_job!r} cannot be its column in metrics.job_run, or is taken. "
                "Use another: lower case letters, digits and underscores, beginning with a letter, at most 50."
            )

    def _may_be_of_job(self) -> bool:
        taken = _TAKEN - {"client_status"} if self.name == "Status" else _TAKEN | {"status"}
        return bool(_COLUMN.fullmatch(self.of_job)) and self.of_job not in taken and not self.of_job.endswith("_at")

    @property
    def column(self) -> str:
        """Its column in metrics.job_client_run."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")

    @property
    def job_column(self) -> str:
        """Its column in metrics.job_run."""
        return self.of_job or self.column

    @property
    def sql_type(self) -> str:
        """Type of its columns; numbers have twelve digits more than one value may, so that no sum overflows."""
        types = {Kind.NUMBER: f"numeric({27 + self.decimals}, {self.decimals})", Kind.DATETIME: "timestamptz"}
        return types.get(self.kind, "text")

    @property
    def is_last(self) -> bool:
        """Whether the newest value counts: then its time is kept beside it."""
        return self.aggregation is Aggregation.LAST


START_TIME = JobMetric("Start Time", Kind.DATETIME, Aggregation.MIN)
END_TIME = JobMetric("End Time", Kind.DATETIME, Aggregation.MAX)
# a job run has a status of its own, which `complete_job_metrics` gives it
STATUS = JobMetric("Status", Kind.STRING, Aggregation.LAST, choices=STATUSES, of_job="client_status")

BUILT_IN = (
    JobMetric("Leads Processed"),
    JobMetric("Posts Processed"),
    JobMetric("Profiles Examined for Scoring"),
    JobMetric("Profiles Successfully Scored"),
    JobMetric("Total Posts Harvested"),
    JobMetric("Posts Examined for Scoring"),
    JobMetric("Posts Successfully Scored"),
    JobMetric("Profile Scoring Tokens"),
    JobMetric("Post Scoring Tokens"),
    JobMetric("Total Tokens"),
    START_TIME,
    END_TIME,
    STATUS,
)

# Metrics that say how much there is, not how much was done: over the runs of a day the highest counts, not the sum.
LEVELS = frozenset({"Backlog Before", "Backlog After"})

# What this project's own Dagster runs report; a client run is one asset's part in a run.
OWN = (
    JobMetric("Entities Changed"),
    JobMetric("Rows Read"),
    JobMetric("Rows Written"),
    JobMetric("Backlog Before"),
    JobMetric("Backlog After"),
    JobMetric("Seconds", decimals=3),
    JobMetric("Query Seconds", decimals=3),
)

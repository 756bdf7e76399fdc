"""Pictures in metadata: small PNGs inside Markdown, which the UI shows without a server for files.

Imported when a picture is drawn, never with the definitions: it brings matplotlib.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from metrics_assets.catalog.job_metrics import COMPLETED, FAILED, IN_PROGRESS

if TYPE_CHECKING:
    from metrics_assets.job_metrics.report import JobReport

_DOTS_PER_INCH = 72
_POINTS = 96
_COLOURS = {COMPLETED: "#2f9e6e", FAILED: "#d1495b", IN_PROGRESS: "#9aa5b1"}


def durations(report: JobReport) -> str:
    """Markdown: each set's runs, from the request to the end, as a share of the time between two scheduled ticks."""
    from metrics_assets.job_metrics.report import seconds_from_request

    with _drawn("Run durations, % of the schedule") as (figure, axes):
        for name, pace in report.paces.items():
            points = [
                (run.started_at, 100 * seconds / pace.period_seconds)
                for run in reversed(report.runs)
                if run.labels.get("set") == name and run.labels.get("mode") == "tick"
                if (seconds := seconds_from_request(run)) is not None
            ]
            if points:
                shown = _worst_of_each(points)
                axes.plot(*zip(*shown, strict=True), marker=".", linewidth=1, label=f"{name} ({pace.verdict})")
        axes.axhline(100, color=_COLOURS[FAILED], linestyle="--", linewidth=1, label="a tick fills its schedule")
        axes.set_ylim(bottom=0)
        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.legend(fontsize="small", frameon=False)
        return _markdown(figure, "run durations against the schedule")


def totals(report: JobReport) -> str:
    """Markdown: runs by job and day, by how they ended."""
    with _drawn("Runs by job") as (figure, axes):
        several = report.first_day != report.last_day
        names = [f"{total.job_name} {total.day:%m-%d}" if several else total.job_name for total in report.by_job]
        counts = {
            COMPLETED: [total.runs_completed for total in report.by_job],
            FAILED: [total.runs_failed for total in report.by_job],
            IN_PROGRESS: [total.runs - total.runs_completed - total.runs_failed for total in report.by_job],
        }
        left = [0] * len(names)
        for status, lengths in counts.items():
            axes.barh(names, lengths, left=left, color=_COLOURS[status], label=status)
            left = [start + length for start, length in zip(left, lengths, strict=True)]
        axes.invert_yaxis()
        axes.legend(fontsize="small", frameon=False)
        return _markdown(figure, "runs by job and how they ended")


def _worst_of_each(points: Sequence[tuple[dt.datetime, float]]) -> list[tuple[dt.datetime, float]]:
    """At most `_POINTS` of the points: the highest of each stretch, because a slow tick is what is looked for.

    Dagster keeps every picture for as long as its run: a day of minute ticks would make it three times as large.
    """
    stretch = -(-len(points) // _POINTS)
    return [max(points[at : at + stretch], key=itemgetter(1)) for at in range(0, len(points), stretch)]


@contextmanager
def _drawn(title: str) -> Iterator[tuple[Figure, Axes]]:
    # not pyplot: it keeps figures in the process, and wants one thread
    figure = Figure(figsize=(8, 3), dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize="medium", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    yield figure, axes


def _markdown(figure: Figure, says: str) -> str:
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return f"![{says}](data:image/png;base64,{base64.b64encode(image.getvalue()).decode()})"

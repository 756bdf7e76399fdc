"""The report of `job_run_metrics` as Dagster shows it: figures that it plots, tables in Markdown, pictures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog.job_metrics import COMPLETED, FAILED, IN_PROGRESS
from metrics_assets.orchestration.describe import Metadata

if TYPE_CHECKING:
    from metrics_assets.job_metrics.report import JobReport, Total

_SHOWN_CLIENTS = 50


def metadata_of(report: JobReport) -> Metadata:
    """Metadata of one materialization."""
    from metrics_assets.orchestration import pictures

    told: Metadata = {
        "runs": len(report.runs),
        **{f"runs/{status}": sum(run.status == status for run in report.runs) for status in _STATUSES},
        "clients": len({total.client_id for total in report.by_client}),
    }
    for name, pace in report.paces.items():
        if not pace.ticks:
            continue  # a zero would be plotted as a quick run
        told[_key("seconds", name)] = round(pace.median_seconds, 2)
        told[_key("p90", name)] = round(pace.p90_seconds, 2)
        told[_key("used", name)] = round(100 * pace.used, 1)
    for name, figures in _by_set(report).items():
        told.update({_key(figure, name): value for figure, value in figures.items()})
    told["keeping_up"] = dg.MetadataValue.md(pace_table(report))
    told["totals_by_job"] = dg.MetadataValue.md(totals_table(report.by_job))
    told["totals_by_client"] = dg.MetadataValue.md(clients_table(report.by_client))
    told["run_durations"] = dg.MetadataValue.md(pictures.durations(report))
    told["runs_by_job"] = dg.MetadataValue.md(pictures.totals(report))
    return told


def _key(figure: str, set_name: str) -> str:
    """Name of a figure of a set, without what most sets end in: the UI prints a longer one over its value."""
    return f"{figure}/{set_name.removesuffix('_metrics')}"


_STATUSES = (IN_PROGRESS, COMPLETED, FAILED)


def pace_table(report: JobReport) -> str:
    """Markdown: how the runs of each set compare with its schedule."""
    lines = [
        "| set | every | ticks | median | p90 | schedule used | verdict | |",
        "|---|--:|--:|--:|--:|--:|---|---|",
    ]
    for name, pace in report.paces.items():
        lines.append(
            f"| {name} | {pace.period_seconds:.0f} s | {pace.ticks} | {pace.median_seconds:.1f} s | "
            f"{pace.p90_seconds:.1f} s | {pace.used:.0%} | {pace.verdict} | {pace.reason} |"
        )
    return "\n".join(lines)


def totals_table(totals: Sequence[Total], *, clients: bool = False) -> str:
    """Markdown: runs and figures by job and day, or by client too. Figures that nobody reported have no column."""
    if not totals:
        return "No job run began on these days."
    names = list(dict.fromkeys(name for total in totals for name in total.metrics))
    headings = ["day", "job", *(["client"] if clients else []), "runs", "completed", "failed", *names]
    lines = [_line(headings), "|" + "---|" * len(headings)]
    for total in totals:
        cells = [str(total.day), total.job_name, *([total.client_id] if clients else [])]
        cells += [f"{count:,}" for count in (total.runs, total.runs_completed, total.runs_failed)]
        lines.append(_line([*cells, *(_shown(total.metrics.get(name)) for name in names)]))
    return "\n".join(lines)


def clients_table(totals: Sequence[Total]) -> str:
    """Markdown: the first of the totals by client, and how many there are beside them."""
    cut = len(totals) - _SHOWN_CLIENTS
    shown = totals_table(totals[:_SHOWN_CLIENTS], clients=True)
    return f"{shown}\n\n{cut:,} more rows are not shown: see `metrics.job_client_run`." if cut > 0 else shown


def _line(cells: Iterable[str]) -> str:
    # a client id may hold anything
    return f"| {' | '.join(cell.replace('|', '&#124;').replace(chr(10), ' ') for cell in cells)} |"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "year") else f"{value:,}"


def _by_set(report: JobReport) -> dict[str, dict[str, float]]:
    """Per set: entities per run (median), backlog left by the last run (`runs` are the newest first), query seconds."""
    told: dict[str, dict[str, float]] = {}
    for name in report.paces:
        runs = [run for run in report.runs if run.labels.get("set") == name and run.finished_at is not None]
        if runs:
            entities = statistics.median(float(str(run.metrics.get("Entities Changed", 0))) for run in runs)
            queries = statistics.median(float(str(run.metrics.get("Query Seconds", 0))) for run in runs)
            told[name] = {
                "entities": entities,
                "queries": round(queries, 3),
                "backlog": float(str(runs[0].metrics.get("Backlog After", 0))),
            }
    return told

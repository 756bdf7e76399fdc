"""The report as headings and tables of plain text, which Markdown and the page show each in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metrics_assets.serving.usage.forecast import Forecast
from metrics_assets.serving.usage.report import DAYS, UsageReport
from metrics_assets.serving.usage.trends import ModelTrend

_SHOWN = 20


@dataclass(frozen=True)
class Section:
    """A heading, what there is to say, and a table. Cells are text as it is: nothing is escaped yet.

    Attributes:
        numbers: columns, from 0, that are aligned to the right.
    """

    title: str
    text: str
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    numbers: frozenset[int] = frozenset()


def top_models(report: UsageReport) -> Section:
    """The ten that are used most, with each feature and its share."""
    features = list(report.by_feature)
    rows = [
        (
            str(rank),
            report.name(trend.model_id),
            f"{trend.total:,}",
            _share(trend.total, report.total),
            *(
                f"{trend.by_feature.get(name, 0):,} ({_share(trend.by_feature.get(name, 0), trend.total)})"
                for name in features
            ),
        )
        for rank, trend in enumerate(report.top, start=1)
    ]
    text = (
        f"{_counted(report.total, 'use', 'uses')} of {_counted(len(report.used), 'model', 'models')} "
        f"from {report.first} to {report.last}, UTC."
        if rows
        else f"Nothing was used from {report.first} to {report.last}, UTC."
    )
    return Section(
        "Top 10 models by usage",
        text,
        ("#", "model", "uses", "share", *features),
        tuple(rows),
        frozenset({0, *range(2, 4 + len(features))}),
    )


def cold_facts(report: UsageReport) -> tuple[Section, ...]:
    """Models that rise, that fall, and that nobody uses."""
    return (
        _moving(report, "Rising use", report.rising),
        _moving(report, "Falling use", report.falling),
        Section(
            f"Without use for {DAYS} days",
            f"{_counted(len(report.cold), 'model was', 'models were')} active and had no use "
            f"from {report.first} to {report.last}.",
            ("model", "id", "provider"),
            tuple((config.name, config.id, config.provider) for config in report.cold[:_SHOWN]),
        ),
    )


def outlook(report: UsageReport) -> tuple[Section, ...]:
    """Models that are to go, what the months cost, and what routes have brought."""
    uses = {trend.model_id: trend.after for trend in report.used}
    retiring = tuple(
        (
            report.name(config.id),
            f"{config.retires_at:%Y-%m-%d %H:%M}",
            "–" if config.replaced_by is None else report.name(config.replaced_by),
            f"{uses.get(config.id, 0):,}",
        )
        for config in report.retiring
    )
    return (
        Section(
            "To be retired",
            f"{_counted(len(retiring), 'model is', 'models are')} deprecated.",
            ("model", "retires at (UTC)", "replaced by", "uses in 7 days"),
            retiring,
            frozenset({3}),
        ),
        _spend(report),
        Section(
            "Routes",
            _newest_routes(len(report.arms)),
            ("route", "arm", "model", "feature", "uses", "users"),
            tuple(
                (route.id, use.arm, report.name(use.model_id), use.feature, f"{use.uses:,}", f"{use.users:,}")
                for route, arms in report.arms
                for use in arms
            ),
            frozenset({4, 5}),
        ),
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _newest_routes(count: int) -> str:
    if count == 0:
        return "No route has been opened."
    return "The newest route." if count == 1 else f"The newest {count} routes."


def _moving(report: UsageReport, title: str, moving: Sequence[ModelTrend]) -> Section:
    rows = tuple(
        (
            report.name(trend.model_id),
            f"{trend.before:,}",
            f"{trend.after:,}",
            "new" if trend.change is None else f"{trend.change:+.0%}",
        )
        for trend in moving[:_SHOWN]
    )
    return Section(
        title,
        f"{_counted(len(moving), 'model', 'models')} moved by more than chance explains: "
        "seven days against the seven before.",
        ("model", "uses before", "uses after", "change"),
        rows,
        frozenset({1, 2, 3}),
    )


def _spend(report: UsageReport) -> Section:
    months = [found for found in (report.this_month, report.next_month) if found]
    text = (
        f"From {months[0].days_of_history} days of usage and the prices of today; "
        f"the interval holds the month with a probability of {months[0].level:.0%}."
        if months
        else "A forecast needs two weeks of usage."
    )
    return Section(
        "Monthly spend",
        text,
        ("month", "so far", "expected", "interval"),
        tuple(_month_row(month) for month in months),
        frozenset({1, 2, 3}),
    )


def _month_row(month: Forecast) -> tuple[str, ...]:
    return (
        f"{month.month:%Y-%m}",
        _dollars(month.so_far),
        _dollars(month.expected),
        f"{_dollars(month.low)} – {_dollars(month.high)}",
    )


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def all_sections(report: UsageReport) -> Iterable[Section]:
    """Every section but the first, in the order of reading."""
    yield from cold_facts(report)
    yield from outlook(report)

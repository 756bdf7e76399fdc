"""The report as Markdown, for the metadata of its asset. Text of the registry shows as it is, whatever is in it."""

from __future__ import annotations

import re

from metrics_assets.serving.usage import charts
from metrics_assets.serving.usage.report import UsageReport
from metrics_assets.serving.usage.sections import Section, all_sections, top_models

# what Markdown, or HTML in it, gives a meaning
_SIGNS = re.compile(r"([\\`*_{}\[\]()#+!|~>.:@$-])")


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line: entities for HTML's signs, a backslash before its own."""
    one_line = " ".join(text.split())
    marked = _SIGNS.sub(r"\\\1", one_line.replace("&", "\ue000").replace("<", "\ue001").replace(">", "\ue002"))
    return marked.replace("\ue000", "&amp;").replace("\ue001", "&lt;").replace("\ue002", "&gt;")


def top_table(report: UsageReport) -> str:
    """The ten models that are used most."""
    return _section(top_models(report))


def details(report: UsageReport) -> str:
    """Everything else that the report says."""
    return "\n\n".join(_section(section) for section in all_sections(report))


def pictures(report: UsageReport) -> str:
    """Uses per day of all models and the share of each feature, then a line for each of the ten."""
    shown = [
        f"![Uses per day]({charts.as_image(trend_picture(report))})",
        f"![Share of each feature]({charts.as_image(share_picture(report))})",
    ]
    lines = [
        f"| {escaped(report.name(trend.model_id))} | "
        f"![{trend.total}]({charts.as_image(charts.spark(trend.by_day, f'{trend.total:,} uses in 30 days'))}) |"
        for trend in report.top
    ]
    return "\n\n".join([*shown, "\n".join(["| model | 30 days |", "|---|---|", *lines])])


def trend_picture(report: UsageReport) -> str:
    """Uses per day of all models, as SVG."""
    days = (report.last - report.first).days + 1
    by_day = [sum(trend.by_day[day] for trend in report.used) for day in range(days)]
    label = f"Uses per day from {report.first} to {report.last}, {max(by_day, default=0):,} at most"
    return charts.trend(by_day, str(report.first), str(report.last), label)


def share_picture(report: UsageReport) -> str:
    """The share of each feature in all uses, as SVG."""
    told = ", ".join(
        f"{name} {uses / report.total:.1%}" if report.total else f"{name} none"
        for name, uses in report.by_feature.items()
    )
    return charts.shares(report.by_feature, f"Share of each feature: {told}")


def _section(section: Section) -> str:
    lines = [f"### {section.title}", "", escaped(section.text)]
    if section.rows:
        rule = "|".join("---:" if column in section.numbers else "---" for column in range(len(section.head)))
        lines += ["", _row(section.head), f"|{rule}|", *map(_row, section.rows)]
    return "\n".join(lines)


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"

"""The report as one HTML page that needs nothing else: no script, no request, dark or light as the reader has it."""

from __future__ import annotations

import string
from html import escape

from metrics_assets.serving.usage import charts
from metrics_assets.serving.usage.markdown import share_picture, trend_picture
from metrics_assets.serving.usage.report import UsageReport
from metrics_assets.serving.usage.sections import Section, all_sections, top_models
from metrics_assets.stores import sqlfile


def page(report: UsageReport) -> str:
    """The whole document. Text of the registry shows as it is, whatever is in it."""
    sparks = [
        charts.spark(trend.by_day, f"{report.name(trend.model_id)}: {trend.total:,} uses in 30 days")
        for trend in report.top
    ]
    body = [
        _section(top_models(report), sparks),
        f"<h2>Trend over 30 days</h2><figure>{trend_picture(report)}</figure>",
        f"<h2>Share of each feature</h2><figure>{share_picture(report)}</figure>",
        *map(_section, all_sections(report)),
    ]
    template = string.Template(sqlfile.read("metrics_assets.serving.usage", "page.html"))
    return template.substitute(
        first=report.first,
        last=report.last,
        made_at=f"{report.made_at:%Y-%m-%d %H:%M}",
        charts=charts.STYLE,
        body="\n".join(body),
    )


def _section(section: Section, sparks: list[str] | None = None) -> str:
    heading = f"<h2>{escape(section.title)}</h2>"
    if not section.rows:
        return f"{heading}<p>{escape(section.text)}</p>"
    # the first column that is text names its row
    named = min(set(range(len(section.head))) - section.numbers)
    head = "".join(_cell("th", name, number in section.numbers, "col") for number, name in enumerate(section.head))
    rows = []
    for at, row in enumerate(section.rows):
        cells = [
            _cell("th" if number == named else "td", cell, number in section.numbers, "row" if number == named else "")
            for number, cell in enumerate(row)
        ]
        rows.append(f"<tr>{''.join(cells)}{f'<td>{sparks[at]}</td>' if sparks else ''}</tr>")
    if sparks:
        head += _cell("th", "30 days", False, "col")
    return (
        f'{heading}<div class="scroll" role="region" aria-label="{escape(section.title)}" tabindex="0"><table>'
        f"<caption>{escape(section.text)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(tag: str, text: str, number: bool, scope: str) -> str:
    attributes = (' class="n"' if number else "") + (f' scope="{scope}"' if scope else "")
    return f"<{tag}{attributes}>{escape(text)}</{tag}>"

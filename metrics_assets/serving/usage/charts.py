"""Pictures of the report as SVG: they scale, follow dark and light, and say in words what they show."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 180
_SPARK_WIDTH, _SPARK_HEIGHT = 120, 28
_BAR_HEIGHT, _LEGEND_ROW = 28, 22
_MARGIN = 4

# readable on white and on the dark ground of the page (4.5 to 1), and told apart without colours by their labels
STYLE = """
.s0{fill:#2f6fdb;stroke:#2f6fdb}.s1{fill:#b5651d;stroke:#b5651d}.s2{fill:#1f8a4c;stroke:#1f8a4c}
.s3{fill:#8b5cf6;stroke:#8b5cf6}.line{fill:none;stroke:#2f6fdb;stroke-width:2;stroke-linejoin:round}
.area{fill:#2f6fdb;fill-opacity:.15;stroke:none}.axis{stroke:#8a8f98;stroke-width:1}
text{font:13px system-ui,sans-serif;fill:#6b7078;stroke:none}
@media (prefers-color-scheme:dark){.s0{fill:#7aa7f7;stroke:#7aa7f7}.s1{fill:#e0a15a;stroke:#e0a15a}
.s2{fill:#63c48c;stroke:#63c48c}.s3{fill:#b79cff;stroke:#b79cff}.line{stroke:#7aa7f7}.area{fill:#7aa7f7}
text{fill:#b4bac4}}
"""
_COLOURS = 4


def spark(values: Sequence[int], label: str) -> str:
    """A small line without axes."""
    return _svg(
        _SPARK_WIDTH,
        _SPARK_HEIGHT,
        label,
        f'<polyline class="line" points="{_points(values, _SPARK_WIDTH, _SPARK_HEIGHT)}"/>',
    )


def trend(values: Sequence[int], first: str, last: str, label: str) -> str:
    """Uses per day as a line from zero, with its first and last day and its highest value."""
    bottom = HEIGHT - 24
    points = _points(values, WIDTH, bottom)
    ends = f"{WIDTH - _MARGIN},{bottom - _MARGIN} {_MARGIN},{bottom - _MARGIN}"
    return _svg(
        WIDTH,
        HEIGHT,
        label,
        f'<polygon class="area" points="{points} {ends}"/><polyline class="line" points="{points}"/>'
        f'<line class="axis" x1="{_MARGIN}" x2="{WIDTH - _MARGIN}" y1="{bottom - _MARGIN}" y2="{bottom - _MARGIN}"/>'
        f'<text x="{_MARGIN}" y="{HEIGHT - 6}">{escape(first)}</text>'
        f'<text x="{WIDTH - _MARGIN}" y="{HEIGHT - 6}" text-anchor="end">{escape(last)}</text>'
        f'<text x="{_MARGIN}" y="14">{max(values, default=0):,}</text>',
    )


def shares(amounts: Mapping[str, int], label: str) -> str:
    """One bar that is divided by the amounts, with a legend that holds their names and shares."""
    total = sum(amounts.values())
    bars, legend, at = [], [], 0.0
    for number, (name, amount) in enumerate(amounts.items()):
        share = amount / total if total else 0.0
        colour = f"s{number % _COLOURS}"
        bars.append(f'<rect class="{colour}" x="{at:.1f}" y="0" width="{share * WIDTH:.1f}" height="{_BAR_HEIGHT}"/>')
        y = _BAR_HEIGHT + _LEGEND_ROW * (number + 1)
        legend.append(f'<rect class="{colour}" x="0" y="{y - 11}" width="12" height="12"/>')
        legend.append(f'<text x="20" y="{y}">{escape(name)} {share:.1%}</text>')
        at += share * WIDTH
    return _svg(WIDTH, _BAR_HEIGHT + _LEGEND_ROW * (len(amounts) + 1), label, "".join(bars + legend))


def as_image(svg: str) -> str:
    """A picture on its own, as a data URL: what Markdown can show."""
    alone = svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        "</title>", f"</title><style>{STYLE}</style>", 1
    )
    return f"data:image/svg+xml;base64,{base64.b64encode(alone.encode()).decode()}"


def _points(values: Sequence[int], width: int, height: int) -> str:
    top, room = max(values, default=0) or 1, height - 2 * _MARGIN
    step = (width - 2 * _MARGIN) / max(len(values) - 1, 1)
    return " ".join(
        f"{_MARGIN + number * step:.1f},{height - _MARGIN - value / top * room:.1f}"
        for number, value in enumerate(values)
    )


def _svg(width: int, height: int, label: str, inside: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(label)}"><title>{escape(label)}</title>{inside}</svg>'
    )

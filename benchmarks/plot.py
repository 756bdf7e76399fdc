"""Draws how the cost of a tick grows with history: `python -m benchmarks.plot RESULTS.json PICTURE.png`."""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path

from matplotlib.figure import Figure

_REVIEWS = re.compile(r"base models tick, ([\d,]+) reviews of history")


def draw(results: Path, picture: Path) -> None:
    """Median seconds, with least and most, against the reviews of history; from the rows of the area `history`.

    Raises:
        SystemExit: the results hold no such rows.
    """
    rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
    found = {
        int(named[1].replace(",", "")): row["samples"] for row in rows if (named := _REVIEWS.fullmatch(row["name"]))
    }
    if not found:
        raise SystemExit(f"{results} has no rows of the area history: run `make bench ARGS='--only history'`.")
    reviews = sorted(found)
    medians = [statistics.median(found[count]) for count in reviews]
    spread = [
        [median - min(found[count]) for count, median in zip(reviews, medians, strict=True)],
        [max(found[count]) - median for count, median in zip(reviews, medians, strict=True)],
    ]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(reviews, medians, yerr=spread, marker="o", capsize=4, label="the tick, median with least and most")
    axes.plot(
        reviews,
        [medians[0] * count / reviews[0] for count in reviews],
        linestyle=":",
        color="grey",
        label="what grows with history",
    )
    axes.set(xscale="log", xlabel="reviews of history", ylabel="seconds", ylim=(0, 2 * max(medians)))
    axes.legend()
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))

"""Target 2: the same tick with forty times the history."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from benchmarks.change import Writer
from benchmarks.data import dataset, differences
from benchmarks.measure import Row, Samples, at_most, repeat
from benchmarks.options import OTHER_SHARE, Options
from benchmarks.progress import say
from benchmarks.ticks import timed_tick
from metrics_assets.pipeline import tick

AREA = "history"


def run(options: Options) -> list[Row]:
    """Three applications that differ in their reviews only, open at the same time; they take turns."""
    volumes = options.histories
    samples = [Samples() for _ in volumes]
    with ExitStack() as stack:
        several = [stack.enter_context(dataset(options.seed, volume, at_once=len(volumes))) for volume in volumes]
        writers = [Writer(data, options.change) for data in several]
        for data in several:
            tick.tick(data.stores, data.settings)

        def once(number: int) -> None:
            # another one begins each time: what the machine does besides must not always meet the same one
            turn = [(number + place) % len(several) for place in range(len(several))]
            for which in turn:
                data, took = several[which], samples[which] if number >= 0 else Samples()
                changed = writers[which].write()
                seconds = timed_tick(data, ["base_model_metrics"], changed.rows, took, Samples())
                tick.tick(data.stores, data.settings)
                say(f"{AREA} {number + 1} of {options.runs}: {data.volume.reviews:,} reviews {seconds:.2f} s")

        repeat(options.runs, once)
        wrong = [differences(data) for data in several]
    rows = [
        replace(
            took.row(AREA, f"base models tick, {volume.reviews:,} reviews of history"),
            differences=found,
        )
        for took, volume, found in zip(samples, volumes, wrong, strict=True)
    ]
    times = volumes[-1].reviews / volumes[0].reviews
    rows[-1] = replace(
        rows[-1],
        target=2,
        bound=at_most(rows[-1].median / rows[0].median, 1.3),
        note=f"{times:.0f} times the first; downloads, generations and items in all three: {OTHER_SHARE:.0%} of usual",
    )
    return rows

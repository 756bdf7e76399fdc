"""What a run of the benchmarks was asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.change import Size
from benchmarks.data import Volume

# of reviews at scale 1; what else there is, is alike in all of them
HISTORIES = (1_000_000, 10_000_000, 40_000_000)
# forty million reviews and as many downloads as usual would take a day to build, and the latter are not what grows
OTHER_SHARE = 1 / 20
QUICK_SCALE = 0.01
QUICK_RUNS = 1


@dataclass(frozen=True)
class Options:
    """Seed, how much data, how often.

    Attributes:
        scale: 1 is the volume of docs/performance.md.
        runs: of everything that is measured, after one to warm up.
        verify: whether to recount everything after the area; otherwise a later one on the same data does it for both.
        quick: to see that everything works, in two minutes: less is changed and rebuilt, one tick is scheduled.
    """

    seed: int
    scale: float
    runs: int
    quick: bool = False
    verify: bool = True

    @property
    def volume(self) -> Volume:
        """What is there before."""
        return Volume().scaled(self.scale)

    @property
    def histories(self) -> tuple[Volume, ...]:
        """Volumes that differ in their reviews only, with the same models, users and fewer of everything else."""
        others = Volume().scaled(self.scale * OTHER_SHARE)
        common = replace(others, models=self.volume.models, users=self.volume.users)
        return tuple(replace(common, reviews=round(reviews * self.scale)) for reviews in HISTORIES)

    @property
    def change(self) -> Size:
        """What a tick sees: the same at every scale down to a tenth, and less below, or it would be the whole data."""
        return Size().scaled(min(1.0, 10 * self.scale))

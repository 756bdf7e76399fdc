"""How much of each set was checked, and how long it took."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Tally:
    """Counts and seconds by set, added up while verify works. Shared work goes to the first set that needs it."""

    def __init__(self) -> None:
        self.entities: Counter[str] = Counter()
        self.counters: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()

    def add(self, set_name: str, *, entities: int = 0, counters: int = 0) -> None:
        """Entities, and counters of entities, that were compared."""
        self.entities[set_name] += entities
        self.counters[set_name] += counters

    @contextmanager
    def timed(self, set_name: str) -> Iterator[None]:
        """Book the time of the block to the set."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[set_name] += time.perf_counter() - started  # type: ignore[assignment]

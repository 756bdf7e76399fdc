"""Progress, on stderr."""

from __future__ import annotations

import sys
import time

_EVERY_SECONDS = 10.0


def say(message: str) -> None:
    """One line with the time of day."""
    print(f"{time.strftime('%H:%M:%S')}  {message}", file=sys.stderr, flush=True)


class NowAndThen:
    """Told every step of long work, says one every ten seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Say it if it is time again."""
        if time.monotonic() >= self._said + _EVERY_SECONDS:
            self._said = time.monotonic()
            say(f"  {step}: {done:,} of {total:,}")

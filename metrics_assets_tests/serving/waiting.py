"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

CHILD_SECONDS = 120.0
"""A process that a test has started is ended after this, which is far longer than it takes."""


def until(holds: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Look again and again until it holds.

    Raises:
        AssertionError: it did not come to hold in that time, which is far longer than it takes.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to hold in {seconds:g} s"
        time.sleep(0.01)

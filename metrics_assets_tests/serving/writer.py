"""A process that records events and prints the ranges of users whose events were acknowledged."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path

from metrics_assets.serving.record import MODEL_USAGE, Recorder

_EVENTS = 1_000


def main(*, kill_after: int | None, first: int = 0) -> None:
    """Record a thousand events and leave the rest to the end of the process; or flush, go on, and be killed.

    Args:
        kill_after: kill the process after so many flushes, with events under way.
    """
    # beside a ClickHouse that gives no answer: soon on disk; else a slow machine must not make an insert fail
    patience = 60.0 if kill_after is None else 1.0
    recorder = Recorder(
        sys.argv[1], Path(sys.argv[2]), block_events=300, flush_seconds=0.02, insert_timeout_seconds=patience
    )
    atexit.register(recorder.close, timeout_seconds=120)
    if kill_after is None:
        recorder.record_many(MODEL_USAGE, [("aurora", first + number, "chat") for number in range(_EVENTS)])
        return
    for _ in range(kill_after):
        recorder.record_many(MODEL_USAGE, [("aurora", first + number, "chat") for number in range(_EVENTS)])
        recorder.flush()
        print(first, first + _EVENTS, flush=True)
        first += _EVENTS
    recorder.record_many(MODEL_USAGE, [("aurora", first + number, "chat") for number in range(_EVENTS)])
    os.kill(os.getpid(), signal.SIGKILL)

"""Events of the application on their way to ClickHouse.

```python
from metrics_assets.serving.record import MODEL_USAGE, record, flush

record(MODEL_USAGE, ("aurora-chat", user_id, "chat"))   # microseconds: another thread does the rest
flush()                                                # returns once everything recorded before is safe
```

An event is *acknowledged* when a `flush` that was called after it returns: it is in ClickHouse, or on this machine's
disk and goes there when ClickHouse is back. Every event has an id before it is first sent and keeps it, so one that is
sent again counts once wherever ids are counted.

`events` says what an event is and writes it as a line, `recorder` collects and cuts blocks of lines, `courier` brings
them to ClickHouse by `sender` or to disk by `spill`, `books` say what became of all. `kinds` has the logs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

from metrics_assets.serving import process
from metrics_assets.serving.record.books import RecorderStats
from metrics_assets.serving.record.events import EventLog
from metrics_assets.serving.record.kinds import MODEL_USAGE
from metrics_assets.serving.record.recorder import Recorder
from metrics_assets.settings import settings

__all__ = [
    "MODEL_USAGE",
    "EventLog",
    "Recorder",
    "RecorderStats",
    "flush",
    "flush_async",
    "record",
    "record_many",
    "record_many_async",
    "recorder",
    "recorder_stats",
]


def _open(stack: ExitStack) -> Recorder:
    made = Recorder(process.stores().clickhouse.url, settings().home / "recorder")
    stack.callback(made.close)
    return made


recorder = process.OnFirstUse(_open)
"""The recorder of this process: `recorder()` makes it on first use; at exit it flushes and closes."""


def record(log: EventLog, values: Sequence[object]) -> bool:
    """Take an event; False when it was rejected. Does not wait, so coroutines call it too. See `Recorder.record`."""
    return recorder().record(log, values)


def record_many(log: EventLog, events: Iterable[Sequence[object]]) -> int:
    """Take many events; returns how many were taken. See `Recorder.record_many`."""
    return recorder().record_many(log, events)


async def record_many_async(log: EventLog, events: Iterable[Sequence[object]]) -> int:
    """The same for coroutines: it may wait for room, and the event loop goes on meanwhile."""
    return await asyncio.to_thread(record_many, log, events)


def flush(*, delivered: bool = False, timeout_seconds: float = 30.0) -> None:
    """Wait until everything recorded before is acknowledged. See `Recorder.flush`."""
    recorder().flush(delivered=delivered, timeout_seconds=timeout_seconds)


async def flush_async(*, delivered: bool = False, timeout_seconds: float = 30.0) -> None:
    """The same for coroutines: the event loop goes on meanwhile."""
    await asyncio.to_thread(flush, delivered=delivered, timeout_seconds=timeout_seconds)


def recorder_stats() -> RecorderStats:
    """What the recorder of this process has done with its events."""
    return recorder().stats()

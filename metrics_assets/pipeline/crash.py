"""Places where a test has the process die, as a power cut would have it. For tests only; costs one look-up.

`METRICS_CRASH_AT=<name>` kills the process with SIGKILL when it comes to the point of that name. `POINTS` lists them in
the order of the data's way, so that a test can visit every one.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "drain: outbox taken",
    "drain: before commit",
    "drain: committed",
    "forward: contributions written",
    "forward: rolled up",
    "forward: totals written",
    "forward: days written",
    "forward: acknowledged",
    "marked tables: contributions written",
    "marked tables: rolled up",
    "log: touched",
    "log: before commit",
    "log: totals moved",
    "log: cursor moved",
    "set: before commit",
    "set: committed",
    "redis: half written",
    "redis: before commit",
    "rebuild: contributions written",
    "rebuild: vanished",
    "rebuild: rolled up",
    "rebuild: days counted",
    "rebuild: logs counted",
    "rebuild: totals settled",
    "rebuild: keys marked",
    "rebuild: outputs written",
    "load: contributions written",
    "load: logs counted",
    "load: totals counted",
    "load: rolled up",
    "load: shared layer live",
    "load: set live",
)


def point(name: str) -> None:
    """Die here when the environment says so."""
    if os.environ.get("METRICS_CRASH_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)

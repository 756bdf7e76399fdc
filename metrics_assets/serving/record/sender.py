"""Brings blocks to ClickHouse, the one that has waited longest first, and waits longer after each failure."""

from __future__ import annotations

import random
import time
from collections import Counter

from metrics_assets.errors import StoreRefused, StoreUnreachable
from metrics_assets.serving.record.events import Block
from metrics_assets.stores.clickhouse import ClickHouse

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0
# 6, 26, 27, 38, 41, 53, 69, 72, 130, 131, 376, 467, 675, 676, 691 the text of a value is not one of its type, 117 data
# that cannot be read, 469 a value that a constraint of the table forbids. No trial changes that. Everything else may be
# mended at the server (a table that is missing, a password, memory), or is a block that was cut on its way (32, 33).
_NEVER_ACCEPTED = frozenset({6, 26, 27, 38, 41, 53, 69, 72, 117, 130, 131, 376, 467, 469, 675, 676, 691})


class NeverAccepted(Exception):
    """ClickHouse cannot read the block, now or later."""


class Away(Exception):
    """ClickHouse did not take the block; it may take it later."""


class Refused(Away):
    """ClickHouse is there, and did not take this log's block; it may take another one's."""


class Sender:
    """Inserts blocks, with a client of its own that gives up soon."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._clickhouse = ClickHouse(url, comment="recorder", timeout_seconds=timeout_seconds)
        self._failures = 0
        self._refusals: Counter[str] = Counter()  # by table, since the last one that was fine
        self._rest_until: dict[str, float] = {}

    @property
    def wait_seconds(self) -> float:
        """How long to wait before the next trial: 0 when the last one was fine, up to 5 s after many failures."""
        return _wait_after(self._failures)

    def resting(self) -> frozenset[str]:
        """Tables that refused a block a moment ago, and are not to be tried now."""
        now = time.monotonic()
        return frozenset(table for table, until in self._rest_until.items() if until > now)

    def send(self, block: Block) -> None:
        """Insert a block.

        Raises:
            Away: it may be there or not; sending it again does not count twice. `Refused` where only this log is not
                taken, and after an error that is not known: the block may be what is wrong.
            NeverAccepted: it is not there and never will be.
        """
        try:
            self._clickhouse.insert_tsv(block.table, block.columns, [block.lines])
        except StoreUnreachable as error:
            if isinstance(error, StoreRefused) and error.code in _NEVER_ACCEPTED:
                raise NeverAccepted(str(error)) from error
            if isinstance(error, StoreRefused):
                self._failures = 0
                self._rest(block.table)
                raise Refused(str(error)) from error
            self._failures += 1
            raise Away(str(error)) from error
        except Exception as error:
            self._rest(block.table)
            raise Refused(repr(error)) from error
        self._failures = 0
        self._refusals.pop(block.table, None)
        self._rest_until.pop(block.table, None)

    def _rest(self, table: str) -> None:
        self._refusals[table] += 1
        self._rest_until[table] = time.monotonic() + _wait_after(self._refusals[table])

    def close(self) -> None:
        """Close this thread's client."""
        self._clickhouse.close()


def _wait_after(failures: int) -> float:
    if not failures:
        return 0.0
    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(failures, 10))
    return random.uniform(longest / 2, longest)

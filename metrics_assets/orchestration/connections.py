"""The stores of the process that evaluates schedules and sensors: opened once, kept, opened anew after an error.

Not for runs: each has stores of its own (`resources`), which end with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from metrics_assets.orchestration.resources import Session
from metrics_assets.settings import settings

Connect = Callable[[], AbstractContextManager[Session]]


@dataclass
class _Lent:
    """An open session, how many evaluations use it now, and whether one of them failed."""

    session: Session
    stack: ExitStack
    users: int = 0
    failed: bool = False


class KeptSession:
    """Calling it lends the one session of this process. Evaluations run in threads; the stores are safe to share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: _Lent | None = None

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        """Lend the session.

        After an error in the block the next use opens a new one, because an embedded server may come back at another
        address. The old one is closed when the last evaluation that uses it has ended.
        """
        lent = self._lend()
        whole = False
        try:
            yield lent.session
            whole = True
        finally:
            self._take_back(lent, failed=not whole)

    def _lend(self) -> _Lent:
        with self._lock:
            if self._current is None:
                from metrics_assets.stores import open_stores

                stack, environment = ExitStack(), settings()
                stores = stack.enter_context(open_stores(environment, run="dagster:schedules"))
                self._current = _Lent(Session(stores, environment), stack)
            self._current.users += 1
            return self._current

    def _take_back(self, lent: _Lent, *, failed: bool) -> None:
        with self._lock:
            lent.users -= 1
            lent.failed = lent.failed or failed
            if failed and self._current is lent:
                self._current = None
            if lent.failed and lent.users == 0:
                lent.stack.close()

"""What the functions of this package work on in one process: the stores of the environment, opened on first use.

A process that was forked opens its own: connections and threads do not survive a fork.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.util import Finalize
from typing import Generic, TypeVar

from metrics_assets.settings import settings
from metrics_assets.stores import Stores, open_stores

T = TypeVar("T")


class OnFirstUse(Generic[T]):
    """Calling it returns the one object of this process, made by `make`; `close` closes it, at exit at the latest."""

    def __init__(self, make: Callable[[ExitStack], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: T | None = None
        self._stack = ExitStack()
        self._finalizer: Finalize | None = None
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> T:
        made = self._made
        if made is not None:
            return made
        with self._lock:
            if self._made is None:
                self._made = self._make(self._stack)
                atexit.register(self.close)
                if multiprocessing.parent_process() is not None:
                    # a child of multiprocessing may end by os._exit, which runs its own finalizers and not atexit's
                    self._finalizer = Finalize(None, self.close, exitpriority=0)
            return self._made

    def close(self) -> None:
        """Close the object; the next use makes another one."""
        with self._lock:
            self._made = None
            self._stack.close()
            atexit.unregister(self.close)
            if self._finalizer is not None:
                self._finalizer.cancel()
                self._finalizer = None

    def _forget(self) -> None:
        # what the parent has opened stays open and its own
        self._lock = threading.Lock()
        self._made = None
        self._stack = ExitStack()
        self._finalizer = None


stores: OnFirstUse[Stores] = OnFirstUse(lambda stack: stack.enter_context(open_stores(settings(), run="serving")))

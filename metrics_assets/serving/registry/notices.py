"""Changes of the registry as Postgres announces them to every process that listens."""

from __future__ import annotations

import json
import logging
import os
import selectors
import threading
from collections.abc import Callable, Sequence

import psycopg

from metrics_assets.errors import StoreUnreachable
from metrics_assets.stores.postgres import Connection, Postgres

_LOG = logging.getLogger(__name__)
CHANNEL = "metrics_model_registry"
_LOOK_SECONDS = 15.0  # a connection that is silent this long is asked whether it is still there
_LONGEST_SHOWN = 200  # characters of a notice
_RETRY_SECONDS = 1.0
_CLOSE_SECONDS = 5.0  # longer only while Postgres does not answer; the thread dies with the process

Heard = Callable[[int, Sequence[str] | None], None]


class Listener:
    """A thread that holds one connection of the pool and calls back for every notice.

    Args:
        heard: told the registry's version and the ids that changed; None for ids when it may be any.
        connected: called when listening has begun, or begun again, or a notice cannot be read: anything may have
            changed.
    """

    def __init__(self, postgres: Postgres, heard: Heard, connected: Callable[[], None]) -> None:
        self._postgres = postgres
        self._heard = heard
        self._connected = connected
        self._stopped = threading.Event()
        self._listening = threading.Event()
        self._waker, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, name="model-registry-notices", daemon=True)
        self._thread.start()

    @property
    def listening(self) -> bool:
        """Whether notices arrive now; while they do not, a change is seen after the TTL at the latest."""
        return self._listening.is_set()

    def wait_until_listening(self, seconds: float) -> bool:
        """Wait for it; returns whether it listens."""
        return self._listening.wait(seconds)

    def close(self) -> None:
        """Stop listening and give the connection back."""
        if not self._stopped.is_set():
            self._stopped.set()
            os.write(self._wake, b"x")
            self._thread.join(_CLOSE_SECONDS)
            if not self._thread.is_alive():
                os.close(self._waker)
                os.close(self._wake)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._postgres.connection() as connection:
                    self._listen(connection)
            except (psycopg.Error, StoreUnreachable):
                # the TTL bounds what is missed; the loads of callers say what is wrong with Postgres
                self._stopped.wait(_RETRY_SECONDS)
            finally:
                self._listening.clear()

    def _listen(self, connection: Connection) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        self._connected()
        self._listening.set()
        with selectors.DefaultSelector() as either:
            either.register(connection.fileno(), selectors.EVENT_READ)
            either.register(self._waker, selectors.EVENT_READ)
            while not self._stopped.is_set():
                if not either.select(_LOOK_SECONDS):
                    connection.execute("SELECT 1")
                for notice in connection.notifies(timeout=0):
                    told = _told(notice.payload)
                    if told is None:
                        # anybody may write to the channel; what it was about can be anything
                        _LOG.warning(
                            "A notice on %s cannot be read, and everything is read anew: %r. Leave the channel to the "
                            "triggers of the registry.",
                            *(CHANNEL, notice.payload[:_LONGEST_SHOWN]),
                        )
                        self._connected()
                    else:
                        self._heard(*told)
        connection.execute(f"UNLISTEN {CHANNEL}")


def _told(payload: str) -> tuple[int, list[str] | None] | None:
    """Version and ids of a notice; None when no trigger of the registry has written it."""
    try:
        told = json.loads(payload)
        version, ids = told["version"], told.get("ids")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    if type(version) is not int or not (
        ids is None or (isinstance(ids, list) and all(isinstance(i, str) for i in ids))
    ):
        return None
    return version, ids

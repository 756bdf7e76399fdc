"""Sessions: what SET, USE and temporary tables leave behind for the next request with the same session_id.

Settings and the database are remembered here and applied to whichever handle serves the request. Only what
lives in a connection (temporary tables, SET of parameters …) keeps a handle for the session alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from metrics_assets.local.clickhouse_front import request
from metrics_assets.local.clickhouse_front.engine import Engine, Handle
from metrics_assets.local.clickhouse_front.errors import ClickHouseError


@dataclass
class SessionState:
    settings: dict[str, str] = field(default_factory=dict)
    """Name to SQL literal."""
    database: str | None = None
    handle: Handle | None = None
    """Of this session alone, when it left something in a connection."""
    busy: bool = False
    expires: float = 0.0


class Sessions:
    """All sessions of the front. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._states: dict[str, SessionState] = {}

    @contextmanager
    def in_use(self, wanted: request.Session | None) -> Iterator[SessionState]:
        """Give the session's state to one request; without a session, a state that is forgotten afterwards."""
        if wanted is None:
            state = SessionState()
            try:
                yield state
            finally:
                self._forget(state)
            return
        state = self._enter(wanted)
        try:
            yield state
        finally:
            with self._lock:
                state.busy = False
                state.expires = time.monotonic() + wanted.seconds
                if wanted.close_after:
                    self._states.pop(wanted.session_id, None)
            if wanted.close_after:
                self._forget(state)

    def _enter(self, wanted: request.Session) -> SessionState:
        self._expire()
        with self._lock:
            state = self._states.get(wanted.session_id)
            if state is None:
                if wanted.must_exist:
                    raise ClickHouseError(
                        372, "SESSION_NOT_FOUND", f"Session {wanted.session_id} not found or it has expired"
                    )
                state = self._states[wanted.session_id] = SessionState()
            if state.busy:
                raise ClickHouseError(
                    373, "SESSION_IS_LOCKED", f"Session {wanted.session_id} is locked by a concurrent client"
                )
            state.busy = True
            return state

    def _expire(self) -> None:
        now = time.monotonic()
        with self._lock:
            expired = [name for name, state in self._states.items() if not state.busy and state.expires < now]
            states = [self._states.pop(name) for name in expired]
        for state in states:
            self._forget(state)

    def _forget(self, state: SessionState) -> None:
        handle, state.handle = state.handle, None
        if handle is not None:
            self._engine.give_back(handle, reusable=False)

    def close(self) -> None:
        with self._lock:
            states, self._states = list(self._states.values()), {}
        for state in states:
            self._forget(state)

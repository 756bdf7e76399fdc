"""A TCP way to a server that can be cut, at once or in the middle of a request, or let requests through and keep the
answers.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

_OPEN, _CUT, _HOLDING = "open", "cut", "holding answers"


class Proxy:
    """`url` is the server's, by this way; that of Redis on a Unix socket becomes one over TCP."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            self._target: str | tuple[str, int] = parts.path
            parts = parts._replace(scheme="redis", path="")
        else:
            self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        login, _, _ = parts.netloc.rpartition("@")
        place = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=f"{login}@{place}" if login else place))
        self._state = _OPEN
        self._most = math.inf
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # closing alone does not wake an accept
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def open(self) -> None:
        """Everything goes through, what was held as well."""
        self._most = math.inf
        self._become(_OPEN)

    def cut(self) -> None:
        """Connections end, and new ones end at once."""
        self._become(_CUT)
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def cut_within(self, sent: int) -> None:
        """Once a connection has sent so many bytes, counted from its beginning, everything is cut."""
        self._most = sent

    @property
    def is_cut(self) -> bool:
        """Whether everything is cut."""
        return self._state == _CUT

    def hold_answers(self) -> None:
        """Requests go through, answers do not."""
        self._become(_HOLDING)

    def _become(self, state: str) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._state == _CUT:
                client.close()
                continue
            server = self._reach()
            self._connections |= {client, server}
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _reach(self) -> socket.socket:
        if isinstance(self._target, tuple):
            return socket.create_connection(self._target)
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                passed += len(data)
                if not answers and passed > self._most:
                    self.cut()
                with self._changed:
                    self._changed.wait_for(lambda: not (answers and self._state == _HOLDING))
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._connections -= {source, target}

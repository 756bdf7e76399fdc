"""What clients and the supervisor say to each other: one JSON object per line, over a unix socket.

A client that wants servers sends `ensure` and leaves its connection open for as long as it lives: the kernel
closes it whatever way the client ends, and that is how the supervisor knows.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from metrics_assets.errors import ConfigurationError, MetricsError, Refused, StoreUnreachable

VERSION = 1

Operation = Literal["ensure", "endpoints", "status", "stop"]

_ERRORS: dict[str, type[MetricsError]] = {
    error.__name__: error for error in (MetricsError, ConfigurationError, StoreUnreachable, Refused)
}


@dataclass(frozen=True)
class Request:
    """What a client asks."""

    operation: Operation
    need: tuple[str, ...] = ()
    keep: bool = False
    """With `ensure`: run until `stop`, instead of for as long as this connection is open."""
    linger_seconds: float = 0.0
    """How long the servers stay when the last client is gone; the latest request counts."""
    version: int = VERSION

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Request:
        said = json.loads(line)
        if said.get("version") != VERSION:
            raise ConfigurationError(
                "The supervisor of the embedded servers comes from another version of metrics_assets. "
                "Run `metrics-assets local stop` and start again."
            )
        return cls(
            operation=said["operation"],
            need=tuple(said["need"]),
            keep=said["keep"],
            linger_seconds=said["linger_seconds"],
        )


@dataclass(frozen=True)
class Reply:
    """The supervisor's answer: `values`, or an error."""

    values: dict[str, Any] = field(default_factory=dict, repr=False)
    error: str = ""
    message: str = ""

    @classmethod
    def of_error(cls, error: MetricsError) -> Reply:
        return cls(error=type(error).__name__, message=str(error))

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Reply:
        return cls(**json.loads(line))

    def raise_error(self) -> None:
        """Raise the error that this reply carries, if any, as the class that the supervisor raised."""
        if self.error:
            raise _ERRORS.get(self.error, MetricsError)(self.message)

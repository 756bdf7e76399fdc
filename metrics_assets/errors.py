"""The errors that the project raises on purpose, each with the exit code of the command line.

Belongs here: one class per kind of outcome. Does not belong here: messages, which the place that
notices the problem writes, with the value at fault and the next step.
"""

from __future__ import annotations


class MetricsError(Exception):
    """Base of every error that a user can act on; the message says what to do."""

    exit_code: int = 1


class ConfigurationError(MetricsError):
    """The environment, an argument or a missing part keeps the project from working."""

    exit_code = 2


class StoreUnreachable(MetricsError):
    """A store (Postgres, ClickHouse, Redis) cannot be reached, does not start, or does not do its work."""

    exit_code = 3


class StoreRefused(StoreUnreachable):
    """A store answers and does not do what it was asked: password, rights, memory, disk, a table that is gone.

    To whoever waits for the store it is as good as away: what it lacks is kept.

    Attributes:
        code: the store's own number of the error, where it has one.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Refused(MetricsError):
    """Going on would destroy data or exceed a budget."""

    exit_code = 4

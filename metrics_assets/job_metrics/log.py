"""A logger that carries run and client: as `extra` of every record, for whatever handlers the application has."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Adapter = logging.LoggerAdapter[logging.Logger]
else:
    Adapter = logging.LoggerAdapter

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_DEFAULT = logging.getLogger("metrics_assets.job_metrics")


class RunLogger(Adapter):
    """A logger whose records have the attributes `run_id`, `client_id` and what else was bound."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the bound values; what a call passes as `extra` wins."""
        return msg, {**kwargs, "extra": {**(self.extra or {}), **(kwargs.get("extra") or {})}}

    def bind(self, **values: object) -> RunLogger:
        """The same logger with more values bound."""
        return RunLogger(self.logger, {**(self.extra or {}), **values})


def run_logger(run_id: str, client_id: str | None = None, logger: logging.Logger | Adapter | None = None) -> RunLogger:
    """A logger for one run, or for one client of it.

    Args:
        logger: where records go: the application's logger, or one with values bound already, which are kept.
    """
    bound: dict[str, object] = {"run_id": run_id}
    if client_id is not None:
        bound["client_id"] = client_id
    if isinstance(logger, logging.LoggerAdapter):
        return RunLogger(logger.logger, {**(logger.extra or {}), **bound})
    return RunLogger(logger or _DEFAULT, bound)


class JsonLines(logging.Formatter):
    """One JSON object a record, with everything that was bound or passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        told: dict[str, object] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str, ensure_ascii=False)

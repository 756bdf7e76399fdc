"""Run ids: one form, `yymmdd-hhmmss` in UTC, with `.2`, `.3`, … when more runs begin in one second.

Other spellings of the same moment are brought to it by reading them. What carries no moment, a Dagster run id, is
looked up in `metrics.job_run_alias` (`operations.resolve`).
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass

from metrics_assets.errors import ConfigurationError

_OURS = re.compile(r"(?P<second>\d{6}-\d{6})(?P<suffix>\.[1-9]\d{0,8})?(?P<client>[-_:/].+)?", re.ASCII)
_FORM = "%y%m%d-%H%M%S"


class InvalidRunId(ConfigurationError):
    """A run id that says neither when the run began nor which Dagster run it is."""


@dataclass(frozen=True)
class Spelling:
    """A run id as it was read: the one form of it, or, of an id without a moment, the alias to look up."""

    run_id: str | None = None
    alias: str | None = None


def read(spelled: str) -> Spelling:
    """Bring a run id to its one form.

    Known are our own form, the same with a client behind it (`251007-073024-acme`), ISO 8601 in basic or extended form
    with or without a zone (without, it is UTC; fractions of a second go), and Dagster run ids (UUIDs).

    Raises:
        InvalidRunId: it is none of these.
    """
    text = spelled.strip() if isinstance(spelled, str) else ""
    ours = _OURS.fullmatch(text)
    if ours is not None and _is_moment(ours["second"]):
        suffix = ours["suffix"] or ""
        return Spelling(run_id=ours["second"] + (suffix if suffix != ".1" else ""))
    try:
        return Spelling(alias=str(uuid.UUID(text)))
    except ValueError:
        pass
    began = _iso(text)
    if began is None:
        raise InvalidRunId(
            f"The run id {spelled!r} is not known in any form. Use what `start_job` returned, ISO 8601, or a Dagster "
            "run id."
        )
    return Spelling(run_id=of_second(began))


def of_second(began: dt.datetime, number: int = 1) -> str:
    """Id of the `number`-th run that began in the second of the moment."""
    second = began.astimezone(dt.UTC).strftime(_FORM)
    return second if number == 1 else f"{second}.{number}"


def began_at(run_id: str) -> dt.datetime:
    """The second that a run id in its one form names, in UTC."""
    return dt.datetime.strptime(run_id.partition(".")[0], _FORM).replace(tzinfo=dt.UTC)


def _is_moment(second: str) -> bool:
    try:
        dt.datetime.strptime(second, _FORM)
    except ValueError:
        return False
    return True


def _iso(text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text)
        began = found if found.tzinfo else found.replace(tzinfo=dt.UTC)
        began = began.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    # a date alone is no run; a year that `yy` cannot say would come back as another one
    return began if len(text) > len("2025-10-07") and 2000 <= began.year < 2069 else None

"""The tags of a run: which set it serves, and whether it is a tick or a rebuild."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from metrics_assets.errors import ConfigurationError
from metrics_assets.settings import Settings

MODE = "metrics/mode"
SET = "metrics/set"
# Only ticks carry it, and the queue allows one run per value (dagster.yaml): a rebuild of the set, which may take
# hours and is safe beside a tick, must not hold the ticks up.
TICK = "metrics/tick"

_TICK_PRIORITY = 10  # ticks leave the queue before backfills, which have 0
_GRACE_SECONDS = 120


class Mode(enum.StrEnum):
    """How an asset is materialized."""

    TICK = "tick"
    REBUILD = "rebuild"


def mode_of(tags: Mapping[str, str]) -> Mode:
    """The mode that the tags of a run ask for; without the tag a rebuild, so that the UI and CI rebuild.

    Raises:
        ConfigurationError: the tag holds another word.
    """
    value = tags.get(MODE, Mode.REBUILD.value)
    try:
        return Mode(value)
    except ValueError as error:
        raise ConfigurationError(
            f"The run has the tag {MODE}={value!r}: use {' or '.join(Mode)}, or leave it out to rebuild."
        ) from error


def tick_tags(ticked: str, settings: Settings, *, passes: int) -> dict[str, str]:
    """Tags of a run that ticks a set, or a group of assets. None is tried again as a whole: the next one does its work.

    Args:
        passes: assets that the run materializes. Each stops by itself after METRICS_TICK_MAX_SECONDS, so a run that
            lasts longer than all of them hangs, and Dagster ends it.
    """
    max_seconds = passes * settings.tick_max_seconds + _GRACE_SECONDS
    return {
        MODE: Mode.TICK.value,  # Dagster stores plain text only
        TICK: ticked,
        "dagster/priority": str(_TICK_PRIORITY),
        "dagster/max_runtime": str(int(max_seconds)),
        "dagster/max_retries": "0",
    }

"""Usage of models: recorded by the application as it happens, counted exactly whenever it is asked for.

```python
from metrics_assets.serving.usage import get_usage_stats, track_usage

track_usage("aurora-chat", user_id, "chat")
get_usage_stats(start=date(2026, 11, 1), end=date(2026, 11, 30))
```

`rollup` counts the log modelUsage into modelUsageDaily by arrival, `stats` answers from both, `arms` splits by route,
`trends` and `forecast` make sense of the days, `report` gathers it all, `sections`, `markdown`, `charts` and `page`
show it. Not here: when anything runs (`orchestration.usage`).

An event counts once, however often it is delivered: as its earliest delivery says it (timestamp, then model, then
feature, where deliveries differ).
"""

from __future__ import annotations

import datetime as dt

from metrics_assets.errors import ConfigurationError
from metrics_assets.serving import process
from metrics_assets.serving.record import MODEL_USAGE, record
from metrics_assets.serving.registry.config import FEATURES, LONGEST_ID, Feature
from metrics_assets.serving.usage.stats import ModelUsage, usage_stats

__all__ = ["ModelUsage", "get_usage_stats", "track_usage"]

_LARGEST_USER = 2**31 - 1
_FEATURES = frozenset(FEATURES)


def track_usage(model_id: str, user_id: int, feature: Feature) -> bool:
    """Record that a user used a model; returns at once, False when the event was rejected (`record.RecorderStats`).

    Args:
        user_id: 0 for nobody known.
        feature: `chat`, `image` or `comparison`.

    Raises:
        ConfigurationError: a value that the log cannot hold.
    """
    if feature not in _FEATURES:
        raise ConfigurationError(f"A model cannot be used for {feature!r}: use {', '.join(FEATURES)}.")
    # a bool is an int, and no number in a line of the log
    if not isinstance(user_id, int) or isinstance(user_id, bool) or not 0 <= user_id <= _LARGEST_USER:
        raise ConfigurationError(f"A user's id cannot be {user_id!r}: use 0 to {_LARGEST_USER}.")
    if not model_id or len(model_id) > LONGEST_ID:
        raise ConfigurationError(f"A model's id cannot be {model_id!r}: use 1 to {LONGEST_ID} characters.")
    return record(MODEL_USAGE, (model_id, user_id, feature))


def get_usage_stats(
    model_id: str | None = None,
    start: dt.date | dt.datetime | None = None,
    end: dt.date | dt.datetime | None = None,
) -> tuple[ModelUsage, ...]:
    """Uses per model, in all and per feature, most used first. See `stats.usage_stats`."""
    return usage_stats(process.stores(), model_id, start, end)

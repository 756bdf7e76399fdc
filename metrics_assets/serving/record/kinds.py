"""The logs that events are recorded into. One entry here, and an event of a new kind can be recorded."""

from __future__ import annotations

from metrics_assets.serving.record.events import EventLog

MODEL_USAGE = EventLog("modelUsage", "eventId", "timestamp", ("modelId", "userId", "feature"))

"""Events in the log, each insert a part of its own."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable

import pytest

from metrics_assets.stores import Stores

COLUMNS = ("eventId", "modelId", "userId", "feature", "timestamp")
Use = Callable[..., list[uuid.UUID]]


def events(
    stores: Stores,
    at: str,
    *,
    count: int = 1,
    model: str = "aurora",
    feature: str = "chat",
    users: Iterable[int] | None = None,
    ids: Iterable[uuid.UUID] | None = None,
) -> list[uuid.UUID]:
    """Insert events at a moment in UTC; returns their ids."""
    given = list(ids) if ids is not None else [uuid.uuid4() for _ in range(count)]
    who = list(users) if users is not None else [1] * len(given)
    lines = "".join(f"{event}\t{model}\t{user}\t{feature}\t{at}\n" for event, user in zip(given, who, strict=True))
    stores.clickhouse.insert_tsv("modelUsage", COLUMNS, [lines.encode()])
    return given


@pytest.fixture
def use(stores: Stores) -> Use:
    """Inserts events, as one block."""

    def insert(at: str, **given: object) -> list[uuid.UUID]:
        return events(stores, at, **given)  # type: ignore[arg-type]

    return insert


def day(text: str) -> dt.date:
    """A date from its text."""
    return dt.date.fromisoformat(text)


def moment(text: str) -> dt.datetime:
    """A moment in UTC from its text."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

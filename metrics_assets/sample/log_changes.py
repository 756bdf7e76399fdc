"""Every kind of change of the application's ClickHouse logs: rows that arrive, again, late or too early.

Not here: changes of the application's tables (changes), and when what happens (traffic).
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics_assets.sample import shape
from metrics_assets.sample.changes import random_delay
from metrics_assets.sample.registry import MODELS
from metrics_assets.stores import Stores
from metrics_assets.stores.clickhouse import ClickHouse
from metrics_assets.stores.postgres import Connection, rows

EVENTS = "modelVersionEvents"
JOBS = "orchestration.jobs"
USAGE = "modelUsage"

LogRow = tuple[Any, ...]

_COLUMNS: Mapping[str, Sequence[str]] = {
    EVENTS: ("type", "time", "userId", "modelId", "modelVersionId", "ip"),
    JOBS: ("jobId", "userId", "jobType", "createdAt", "resourcesUsed"),
    USAGE: ("eventId", "modelId", "userId", "feature", "timestamp"),
}
_LATEST_EVENTS = """
    SELECT type, time, userId, modelId, modelVersionId, ip
    FROM modelVersionEvents
    WHERE time >= now() - INTERVAL 2 DAY
    ORDER BY cityHash64(ip, time, {salt:UInt32})
    LIMIT {count:UInt32}
"""
_LATEST_JOB = """
    SELECT jobId, userId, jobType, createdAt, resourcesUsed
    FROM orchestration.jobs
    WHERE createdAt >= now() - INTERVAL 2 DAY
    ORDER BY cityHash64(jobId, {salt:UInt32})
    LIMIT 1
"""
_LATEST_USES = """
    SELECT toString(eventId), modelId, userId, toString(feature), timestamp
    FROM modelUsage
    WHERE timestamp >= now() - INTERVAL 2 DAY
    ORDER BY cityHash64(eventId, {salt:UInt32})
    LIMIT {count:UInt32}
"""
_SOME_VERSION = """
    SELECT id, "modelId"
    FROM "ModelVersion"
    WHERE id >= (SELECT min(id) + floor(%s * (max(id) - min(id) + 1))::integer FROM "ModelVersion")
    ORDER BY id
    LIMIT %s
"""


@dataclass(frozen=True)
class Sources:
    """Where a change of the logs finds what it refers to."""

    connection: Connection
    clickhouse: ClickHouse
    rng: random.Random

    def versions(self, count: int = 1) -> list[tuple[int, int]]:
        """Ids and models of some neighbouring versions; fewer than `count` where there are not that many."""
        return [(row[0], row[1]) for row in rows(self.connection, _SOME_VERSION, self.rng.random() ** 2, count)]

    def moment(self) -> dt.datetime:
        """Mostly now, at times hours or days ago."""
        return dt.datetime.now(dt.UTC) - random_delay(self.rng)

    def user(self) -> int:
        """Often nobody."""
        return 0 if self.rng.random() < shape.ANONYMOUS else self.rng.randint(1, 40_000)


@dataclass(frozen=True)
class LogChange:
    """One kind of change of a log: makes rows to insert, none where there is nothing to refer to."""

    name: str
    weight: float
    log: str
    make: Callable[[Sources], Sequence[LogRow]]


def insert(stores: Stores, log: str, found: Iterable[LogRow]) -> None:
    """Insert rows of a log in one block."""
    lines = ("\t".join(map(_text, row)) + "\n" for row in found)
    stores.clickhouse.insert_tsv(log, _COLUMNS[log], ["".join(lines).encode()])


def _text(value: object) -> str:
    match value:
        case dt.datetime():
            precision = "milliseconds" if value.microsecond else "seconds"
            return _utc(value).replace(tzinfo=None).isoformat(sep=" ", timespec=precision)
        case list():
            return f"[{','.join(map(str, value))}]"
        case _:
            return str(value)


def _event(sources: Sources, kind: str, at: dt.datetime, version: int, model: int) -> LogRow:
    address = sources.rng.randrange(1 << 16)
    return kind, at.replace(microsecond=0), sources.user(), model, version, f"10.8.{address >> 8}.{address & 255}"


def _download(sources: Sources) -> Sequence[LogRow]:
    return [_event(sources, "Download", sources.moment(), *found) for found in sources.versions()]


def _downloads(sources: Sources) -> Sequence[LogRow]:
    return [
        _event(sources, "Download", sources.moment(), *found) for found in sources.versions(sources.rng.randint(2, 30))
    ]


def _download_late(sources: Sources) -> Sequence[LogRow]:
    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=sources.rng.uniform(1, 24 * 40))
    return [_event(sources, "Download", at, *found) for found in sources.versions()]


def _download_again(sources: Sources) -> Sequence[LogRow]:
    chosen = {"salt": sources.rng.getrandbits(32), "count": sources.rng.randint(1, 3)}
    return [(row[0], _utc(row[1]), *row[2:]) for row in sources.clickhouse.rows(_LATEST_EVENTS, chosen)]


def _download_too_early(sources: Sources) -> Sequence[LogRow]:
    found = rows(sources.connection, 'SELECT max(id), max("modelId") FROM "ModelVersion" HAVING count(*) > 0')
    return [
        _event(sources, "Download", sources.moment(), version + sources.rng.randint(1, 6), model)
        for version, model in found
    ]


def _other_event(sources: Sources) -> Sequence[LogRow]:
    return [
        _event(sources, sources.rng.choice(("Update", "Publish")), sources.moment(), *found)
        for found in sources.versions()
    ]


def _job(sources: Sources) -> Sequence[LogRow]:
    resources = _resources(sources)
    return [(_job_id(sources), sources.user(), "TextToImage", sources.moment(), resources)] if resources else []


def _job_twice_at_once(sources: Sources) -> Sequence[LogRow]:
    return [
        (job, user, kind, at - dt.timedelta(minutes=minutes), _resources(sources))
        for job, user, kind, at, _ in _job(sources)
        for minutes in (0, sources.rng.randint(-1, 2_000))
    ]


def _job_again(sources: Sources) -> Sequence[LogRow]:
    found = sources.clickhouse.rows(_LATEST_JOB, {"salt": sources.rng.getrandbits(32)})
    moved = dt.timedelta(hours=sources.rng.choice((0, 0, 1, -1, -30)))
    now = dt.datetime.now(dt.UTC)
    return [
        (job, user, kind, min(_utc(at) + moved, now), _resources(sources) + list(used[: sources.rng.randint(0, 2)]))
        for job, user, kind, at, used in found
    ]


def _uses(sources: Sources) -> Sequence[LogRow]:
    return [_use(sources, sources.moment()) for _ in range(sources.rng.randint(1, 6))]


def _use_late(sources: Sources) -> Sequence[LogRow]:
    return [_use(sources, dt.datetime.now(dt.UTC) - dt.timedelta(hours=sources.rng.uniform(1, 24 * 20)))]


def _use_again(sources: Sources) -> Sequence[LogRow]:
    chosen = {"salt": sources.rng.getrandbits(32), "count": sources.rng.randint(1, 3)}
    return [(*row[:4], _utc(row[4])) for row in sources.clickhouse.rows(_LATEST_USES, chosen)]


def _use(sources: Sources, at: dt.datetime) -> LogRow:
    rng = sources.rng
    (feature,) = rng.choices(shape.FEATURES.names, shape.FEATURES.weights)
    milliseconds = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return _uuid(rng), MODELS[int(len(MODELS) * rng.random() ** 3)].id, sources.user(), feature, milliseconds


def _resources(sources: Sources) -> list[int]:
    found = [version for version, _ in sources.versions(sources.rng.randint(1, 4))]
    return found + found[:1] if sources.rng.random() < 0.3 else found


def _job_id(sources: Sources) -> str:
    return _uuid(sources.rng)


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


LOG_CHANGES: Sequence[LogChange] = (
    LogChange("download", 20, EVENTS, _download),
    LogChange("downloads", 3, EVENTS, _downloads),
    LogChange("download_late", 3, EVENTS, _download_late),
    LogChange("download_delivered_again", 4, EVENTS, _download_again),
    LogChange("download_of_a_version_to_come", 1, EVENTS, _download_too_early),
    LogChange("other_event", 2, EVENTS, _other_event),
    LogChange("job", 10, JOBS, _job),
    LogChange("job_delivered_twice_at_once", 2, JOBS, _job_twice_at_once),
    LogChange("job_delivered_again", 3, JOBS, _job_again),
    LogChange("model_uses", 12, USAGE, _uses),
    LogChange("model_use_late", 1, USAGE, _use_late),
    LogChange("model_use_delivered_again", 2, USAGE, _use_again),
)

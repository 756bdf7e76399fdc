"""The model registry, its search and the recorder."""

from __future__ import annotations

import itertools
import random
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks import servers
from benchmarks.measure import Bound, Row, at_least, at_most
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.pipeline import schema
from metrics_assets.sample.shape import ADJECTIVES, NOUNS
from metrics_assets.serving.record import MODEL_USAGE, Recorder
from metrics_assets.serving.registry import ModelRegistry
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores

AREA = "model_registry"
_MODELS = 58
_ASKED_MODELS = 500  # one by one, before the clock starts
_MORE_MODELS = 5_000
_SEARCHED_MODELS = 50_000
_TRACE_CALLS = 100_000
_CHANGE_EVERY = 2_000
_CALLS_A_SECOND = 1_000
_MICROSECONDS = 1_000_000
_TERMS = ("velvet dream", "velvte dreem", "aurora", "a", "%", "number 4711", "portrait machine", "m-49999", "zzzz")


@dataclass(frozen=True)
class _Place:
    stores: Stores
    home: Path


def run(options: Options) -> list[Row]:
    """Everything on servers of its own, which are thrown away."""
    with _place() as place:
        rows = [
            *_registry(place, _MODELS, options),
            *_registry(place, round(_MORE_MODELS * (0.1 if options.quick else 1)), options),
            *_trace(place, options),
            *_search(place, round(_SEARCHED_MODELS * (0.1 if options.quick else 1)), options),
            *_recorder(place, options),
        ]
    for row in rows:
        say(f"{AREA}: {row.name}: {row.median:.4g} {row.unit}")
    return rows


@contextmanager
def _place() -> Iterator[_Place]:
    home = servers.root() / "model-registry"
    with servers.running(home) as endpoints:
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(endpoints.postgres_dsn, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        settings = Settings(
            home=home,
            postgres_dsn=f"{endpoints.postgres_dsn.rpartition('/')[0]}/{name}",
            clickhouse_url=endpoints.clickhouse_url,
            redis_url=endpoints.redis_url,
        )
        with open_stores(settings, run="bench") as stores:
            schema.apply(stores, with_application_tables=True)
            stores.clickhouse.command("TRUNCATE TABLE modelUsage")
            stores.redis.flushall()
            yield _Place(stores, home)
        with psycopg.connect(endpoints.postgres_dsn, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _fill(stores: Stores, count: int) -> None:
    """Exactly so many models."""
    rng = random.Random(count)
    with stores.postgres.connection() as connection, connection.transaction():
        connection.execute("DELETE FROM metrics.model_config")
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY metrics.model_config (id, name, provider, description, status) FROM STDIN") as copy,
        ):
            for number in range(count):
                name = f"{rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} {number}"
                told = (
                    f"{rng.choice(ADJECTIVES)} model for {rng.choice(NOUNS)} and {rng.choice(NOUNS)}, number {number}"
                )
                copy.write_row((f"m-{number}", name, rng.choice(("Aurora Labs", "Tern")), told.lower(), "active"))


def _registry(place: _Place, count: int, options: Options) -> list[Row]:
    _fill(place.stores, count)
    registry = ModelRegistry(place.stores)
    try:
        registry.all()
        keys = itertools.cycle([f"m-{number}" for number in range(min(count, _ASKED_MODELS))])
        one = _per_call(options.runs, 20_000, lambda: registry.get(next(keys)))
        everything = _per_call(options.runs, 20_000, registry.all)
    finally:
        registry.close()
    return [
        _row(f"get_model_config, cached, {count:,} models", one, at_most(_median(one), 20, "µs")),
        _row(f"get_all_models, cached, {count:,} models", everything, at_most(_median(everything), 100, "µs")),
    ]


def _trace(place: _Place, options: Options) -> list[Row]:
    """1,000 calls a second by a clock of their own, of Zipf popularity; one in a hundred asks for all."""
    shrunk = 10 if options.quick else 1
    count, calls = _MORE_MODELS // shrunk, _TRACE_CALLS // shrunk
    _fill(place.stores, count)
    rng = random.Random(options.seed)
    weights = list(itertools.accumulate(1 / rank for rank in range(1, count + 1)))
    asked = rng.choices(range(count), cum_weights=weights, k=calls)
    place.stores.redis.flushall()
    now = 0.0
    registry = ModelRegistry(place.stores, clock=lambda: now)
    try:
        for at, number in enumerate(asked, start=1):
            now = at / _CALLS_A_SECOND
            if at % _CHANGE_EVERY == 0:
                registry.update(f"m-{number}", description=f"changed at {at}")
            registry.all() if at % 100 == 0 else registry.get(f"m-{number}")
        rate = 100 * registry.stats().hit_rate
    finally:
        registry.close()
    name = f"hit rate of {calls:,} calls, {count:,} models"
    return [Row(AREA, name, (rate,), unit="%", bound=at_least(rate, 90, "%"))]


def _search(place: _Place, count: int, options: Options) -> list[Row]:
    _fill(place.stores, count)
    registry = ModelRegistry(place.stores)
    try:
        began = time.perf_counter()
        registry.search("warm up")
        built = time.perf_counter() - began
        slowest: list[float] = []
        cpu: list[float] = []
        for term in _TERMS:
            took = [_timed(lambda term=term: registry.search(term)) * 1_000 for _ in range(max(5, options.runs))]  # type: ignore[misc]
            slowest.append(_median(took))
            since = time.thread_time_ns()
            registry.search(term)
            cpu.append((time.thread_time_ns() - since) / 1_000_000)
    finally:
        registry.close()
    worst = max(slowest)
    return [
        Row(AREA, f"index of {count:,} models built", (built,)),
        Row(
            AREA,
            f"search among {count:,} models, the slowest of {len(_TERMS)} terms",
            tuple(slowest),
            unit="ms",
            bound=at_most(worst, 10, "ms"),
            note="a sample is one term's median",
        ),
        Row(AREA, "the same, CPU time of the slowest", (max(cpu),), unit="ms", note="what others do does not count"),
    ]


def _recorder(place: _Place, options: Options) -> list[Row]:
    """Through to ClickHouse: the clock stops when everything is delivered."""
    count = 100_000 if options.quick else 1_000_000
    events = [(f"m-{number % 58}", number, "chat") for number in range(count)]
    many: list[float] = []
    cpu: list[float] = []
    for _ in range(options.runs):
        with _open_recorder(place) as recorder:
            began, cpu_began = time.perf_counter(), time.process_time()
            recorder.record_many(MODEL_USAGE, events, timeout_seconds=120)
            recorder.flush(delivered=True, timeout_seconds=120)
            many.append(count / (time.perf_counter() - began))
            cpu.append((time.process_time() - cpu_began) / count * _MICROSECONDS)
            assert recorder.stats().flushed == count
    seconds = 1.0 if options.quick else 5.0
    single = [_paced(place, seconds) for _ in range(options.runs)]
    return [
        _row(f"record_many of {count:,} events, delivered", many, at_least(_median(many), 200_000, "events/s")),
        Row(AREA, "the same, CPU time of the process for one event", tuple(cpu), unit="µs"),
        _row("record, at 50,000 a second, CPU time of the caller's thread", single, at_most(_median(single), 5, "µs")),
    ]


def _paced(place: _Place, seconds: float) -> float:
    """Microseconds of CPU of the calling thread for one `record`, of 50,000 a second in bursts of 500."""
    burst, event, spent, calls = 500, ("m-1", 7, "chat"), 0, 0
    with _open_recorder(place) as recorder:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            since = time.thread_time_ns()
            for _ in range(burst):
                recorder.record(MODEL_USAGE, event)
            spent += time.thread_time_ns() - since
            calls += burst
            threading.Event().wait(max(0.0, began + calls / 50_000 - time.perf_counter()))
        recorder.flush(delivered=True, timeout_seconds=60)
    return spent / calls / 1_000


@contextmanager
def _open_recorder(place: _Place) -> Iterator[Recorder]:
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(place.stores.clickhouse.url, Path(folder))
        try:
            yield recorder
        finally:
            recorder.close()


def _per_call(runs: int, calls: int, act: Callable[[], object]) -> list[float]:
    """Microseconds of one call, once for each run."""

    def once() -> None:
        for _ in range(calls):
            act()

    once()
    return [_timed(once) / calls * _MICROSECONDS for _ in range(runs)]


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _row(name: str, samples: list[float], bound: Bound) -> Row:
    return Row(AREA, name, tuple(samples), unit=bound.unit, bound=bound)

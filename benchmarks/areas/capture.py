"""Target 9: what capture costs the application's own writes; docs/capture.md has all the statements."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping

import psycopg

from benchmarks import capture_cost, servers
from benchmarks.capture_cost import BULK_ROWS, Databases
from benchmarks.measure import Row, at_least, at_most, verified
from benchmarks.options import Options
from benchmarks.progress import say
from metrics_assets.stores.postgres import Connection

AREA = "capture"
_ROWS = 200_000
_SINGLES, _QUICK_SINGLES = 300, 40
_WRITERS = 4
_SECONDS, _QUICK_SECONDS = 2.0, 0.5
_HOT = (1,) * _WRITERS
_APART = tuple(range(1, _WRITERS + 1))
_VARIANTS = ("none", "capture")
# writes a second of every run, by variant and models
_Rates = Mapping[tuple[str, tuple[int, ...]], list[float]]


def run(options: Options) -> list[Row]:
    """Databases with and without capture take every statement in turn; then writers at once, of one model and of four.

    Nothing is counted here, so in place of `verify`: every row that the writers wrote is in the outbox, once.
    """
    singles = _QUICK_SINGLES if options.quick else _SINGLES
    reviews = round(_ROWS * min(1.0, 10 * options.scale))
    with (
        servers.running(servers.root() / "capture", need=frozenset({"postgres"})) as endpoints,
        capture_cost.scratch_databases(reviews, endpoints.postgres_dsn, _VARIANTS) as databases,
    ):
        samples = capture_cost.measure(databases, options.runs, singles, durable_only=True)
        rates, missed = _writers(databases, options)
    rows = [_statement(name, figures) for name, figures in samples.items() if "another column" not in name]
    return verified([*rows, *_together(rates)], missed)


def _statement(name: str, figures: Mapping[str, list[float]]) -> Row:
    without, captured = (statistics.median(figures[variant]) for variant in _VARIANTS)
    bulk = name in capture_cost.BULK_STATEMENTS
    if bulk:
        unit, changed, bound = "ms", BULK_ROWS, at_most((captured - without) * 1000 / BULK_ROWS, 6, "µs a row")
    else:
        unit, changed, bound = "µs", 1, at_most(captured / without, 1.2)
    note = f"without: {without:,.0f} {unit}" + ("" if bulk else ", commits wait for the disk")
    return Row(
        AREA,
        f"{name}, with capture",
        tuple(figures["capture"]),
        unit,
        rows_in=changed,
        rows_out=changed,
        target=9,
        bound=bound,
        note=note,
    )


def _together(rates: _Rates) -> list[Row]:
    """Whether capture makes writers of one model wait for each other."""
    medians = {which: statistics.median(found) for which, found in rates.items()}
    rows = [
        Row(
            AREA,
            f"{_WRITERS} writers at once, {'one hot model' if models is _HOT else 'a model each'}, "
            f"{'with' if variant == 'capture' else 'without'} capture",
            tuple(found),
            "writes/s",
        )
        for (variant, models), found in rates.items()
    ]
    hot, apart = medians["capture", _HOT], medians["capture", _APART]
    for name, against in (("a model each", apart), ("one hot model without capture", medians["none", _HOT])):
        rows.append(
            Row(
                AREA,
                f"{_WRITERS} writers of one hot model with capture, against {name}",
                tuple(rates["capture", _HOT]),
                "writes/s",
                target=9,
                bound=at_least(hot / against, 0.8),
            )
        )
    say(f"{AREA}: {hot:,.0f} writes a second of one model, {apart:,.0f} of {_WRITERS}")
    return rows


def _writers(databases: Databases, options: Options) -> tuple[_Rates, int]:
    """Writes a second of each case, and how many rows the outbox lacks or has too many."""
    rates: dict[tuple[str, tuple[int, ...]], list[float]] = {
        (variant, models): [] for models in (_HOT, _APART) for variant in _VARIANTS
    }
    seconds = _QUICK_SECONDS if options.quick else _SECONDS
    databases["capture"].execute("TRUNCATE metrics.outbox")
    first, captured = 100_000_000, 0
    for _ in range(options.runs):
        for (variant, models), kept in rates.items():
            written = _write_together(databases[variant], models, seconds, first)
            kept.append(sum(written) / seconds)
            first += max(written) * _WRITERS
            captured += sum(written) if variant == "capture" else 0
    found = databases["capture"].execute("SELECT count(*) FROM metrics.outbox").fetchone()
    assert found is not None
    return rates, abs(int(found[0]) - captured)


def _write_together(database: Connection, models: tuple[int, ...], seconds: float, first: int) -> list[int]:
    """Rows that each of several sessions inserts, one a commit, into its model of `models`."""
    written = [0] * len(models)
    info = database.info
    all_there = threading.Barrier(len(models))

    def write(writer: int) -> None:
        with psycopg.connect(info.dsn, password=info.password, autocommit=True) as session:
            all_there.wait()
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                number = first + written[writer] * len(models) + writer
                session.execute(
                    'INSERT INTO "ResourceReview" (id, "modelId", "modelVersionId", "userId") VALUES (%s, %s, %s, %s)',
                    (number, models[writer], models[writer], number),
                )
                written[writer] += 1

    threads = [threading.Thread(target=write, args=(writer,), daemon=True) for writer in range(len(models))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return written

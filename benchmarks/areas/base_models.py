"""Targets 1 and 3: the base models tick against the batch algorithms that it replaces, on the same change."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Sequence
from contextlib import closing

from benchmarks.change import Writer
from benchmarks.data import Dataset, dataset, differences
from benchmarks.measure import Row, Samples, at_least, at_most, repeat, verified
from benchmarks.options import Options
from benchmarks.progress import say
from benchmarks.reference import FIRST, SECOND, Reference
from benchmarks.ticks import timed_tick
from metrics_assets.pipeline import tick

AREA = "base models"
_FORGET = "SELECT pg_stat_statements_reset()"
# what the sessions of one side executed; the other side's statements are not there, because it is reset between
_WORK = """
SELECT coalesce(sum(total_exec_time), 0)::float / 1000, coalesce(sum(shared_blks_hit + shared_blks_read), 0)::bigint
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND toplevel"""


def run(options: Options) -> list[Row]:
    """Ours, both batch forms and the materialized view take turns after every change."""
    ours, told, written, second, first, refresh = (Samples() for _ in range(6))
    our_work: list[float] = []
    their_work: list[float] = []
    our_blocks: list[float] = []
    their_blocks: list[float] = []
    with dataset(options.seed, options.volume) as data, closing(Reference(data.stores)) as reference:
        writer = Writer(data, options.change)
        tick.tick(data.stores, data.settings)

        def once(number: int) -> None:
            since = dt.datetime.now(dt.UTC).replace(tzinfo=None)
            changed = writer.write()
            keep = number >= 0
            took, whole, sets, theirs, one, view = (
                (ours, told, written, second, first, refresh) if keep else (Samples() for _ in range(6))
            )
            _statistics(data, _FORGET)
            timed_tick(data, ["base_model_metrics"], changed.rows, took, whole, sets)
            work = _statistics(data, _WORK)
            # the batch algorithms find what moved by the version metrics, which another set writes
            tick.refresh(data.stores, data.settings, "model_metrics")
            _statistics(data, _FORGET)
            with theirs.timed():
                counted = reference.recount(SECOND, since)
            theirs.count(counted.models, counted.records)
            their = _statistics(data, _WORK)
            with one.timed():
                counted = reference.recount(FIRST, since)
            one.count(counted.models, counted.records)
            with view.timed():
                rows = reference.refresh()
            view.count(0, rows)
            if keep:
                our_work.append(work[0])
                our_blocks.append(work[1])
                their_work.append(their[0])
                their_blocks.append(their[1])
            say(f"{AREA} {number + 1} of {options.runs}: {took.seconds[-1]:.2f} s against {theirs.seconds[-1]:.2f} s")

        repeat(options.runs, once)
        tick.tick(data.stores, data.settings)
        wrong = differences(data, options.verify)
    rows = [
        ours.row(AREA, "base models tick, from captured change to committed rows"),
        written.row(
            AREA,
            "… of it: both sets write their rows",
            note="what the reference is timed for: reviews of versions and downloads were counted for it before. "
            f"× {second.median / written.median:.1f} against the second form",
        ),
        told.row(AREA, "the same until ClickHouse and Redis have it"),
        second.row(AREA, SECOND.name, target=1, bound=at_least(second.median / ours.median, 20)),
        first.row(AREA, FIRST.name, target=1, bound=at_least(first.median / ours.median, 30)),
        refresh.row(
            AREA, "REFRESH MATERIALIZED VIEW CONCURRENTLY", target=1, bound=at_least(refresh.median / ours.median, 30)
        ),
        _work_row("Postgres's time in the tick", our_work, their_work, "s"),
        _work_row("shared blocks in the tick", our_blocks, their_blocks, "blocks"),
    ]
    return verified(rows, wrong)


def _work_row(name: str, ours: Sequence[float], theirs: Sequence[float], unit: str) -> Row:
    against = statistics.median(theirs)
    return Row(
        AREA,
        name,
        tuple(ours),
        unit,
        target=3,
        bound=at_most(statistics.median(ours) / against, 0.05),
        note=f"second form: {against:,.3g} {unit}" if against < 1000 else f"second form: {against:,.0f} {unit}",
    )


def _statistics(data: Dataset, statement: str) -> tuple[float, ...]:
    with data.stores.postgres.connection() as connection:
        row = connection.execute(statement.encode()).fetchone()
    return tuple(row or ())

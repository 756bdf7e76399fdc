"""Live traffic: random changes of every kind, at a chosen rate, as an application with many users makes them.

Not here: what a change does (changes, log_changes).
"""

from __future__ import annotations

import itertools
import logging
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import psycopg

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.sample import application
from metrics_assets.sample.changes import TableChange, table_changes
from metrics_assets.sample.log_changes import LOG_CHANGES, LogChange, LogRow, Sources, insert
from metrics_assets.sample.progress import Progress, silent
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, is_transient

_FLUSH_SECONDS = 1.0  # an application collects log rows too: a block for each would be a part for each
_HELD_SHARE = 0.01  # of changes of tables: their transaction stays open for a second
_ROLLED_BACK_SHARE = 0.03
_HELD_SECONDS = 1.0
_HELD_AT_ONCE = 2
_TRIES = 200
_AWAY_SECONDS = 2.0
_LOG = logging.getLogger("metrics_assets.sample")

Change = TableChange | LogChange


@dataclass(frozen=True)
class TrafficReport:
    """What traffic did. Changes that found nothing to do are not counted."""

    rows: Mapping[str, int]  # touched, by kind of change, committed ones only
    changes: int
    rolled_back: int  # changes whose transaction was given up on purpose
    conflicts: int  # changes that the database refused: deadlock, or a key that another writer had taken
    seconds: float


class _Stopped(threading.Event):
    """Set by the first SIGINT or SIGTERM; the second one ends the program wherever it is."""

    def on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        if self.is_set():
            raise KeyboardInterrupt
        self.set()


def all_changes() -> Sequence[Change]:
    """Every kind of change, of tables and of logs."""
    return (*table_changes(), *LOG_CHANGES)


def apply_random_change(stores: Stores, rng: random.Random, *, kinds: Collection[str] | None = None) -> str:
    """Make exactly one change, of a kind that finds something to do; also on a database that is almost empty.

    Quick: few statements, committed when this returns.

    Args:
        kinds: names of kinds to choose among; all when None.

    Returns:
        The kind and the rows that it touched, for a log of what happened.

    Raises:
        ConfigurationError: no kind of that name, or none of them has found anything to do.
    """
    known = {change.name: change for change in all_changes()}
    unknown = set(kinds or ()) - known.keys()
    if unknown:
        raise ConfigurationError(f"There is no change called {', '.join(sorted(unknown))}: use {', '.join(known)}.")
    chosen = [change for change in known.values() if kinds is None or change.name in kinds]
    with stores.postgres.connection() as connection:
        for change in itertools.islice(_draw(rng, chosen), _TRIES):
            try:
                touched = _apply_now(stores, connection, change, rng)
            except psycopg.Error as error:
                if not _is_conflict(error):
                    raise
                continue
            if touched:
                return f"{change.name}: {touched} rows"
    raise ConfigurationError(
        f"None of {', '.join(change.name for change in chosen)} found anything to do in {_TRIES} tries: "
        "they need rows to work on. Load some with `metrics-assets sample load`."
    )


def run_traffic(
    stores: Stores,
    *,
    rate: float,
    seconds: float | None = None,
    seed: int,
    progress: Progress = silent,
    say: Callable[[str], None] = _LOG.warning,
) -> TrafficReport:
    """Change rows at a rate until the time is up, or until SIGINT or SIGTERM, then finish cleanly.

    Single-row and multi-row statements; a few transactions stay open for a second, a few are rolled back. While a
    store is away it waits, and goes on when the store is back.

    Args:
        rate: rows a second, of tables and logs together.
        seconds: how long; without end when None.
        progress: told the rows that were changed, of as many as there will be.
        say: told when it begins to wait for a store, and when it goes on.

    Raises:
        ConfigurationError: the rate cannot be used, or the application's tables or logs are not there.
        StoreUnreachable: a store is away when it begins or when it ends.
    """
    if rate <= 0:
        raise ConfigurationError(f"The rate {rate} cannot be kept: use more than 0 changes a second.")
    with stores.postgres.connection() as connection:
        application.require_tables(connection)
    application.require_logs(stores.clickhouse)
    with _stop_on_signal() as stopped, _Traffic(stores, random.Random(seed)) as traffic:
        began = time.monotonic()
        waited = 0.0
        while not stopped.is_set() and (seconds is None or time.monotonic() - began < seconds):
            elapsed = time.monotonic() - began - waited
            try:
                traffic.flush_if_due()
                if traffic.rows_touched >= rate * elapsed:
                    stopped.wait(min(0.05, 1 / rate))
                    continue
                traffic.step()
            except (StoreUnreachable, psycopg.OperationalError) as error:
                say(f"{' '.join(str(error).split())} Traffic waits until it can go on.")
                away_at = time.monotonic()
                while not stopped.wait(_AWAY_SECONDS) and (seconds is None or time.monotonic() - began < seconds):
                    if traffic.can_go_on():
                        say("Traffic goes on.")
                        break
                # what was not changed meanwhile is not made up for
                waited += time.monotonic() - away_at
                continue
            progress("changed rows", traffic.rows_touched, round(rate * (seconds or elapsed)))
    return traffic.report(time.monotonic() - began)


class _Traffic:
    """The state of a run: log rows that wait to be inserted, transactions that are held open, counts."""

    def __init__(self, stores: Stores, rng: random.Random) -> None:
        self._stores = stores
        self._rng = rng
        self._drawn = _draw(rng, all_changes())
        self._waiting: dict[str, list[LogRow]] = defaultdict(list)
        self._flushed = time.monotonic()
        self._holders = ThreadPoolExecutor(_HELD_AT_ONCE, thread_name_prefix="held-transaction")
        self._held: list[Future[tuple[str, int]]] = []
        self._rows: Counter[str] = Counter()
        self._changes = self._rolled_back = self._conflicts = 0

    @property
    def rows_touched(self) -> int:
        return self._rows.total()

    def __enter__(self) -> _Traffic:
        return self

    def __exit__(self, *_: object) -> None:
        self._holders.shutdown(wait=True)
        self._collect_held()
        self._flush()

    def step(self) -> None:
        """Try one change."""
        change = next(self._drawn)
        self._collect_held()
        try:
            if isinstance(change, LogChange):
                self._log(change)
            elif self._rng.random() < _HELD_SHARE and len(self._held) < _HELD_AT_ONCE:
                seed = self._rng.getrandbits(32)
                self._held.append(self._holders.submit(_hold_open, self._stores, change, random.Random(seed)))
            elif self._rng.random() < _ROLLED_BACK_SHARE:
                self._roll_back(change)
            else:
                with self._stores.postgres.connection() as connection:
                    self._count(change.name, change.apply(connection, self._rng))
        except psycopg.Error as error:
            self._tolerate(error)

    def flush_if_due(self) -> None:
        """Insert the waiting log rows when the last time was a second ago."""
        if time.monotonic() - self._flushed >= _FLUSH_SECONDS:
            self._flush()

    def can_go_on(self) -> bool:
        """Whether both stores answer; the log rows that waited are in the logs then."""
        try:
            self._flush()
            self._stores.clickhouse.scalar("SELECT 1")
            with self._stores.postgres.connection() as connection:
                connection.execute("SELECT 1")
        except (StoreUnreachable, psycopg.OperationalError):
            return False
        return True

    def report(self, seconds: float) -> TrafficReport:
        return TrafficReport(
            rows=dict(self._rows.most_common()),
            changes=self._changes,
            rolled_back=self._rolled_back,
            conflicts=self._conflicts,
            seconds=seconds,
        )

    def _log(self, change: LogChange) -> None:
        with self._stores.postgres.connection() as connection:
            made = change.make(Sources(connection, self._stores.clickhouse, self._rng))
        self._waiting[change.log].extend(made)
        self._count(change.name, len(made))

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        for log in [log for log, waiting in self._waiting.items() if waiting]:
            insert(self._stores, log, self._waiting[log])
            del self._waiting[log]

    def _roll_back(self, change: TableChange) -> None:
        with self._stores.postgres.connection() as connection, connection.transaction(force_rollback=True):
            if change.apply(connection, self._rng):
                self._rolled_back += 1

    def _count(self, name: str, touched: int) -> None:
        if touched:
            self._rows[name] += touched
            self._changes += 1

    def _collect_held(self) -> None:
        for finished in [held for held in self._held if held.done()]:
            self._held.remove(finished)
            try:
                self._count(*finished.result())
            except psycopg.Error as error:
                self._tolerate(error)

    def _tolerate(self, error: psycopg.Error) -> None:
        if not _is_conflict(error):
            raise error
        self._conflicts += 1


def _hold_open(stores: Stores, change: TableChange, rng: random.Random) -> tuple[str, int]:
    """Make a change in a transaction that commits, or not, only after a while."""
    keep = rng.random() < 0.7
    with (
        stores.postgres.connection() as connection,
        connection.transaction(force_rollback=not keep),
    ):
        touched = change.apply(connection, rng)
        time.sleep(_HELD_SECONDS)
    return change.name, touched if keep else 0


def _apply_now(stores: Stores, connection: Connection, change: Change, rng: random.Random) -> int:
    if isinstance(change, TableChange):
        return change.apply(connection, rng)
    made = change.make(Sources(connection, stores.clickhouse, rng))
    if made:
        insert(stores, change.log, made)
    return len(made)


def _draw(rng: random.Random, changes: Sequence[Change]) -> Iterator[Change]:
    weights = list(itertools.accumulate(change.weight for change in changes))
    while True:
        yield rng.choices(changes, cum_weights=weights)[0]


def _is_conflict(error: psycopg.Error) -> bool:
    """Whether another writer was quicker: the application would try again, or tell its user."""
    lost_connection = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    return isinstance(error, psycopg.errors.UniqueViolation) or (is_transient(error) and not lost_connection)


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; the handlers before it come back. Not outside the main thread."""
    stopped = _Stopped()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {number: signal.signal(number, stopped.on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

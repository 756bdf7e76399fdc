"""A handful of rows, three writers that commit out of order, and steps of a tick in between in any order and size.

Every number is counted by hand as well as by `verify`. A failing seed is a parameter of the test: it repeats by itself.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib import resources

import psycopg
import pytest
from psycopg.errors import CardinalityViolation, LockNotAvailable, UniqueViolation

from metrics_assets.catalog import SETS
from metrics_assets.pipeline import refresh as refresh_module
from metrics_assets.pipeline.drain import drain_chunk
from metrics_assets.pipeline.forward import forward
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.pipeline.tick import refresh, roll_up, tick
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, sqlfile
from metrics_assets_tests.pipeline.application import TODAY, download, empty, job, tick_exact
from metrics_assets_tests.pipeline.hand_count import tick_exact_by_hand

_CHANGES = sqlfile.statements(resources.files(__package__).joinpath("nasty_changes.sql").read_text(encoding="utf-8"))
_TIMES = (
    "NULL",
    "localtimestamp - interval '1 hour'",
    "localtimestamp - interval '3 days'",
    "timestamp '1965-03-01'",
    "date_trunc('day', localtimestamp)",
    "date_trunc('day', localtimestamp) - interval '1 ms'",
    "localtimestamp + interval '20 hours'",
    "localtimestamp + interval '3 days'",
)
_REWRITES = (
    "ALTER TABLE orchestration.jobs DELETE WHERE jobId = 'j{id}' SETTINGS mutations_sync = 2",
    "ALTER TABLE orchestration.jobs UPDATE resourcesUsed = [{other}] WHERE jobId = 'j{id}'",
    "DELETE FROM modelVersionEvents WHERE modelVersionId = {id}",
    "OPTIMIZE TABLE orchestration.jobs FINAL",
    "OPTIMIZE TABLE modelVersionEvents FINAL",
)
_ASSETS = ("entity_metric_events", "entity_metric_daily", *(metric_set.name for metric_set in SETS))


class _Life:
    """One application's life, drawn from a seed."""

    def __init__(self, stores: Stores, settings: Settings, writers: list[psycopg.Connection], seed: int) -> None:
        self.stores, self.settings, self.writers = stores, settings, writers
        self.rng = random.Random(seed)
        self._steps: list[tuple[Callable[[], None], int]] = [
            (self.write, 80),
            (self.end_a_transaction, 6),
            (self.log, 4),
            (self.drain_a_little, 3),
            (self.do_a_part_of_a_tick, 3),
            (self.rebuild_some_days, 1),
            (self.tick, 2),
        ]

    def step(self) -> None:
        """Whatever comes next."""
        steps, weights = zip(*self._steps, strict=True)
        self.rng.choices(steps, weights)[0]()

    def write(self) -> None:
        """A statement in one of the open transactions, or in one of its own; at times a savepoint takes it back."""
        writer = self.rng.choice(self.writers)
        statement = self._filled(self.rng.choice(_CHANGES))
        if not writer.autocommit:
            writer.execute("SELECT 1")  # begins its transaction; the block below would commit one of its own
        # a writer that would wait for another one, or break a constraint, gives its statement up
        with (
            suppress(LockNotAvailable, UniqueViolation, CardinalityViolation),
            writer.transaction(force_rollback=self.rng.random() < 0.15),
        ):
            writer.execute(statement.encode())

    def end_a_transaction(self) -> None:
        """A writer commits, or gives everything up."""
        writer = self.rng.choice(self.writers[1:])
        writer.commit() if self.rng.random() < 0.85 else writer.rollback()

    def log(self) -> None:
        """Something arrives in a log, again or anew, or somebody rewrites it."""
        at = self.rng.choice(["now()", "toStartOfDay(now())", f"now() - toIntervalDay({self.rng.randint(1, 60)})"])
        match self.rng.randint(0, 4):
            case 0 | 1:
                version, user = self.rng.choice([-1, 0, 1, 2, 3, 77]), self.rng.randint(-1, 2)
                download(self.stores, version=version, at=at, user=user, ip="1")
            case 2 | 3:
                used = [self.rng.choice([-1, 0, 1, 2, 3, 4]) for _ in range(self.rng.randint(1, 3))]
                name, user = f"j{self.rng.randint(1, 5)}", self.rng.randint(1, 3)
                job(self.stores, name, at=at, versions=str(used), user=user)
            case _:
                self.stores.clickhouse.command(self._filled(self.rng.choice(_REWRITES)))

    def drain_a_little(self) -> None:
        """One chunk of a row or three: the rest stays in the outbox."""
        with self.stores.postgres.connection() as connection:
            drain_chunk(connection, chunk_rows=self.rng.randint(1, 3))

    def do_a_part_of_a_tick(self) -> None:
        """A set alone, the logs alone, or what is sealed alone."""
        match self.rng.randint(0, 2):
            case 0:
                refresh(self.stores, self._small(), self.rng.choice(SETS).name)
            case 1:
                roll_up(self.stores, self._small())
            case _:
                with self.stores.postgres.connection() as connection:
                    forward(self.stores, connection)

    def rebuild_some_days(self) -> None:
        """A rebuild beside whatever is open or waits."""
        last = TODAY - dt.timedelta(days=self.rng.randint(0, 4))
        first = last - dt.timedelta(days=self.rng.randint(0, 2))
        rebuild(self.stores, self._small(), self.rng.choice(_ASSETS), first, last)

    def tick(self) -> None:
        """A tick of all sets, or of one with what it reads."""
        if self.rng.random() < 0.5:
            tick(self.stores, self._small(), [self.rng.choice(SETS).name])
        else:
            tick_exact(self.stores, self._small())

    def end(self) -> None:
        """Everybody commits, and the next tick is exact."""
        for writer in self.writers[1:]:
            writer.commit()
        tick_exact_by_hand(self.stores, self._small())

    def _small(self) -> Settings:
        sizes = {"drain_chunk_rows": self.rng.choice([1, 2, 3, 1000]), "set_chunk_keys": self.rng.choice([1, 2, 1000])}
        return self.settings.model_copy(update=sizes)

    def _filled(self, statement: str) -> str:
        return statement.format(
            id=self.rng.randint(1, 5),
            other=self.rng.randint(0, 5),
            row=self.rng.randint(1, 12),
            user=self.rng.randint(-1, 3),
            truth=self.rng.choice(["true", "false"]),
            at=self.rng.choice(_TIMES),
            base=self.rng.choice(["'A'", "'B'", "''", "'Ünï😀'"]),
            status=self.rng.choice(["'Published'", "'Published'", "'Draft'", "'Unpublished'"]),
        )


def _live(stores: Stores, settings: Settings, seed: int) -> None:
    """Some dozens of steps and a tick."""
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                psycopg.connect(settings.postgres_dsn or "", autocommit=alone, options="-c lock_timeout=50ms")
            )
            for alone in (True, False, False, False)
        ]
        life = _Life(stores, settings, writers, seed)
        for _ in range(life.rng.randint(20, 90)):
            life.step()
        life.end()


@pytest.mark.usefixtures("sessions")
def test_a_nasty_life_of_a_few_rows_stays_exact(stores: Stores, settings: Settings) -> None:
    _live(stores, settings, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_nasty_lives_stay_exact(stores: Stores, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(2, 62):
        if seed == 32:  # from here on, the outputs are written in two sessions
            monkeypatch.setattr(refresh_module, "_MANY_KEYS", 1)
        empty(stores)
        print("seed", seed)
        _live(stores, settings, seed)

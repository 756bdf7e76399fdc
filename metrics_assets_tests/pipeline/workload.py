"""A state machine of everything that can happen to the application and to us, in any order.

After each tick nothing differs from a recount. Examples share one database, emptied between them.
"""

from __future__ import annotations

import datetime as dt
import random

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline.control import recompute
from metrics_assets.pipeline.drain import drain_chunk
from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.sample.changes import table_changes
from metrics_assets.sample.traffic import all_changes, apply_random_change
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection
from metrics_assets_tests.pipeline.application import TODAY, empty, fill, in_transaction, one, review, tick_exact, write

_ASSETS = (
    "entity_metric_events",
    "entity_metric_daily",
    "model_metrics",
    "model_collection_metrics",
    "review_stats",
    "base_model_metrics",
)
_KINDS = sorted(change.name for change in all_changes())
_TABLE_CHANGES = {change.name: change for change in table_changes()}
_TABLES = ("ResourceReview", "Comment", "BuzzTip", "CollectionItem", "Image", "Post", "ModelVersion", "Model")
SEEDS = st.integers(0, 2**32 - 1)


class Workload(RuleBasedStateMachine):
    """Random changes, ticks and rebuilds; `stores` and `settings` are set by the test that runs it."""

    stores: Stores
    settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self.next_id = 100_000

    @initialize(full=st.booleans())
    def begin(self, full: bool) -> None:
        """An application without rows, or a small one that was ticked."""
        empty(self.stores)
        if full:
            fill(self.stores)
            tick_exact(self.stores, self.settings)

    @rule(kinds=st.lists(st.sampled_from(_KINDS), min_size=1, max_size=8), seed=SEEDS)
    def change(self, kinds: list[str], seed: int) -> None:
        """Changes of these kinds; a kind that finds nothing to work on is passed over."""
        rng = random.Random(seed)
        for kind in kinds:
            try:
                apply_random_change(self.stores, rng, kinds=[kind])
            except ConfigurationError:
                continue

    @rule(seed=SEEDS, count=st.integers(1, 40))
    def change_much(self, seed: int, count: int) -> None:
        """Changes as an application's users make them, kinds by their weight."""
        rng = random.Random(seed)
        for _ in range(count):
            apply_random_change(self.stores, rng)

    @rule(
        kinds=st.lists(st.sampled_from(sorted(_TABLE_CHANGES)), min_size=1, max_size=6), seed=SEEDS, keep=st.booleans()
    )
    def change_together(self, kinds: list[str], seed: int, keep: bool) -> None:
        """Several changes in one transaction, which is kept or rolled back."""
        rng = random.Random(seed)

        def work(connection: Connection) -> None:
            for kind in kinds:
                _TABLE_CHANGES[kind].apply(connection, rng)

        in_transaction(self.stores, work, keep=keep)

    @rule(days=st.integers(2, 5), user=st.integers(1, 8))
    def write_ahead_of_time(self, days: int, user: int) -> None:
        """A review whose date lies days ahead; at times its user has another one of the same model."""
        # changes number their reviews on from the last one, so that the next number may be taken
        self.next_id = one(
            self.stores,
            f"SELECT min(n) FROM generate_series({self.next_id + 1}, {self.next_id + 10_000}) n"
            ' WHERE n NOT IN (SELECT id FROM "ResourceReview")',
        )
        ahead = f"localtimestamp + interval '{days} days'"
        write(self.stores, review(self.next_id, version=self.next_id, user=user, at=ahead))

    @rule()
    def days_go_by(self) -> None:
        """What was ahead of its time is due, and has a date that counts."""
        write(
            self.stores,
            'UPDATE "ResourceReview" SET "createdAt" = localtimestamp '
            "WHERE id IN (SELECT source_key::int FROM metrics.rejected WHERE source = 'ResourceReview')",
        )

    @rule(table=st.sampled_from(_TABLES), one_in=st.integers(0, 5))
    @precondition(lambda self: self.next_id > 100_000)
    def truncate(self, table: str, one_in: int) -> None:
        """A table is emptied, rarely."""
        if one_in == 0:
            write(self.stores, f'TRUNCATE "{table}"')

    @rule(user=st.integers(0, 8), excluded=st.booleans())
    def exclude_user(self, user: int, excluded: bool) -> None:
        """Somebody counts nowhere from now on, or everywhere again."""
        if excluded:
            write(self.stores, f"INSERT INTO metrics.excluded_user (user_id) VALUES ({user}) ON CONFLICT DO NOTHING")
        else:
            write(self.stores, f"DELETE FROM metrics.excluded_user WHERE user_id = {user}")

    @rule(entity=st.sampled_from(["Model", "ModelVersion"]), number=st.integers(1, 30), excluded=st.booleans())
    def exclude_resource(self, entity: str, number: int, excluded: bool) -> None:
        """A model or version counts nowhere from now on, or everywhere again."""
        if excluded:
            values = f"VALUES ('{entity}', {number}) ON CONFLICT DO NOTHING"
            write(self.stores, f"INSERT INTO metrics.excluded_resource (entity_type, entity_id) {values}")
        else:
            write(self.stores, f"DELETE FROM metrics.excluded_resource WHERE entity_id = {number}")

    @rule(log=st.sampled_from(["modelVersionEvents", "orchestration.jobs"]))
    def merge_a_log(self, log: str) -> None:
        """ClickHouse merges the parts of a log."""
        self.stores.clickhouse.command(f"OPTIMIZE TABLE {log} FINAL")

    @rule(rows=st.sampled_from([1, 3, 1000]))
    def drain_only(self, rows: int) -> None:
        """A tick that dies after its first chunk."""
        with self.stores.postgres.connection() as connection:
            drain_chunk(connection, chunk_rows=rows)

    @rule(asset=st.sampled_from(_ASSETS), back=st.integers(0, 40), length=st.sampled_from([0, 1, 7, 1000]))
    def rebuild_days(self, asset: str, back: int, length: int) -> None:
        """Days of an asset are rebuilt, the first and the open one at times."""
        last = TODAY - dt.timedelta(days=back)
        first = max(last - dt.timedelta(days=length), self.settings.start_date)
        rebuild(self.stores, self.settings, asset, first, last)

    @rule(entity=st.sampled_from(["Model", "ModelVersion"]), ids=st.lists(st.integers(1, 30), min_size=1, max_size=5))
    def recompute_some(self, entity: str, ids: list[int]) -> None:
        """An operator has single entities counted anew."""
        recompute(self.stores, self.settings, entity, ids)

    @rule(rows=st.sampled_from([3, 200_000]), keys=st.sampled_from([2, 200_000]))
    def tick(self, rows: int, keys: int) -> None:
        """A tick, after which nothing differs."""
        tick_exact(self.stores, self.settings.model_copy(update={"drain_chunk_rows": rows, "set_chunk_keys": keys}))

    def teardown(self) -> None:
        """However it ends, the last tick is exact."""
        if hasattr(self, "stores"):
            tick_exact(self.stores, self.settings)

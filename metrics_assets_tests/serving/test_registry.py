"""The registry: what is written is read, by everyone, at once, and what was stays known."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal

import psycopg
import pytest

from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline import schema
from metrics_assets.serving.registry import (
    ModelConfig,
    ModelDeprecated,
    ModelExists,
    ModelRegistry,
    UnknownModel,
    UnreadableModel,
)
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import rows, scalar
from metrics_assets_tests.serving.conftest import model
from metrics_assets_tests.serving.waiting import CHILD_SECONDS, until

Create = Callable[..., ModelConfig]

# a listener that has been silent for a while has asked whether its connection is still there
_END_LISTENERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')
"""

_FULL = {
    "name": "Aurora Chat",
    "description": "Talks, and sees",
    "capabilities": {"vision", "thinking"},
    "pricing": {"chat": Decimal("0.002"), "image": Decimal("0.04")},
}


def test_a_model_is_read_as_it_was_written(registry: ModelRegistry, other: ModelRegistry) -> None:
    written = registry.create(model("aurora-chat", **_FULL), by="ann")
    assert written.capabilities == {"vision", "thinking"}
    assert written.pricing["image"] == Decimal("0.04")
    assert written.updated_at.tzinfo is not None
    assert registry.get("aurora-chat") == other.get("aurora-chat") == written
    assert other.all() == (written,)
    assert pickle.loads(pickle.dumps(written)) == written


def test_a_model_that_redis_held_equals_the_one_in_postgres(stores: Stores, models: Create) -> None:
    written = models("aurora-chat", retires_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC), **_FULL)
    later = ModelRegistry(stores)
    try:
        with pytest.warns(ModelDeprecated):
            assert later.get("aurora-chat") == written
        assert later.stats().shared_hits == 1
    finally:
        later.close()


def test_a_change_is_seen_by_who_made_it_when_it_returns(registry: ModelRegistry, models: Create) -> None:
    models("m")
    registry.all()
    registry.update("m", name="New", by="ann")
    assert registry.get("m").name == "New"  # type: ignore[union-attr]
    assert [each.name for each in registry.all()] == ["New"]
    registry.delete("m")
    assert registry.get("m") is None
    assert registry.all() == ()


def test_a_change_is_seen_by_another_registry_without_waiting_for_the_ttl(
    registry: ModelRegistry, other: ModelRegistry, models: Create
) -> None:
    models("m")
    until(lambda: other.get("m") is not None)
    other.all()
    registry.update("m", name="New")
    until(lambda: (other.get("m") or model("m")).name == "New")
    until(lambda: [each.name for each in other.all()] == ["New"])
    registry.delete("m")
    until(lambda: other.get("m") is None)


def test_a_change_in_psql_is_seen_too(registry: ModelRegistry, models: Create, stores: Stores) -> None:
    models("m")
    with stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.model_config SET name = 'By hand' WHERE id = 'm'")
    until(lambda: registry.get("m").name == "By hand")  # type: ignore[union-attr]
    assert registry.history("m")[0].fields == {"name": ("M", "By hand")}
    with stores.postgres.connection() as connection:
        connection.execute("TRUNCATE metrics.model_config")
    until(lambda: registry.get("m") is None)
    assert registry.history("m")[0].value is None


def test_a_change_is_seen_by_another_process(registry: ModelRegistry, models: Create, settings: Settings) -> None:
    models("m", name="first")
    process = subprocess.Popen(
        [sys.executable, "-m", "metrics_assets_tests.serving.reader", "m"],
        env={
            **os.environ,
            "METRICS_HOME": str(settings.home),
            "METRICS_POSTGRES_DSN": str(settings.postgres_dsn),
            "METRICS_CLICKHOUSE_URL": str(settings.clickhouse_url),
            "METRICS_REDIS_URL": str(settings.redis_url),
            "METRICS_CACHE_TTL_SECONDS": "100000",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    # a reader that says nothing is ended: then its output ends too, and the test fails instead of waiting
    bound = threading.Timer(CHILD_SECONDS, process.kill)
    bound.start()
    with process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "first\n"
            registry.update("m", name="second")
            assert process.stdout.readline() == "second\n"
            registry.delete("m")
            assert process.stdout.readline() == "None\n"
        finally:
            bound.cancel()
            process.kill()


def test_a_registry_that_lost_its_connection_catches_up(
    stores: Stores, registry: ModelRegistry, models: Create
) -> None:
    models("m")
    assert registry.get("m") is not None
    with stores.postgres.connection() as connection, connection.transaction():
        # written while nobody listens: no notice of it will ever come
        killed = rows(connection, _END_LISTENERS)
        connection.execute("UPDATE metrics.model_config SET name = 'Unheard' WHERE id = 'm'")
    assert killed
    until(lambda: registry.get("m").name == "Unheard")  # type: ignore[union-attr]


def test_a_model_that_does_not_exist_is_asked_for_once_and_found_when_it_comes(
    registry: ModelRegistry, models: Create
) -> None:
    assert registry.get("later") is None
    assert registry.get("later") is None
    assert registry.stats().loads == 1
    models("later")
    assert registry.get("later") is not None


def test_two_changes_of_different_fields_both_stay(
    registry: ModelRegistry, other: ModelRegistry, models: Create
) -> None:
    models("m")
    registry.update("m", name="Name")
    other.update("m", description="Text")
    until(lambda: registry.get("m").description == "Text")  # type: ignore[union-attr]
    assert registry.get("m").name == "Name"  # type: ignore[union-attr]


def test_a_duplicate_is_a_draft_with_everything_else(registry: ModelRegistry, models: Create) -> None:
    models("aurora-chat", **_FULL)
    copy = registry.duplicate("aurora-chat", "aurora-chat-2", name="Second")
    assert (copy.id, copy.name, copy.status) == ("aurora-chat-2", "Second", "draft")
    assert (copy.pricing, copy.capabilities) == (_FULL["pricing"], _FULL["capabilities"])


def test_what_cannot_be_done_says_why(registry: ModelRegistry, models: Create) -> None:
    models("m")
    with pytest.raises(ModelExists, match="'m' already"):
        models("m")
    with pytest.raises(ModelExists, match="'m' already"):
        registry.duplicate("m", "m")
    for act in (registry.delete, registry.update, lambda gone: registry.duplicate(gone, "copy")):
        with pytest.raises(UnknownModel, match="no model 'gone'"):
            act("gone")
    with pytest.raises(ConfigurationError, match="colour: not a field"):
        registry.update("m", colour="red")
    with pytest.raises(ConfigurationError, match="pricing of chat cannot be 'free'"):
        registry.update("m", pricing={"chat": "free"})
    with pytest.raises(ConfigurationError, match="status cannot be 'on'"):
        model("m", status="on")


def test_models_are_found_by_provider_status_capabilities_and_update(registry: ModelRegistry, models: Create) -> None:
    before = models("a", capabilities={"vision"})
    models("b", provider="Borealis", capabilities={"vision", "thinking"})
    models("c", status="disabled")

    def ids(**filters: object) -> list[str]:
        return [found.id for found in registry.find(**filters)]  # type: ignore[arg-type]

    assert ids(provider="Borealis") == ["b"]
    assert ids(status="disabled") == ["c"]
    assert ids(capabilities=["vision"]) == ["a", "b"]
    assert ids(capabilities=["thinking", "vision"]) == ["b"]
    assert ids(updated_since=before.updated_at + dt.timedelta(microseconds=1)) == ["b", "c"]


def test_history_tells_what_changed_when_and_by_whom(registry: ModelRegistry, models: Create) -> None:
    registry.create(model("m", name="First"), by="ann")
    created = registry.get("m")
    registry.update("m", name="Second", pricing={"chat": "0.5"}, by="ben")
    registry.delete("m", by="cleo")
    deleted, updated, made = registry.history("m")
    assert [made.by, updated.by, deleted.by] == ["ann", "ben", "cleo"]
    assert updated.fields == {"name": ("First", "Second"), "pricing": ({}, {"chat": "0.5"})}
    assert made.value == created
    assert deleted.value is None
    assert registry.as_of("m", made.at - dt.timedelta(seconds=1)) is None
    assert registry.as_of("m", updated.at - dt.timedelta(microseconds=1)).name == "First"  # type: ignore[union-attr]
    assert registry.as_of("m", updated.at).name == "Second"  # type: ignore[union-attr]
    assert registry.as_of("m", deleted.at) is None
    with pytest.raises(ConfigurationError, match="has no zone"):
        registry.as_of("m", dt.datetime(2026, 11, 1))


def test_an_id_that_is_changed_by_hand_leaves_a_history_under_both(
    registry: ModelRegistry, models: Create, stores: Stores
) -> None:
    models("a", name="A")
    with stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.model_config SET id = 'b' WHERE id = 'a'")
    until(lambda: registry.get("a") is None)
    assert registry.get("b").name == "A"  # type: ignore[union-attr]
    assert registry.history("a")[0].value is None
    assert registry.history("b")[0].value == registry.get("b")


def test_a_deprecated_model_warns_every_caller_until_it_is_replaced(registry: ModelRegistry, models: Create) -> None:
    models("old")
    models("new")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.get("old")
    registry.deprecate("old", retires_at=dt.datetime.now(dt.UTC) + dt.timedelta(days=30), replaced_by="new", by="ann")
    with pytest.warns(ModelDeprecated, match="'old' will be retired on .* Use 'new' instead") as told:
        registry.get("old")
    assert told[0].filename == __file__
    with pytest.warns(ModelDeprecated):
        registry.get("old")
    with pytest.warns(ModelDeprecated, match="will be retired") as told:
        assert registry.route("old", 1).model_id == "old"
    assert told[0].filename == __file__
    registry.deprecate("old", retires_at=dt.datetime.now(dt.UTC), replaced_by="new")
    with pytest.warns(ModelDeprecated, match="was retired"):
        registry.get("old")
    with pytest.warns(ModelDeprecated, match="was retired"):
        assert registry.route("old", 1).model_id == "new"
    assert registry.search("old") == ()


def test_a_retired_model_without_a_replacement_cannot_be_used(registry: ModelRegistry, models: Create) -> None:
    models("old")
    with pytest.raises(UnknownModel):
        registry.deprecate("old", retires_at=dt.datetime.now(dt.UTC), replaced_by="gone")
    registry.deprecate("old", retires_at=dt.datetime.now(dt.UTC))
    with pytest.warns(ModelDeprecated), pytest.raises(ConfigurationError, match="no model replaces it"):
        registry.route("old", 1)


def test_the_schema_can_be_applied_again(registry: ModelRegistry, models: Create, stores: Stores) -> None:
    models("m")
    schema.apply(stores)
    registry.update("m", name="After")
    assert len(registry.history("m")) == 2


def test_filters_use_their_indexes(stores: Stores) -> None:
    filters = {
        "model_config_provider_idx": "provider = 'p7'",
        "model_config_status_idx": "status = 'draft'",
        "model_config_capabilities_idx": "capabilities @> '{c7}'",
        "model_config_updated_at_idx": "updated_at >= now()",
    }
    with stores.postgres.connection() as connection:
        connection.execute(
            "INSERT INTO metrics.model_config (id, name, provider, status, capabilities)"
            " SELECT i, 'n', 'p' || i % 500, 'active', ARRAY['c' || i % 500] FROM generate_series(1, 3000) i"
        )
        connection.execute("ANALYZE metrics.model_config")
        for index, condition in filters.items():
            plan = scalar(connection, f"EXPLAIN (FORMAT JSON) SELECT * FROM metrics.model_config WHERE {condition}")
            assert index in str(plan)


_UNUSABLE = [
    ("pricing", """'{"audio": 1}'"""),
    ("pricing", """'{"chat": -1}'"""),
    ("pricing", """'{"chat": [1]}'"""),
    ("pricing", """'{"chat": "free"}'"""),
    ("pricing", "'[]'"),
    ("pricing", "'null'"),
    ("capabilities", "ARRAY['vision', NULL]"),
    ("capabilities", "ARRAY[ARRAY['vision']]"),
    ("retires_at", "'infinity'"),
    ("retires_at", "'20000-01-01'"),
]
_MENDED = {"pricing": {"chat": "1E-7"}, "capabilities": {"vision"}, "retires_at": None}


@pytest.mark.parametrize(("column", "value"), _UNUSABLE)
def test_a_row_that_cannot_be_used_is_refused_in_psql(
    registry: ModelRegistry, models: Create, stores: Stores, column: str, value: str
) -> None:
    models("m")
    schema.apply(stores)
    with stores.postgres.connection() as connection, pytest.raises(psycopg.Error, match=r"violates|not supported"):
        connection.execute(f"UPDATE metrics.model_config SET {column} = {value}".encode())
    assert registry.get("m") is not None


@pytest.mark.parametrize(("column", "value"), _UNUSABLE)
def test_a_row_from_before_the_checks_leaves_the_others_readable_and_can_be_mended(
    registry: ModelRegistry,
    models: Create,
    stores: Stores,
    caplog: pytest.LogCaptureFixture,
    column: str,
    value: str,
) -> None:
    models("bad")
    models("good")
    assert len(registry.search("good")) == 1
    with stores.postgres.connection() as connection:
        for rule in ("pricing", "capabilities", "moments"):
            connection.execute(f"ALTER TABLE metrics.model_config DROP CONSTRAINT model_config_{rule}_check".encode())
        connection.execute(f"UPDATE metrics.model_config SET {column} = {value} WHERE id = 'bad'".encode())
    schema.apply(stores)
    until(lambda: [each.id for each in registry.all()] == ["good"])
    assert "'bad' of metrics.model_config cannot be used" in caplog.text
    assert [each.id for each in registry.find()] == ["good"]
    until(lambda: registry.search("bad") == ())
    assert len(registry.search("good")) == 1
    with pytest.raises(UnreadableModel, match=r"'bad' .* cannot be used: .* Mend it with update_model_config\('bad'"):
        registry.get("bad")
    with pytest.raises(UnreadableModel, match="Mend it"):
        registry.update("bad", name="Still bad")
    assert registry.history("bad")[0].value is None
    registry.update("bad", **{column: _MENDED[column]})
    assert [each.id for each in registry.all()] == ["bad", "good"]
    assert registry.get("bad") is not None


@pytest.mark.parametrize(
    "payload", ["x", "", "7", "[]", '{"ids": ["m"]}', '{"version": "x"}', '{"version": 1, "ids": 2}']
)
def test_a_notice_that_cannot_be_read_does_not_end_the_listening(
    registry: ModelRegistry, models: Create, stores: Stores, caplog: pytest.LogCaptureFixture, payload: str
) -> None:
    models("m")
    with stores.postgres.connection() as connection:
        connection.execute("SELECT pg_notify('metrics_model_registry', %s)", (payload,))
        until(lambda: "cannot be read, and everything is read anew" in caplog.text)
        connection.execute("UPDATE metrics.model_config SET name = 'By hand' WHERE id = 'm'")
    until(lambda: registry.get("m").name == "By hand", seconds=10)  # type: ignore[union-attr]
    assert registry.listening


def test_readers_do_not_notice_that_postgres_was_restarted(
    registry: ModelRegistry, models: Create, stores: Stores, settings: Settings
) -> None:
    models("m")
    with ExitStack() as pooled:
        for _ in range(4):
            pooled.enter_context(stores.postgres.connection())
    with psycopg.connect(str(settings.postgres_dsn), autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert registry.find()[0].id == "m"
    assert registry.get("never asked for") is None
    assert registry.route("m", 1).model_id == "m"
    assert len(registry.search("m")) == 1

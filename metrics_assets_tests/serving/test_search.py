"""Search: what a person would call found comes first, and every sign of a term is text."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.serving.registry import ModelConfig, ModelRegistry
from metrics_assets.serving.registry.ranking import Term, folded, within_one_edit
from metrics_assets.serving.registry.search import Index, LiveIndex
from metrics_assets.serving.registry.store import RegistryStore
from metrics_assets.serving.registry.words import Words
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores, open_stores
from metrics_assets_tests.serving.conftest import model
from metrics_assets_tests.serving.proxy import Proxy
from metrics_assets_tests.serving.waiting import until

_MODELS = (
    model("aurora-chat-4o", name="Aurora Chat 4o", provider="Aurora Labs", description="Talks and sees"),
    model("aurora-mini", name="Aurora Mini", provider="Aurora Labs", description="Small and quick"),
    model("borealis-paint", name="Borealis Paint", provider="Nørd", description="Draws what you say, 100% by hand"),
    model("quill", name="Quill", provider="Stone River", description="Writes like Aurora, for less"),
    model("odd", name='50% O\'Brien "x_y" \\ <script>', provider="Odd"),
    model("draft-model", name="Hidden Draft", status="draft"),
    model("gone", name="Hidden Gone", status="disabled"),
)


def _search(term: str, *extra: ModelConfig, limit: int = 20) -> list[str]:
    found = Index((*_MODELS, *extra)).search(folded(term), dt.datetime.now(dt.UTC), limit)
    return [each.config.id for each in sorted(found, key=lambda each: (-each.score, each.config.name))]


@pytest.mark.parametrize(
    ("term", "ids"),
    [
        ("quill", ["quill"]),
        ("QUILL", ["quill"]),
        ("aurora mini", ["aurora-mini"]),
        ("mini aurora", ["aurora-mini"]),
        ("stone river", ["quill"]),
        ("borealis-paint", ["borealis-paint"]),
        ("nørd", ["borealis-paint"]),
        ("draws", ["borealis-paint"]),
        ("4o", ["aurora-chat-4o"]),
        ("chat 4o", ["aurora-chat-4o"]),
        ("quill stone", ["quill"]),
    ],
)
def test_name_provider_id_and_description_are_searched(term: str, ids: list[str]) -> None:
    assert _search(term) == ids


@pytest.mark.parametrize(
    "term", ["borealsi", "boralis", "borrealis", "borealix", "xborealis", "brealis paint", "borealis piant"]
)
def test_a_typing_error_is_forgiven(term: str) -> None:
    assert _search(term) == ["borealis-paint"]


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("kind", ["replaced", "left out", "added", "exchanged"])
def test_a_typing_error_is_forgiven_wherever_it_is(position: int, kind: str) -> None:
    word = "quill"
    typed = {
        "replaced": f"{word[:position]}z{word[position + 1 :]}",
        "left out": word[:position] + word[position + 1 :],
        "added": f"{word[:position]}z{word[position:]}",
        "exchanged": word[:position] + word[position : position + 2][::-1] + word[position + 2 :],
    }[kind]
    assert "quill" in _search(typed)


@pytest.mark.parametrize(
    ("word", "other", "near"),
    [
        ("abc", "abc", True),
        ("abc", "abd", True),
        ("abc", "acb", True),
        ("abc", "bac", True),
        ("abc", "ab", True),
        ("abc", "xabc", True),
        ("abc", "cba", False),
        ("abcd", "badc", False),
        ("abc", "abcde", False),
        ("", "a", True),
    ],
)
def test_one_edit(word: str, other: str, near: bool) -> None:
    assert within_one_edit(word, other) is near
    assert within_one_edit(other, word) is near


def test_the_name_comes_before_everything_else_and_what_is_exact_comes_first() -> None:
    assert _search("aurora") == ["aurora-chat-4o", "aurora-mini", "quill"]
    exact = model("z", name="Aurora")
    assert _search("aurora", exact)[0] == "z"
    assert _search("z", exact)[0] == "z"


@pytest.mark.parametrize("term", ["%", "50%", "_", "x_y", "'", "o'brien", '"', "\\", "<script>", "50% o'brien"])
def test_wildcards_and_quotes_are_text(term: str) -> None:
    found = _search(term)
    assert found[0] == "odd" or (term == "%" and set(found) == {"odd", "borealis-paint"})
    assert "quill" not in found


@pytest.mark.parametrize(
    "term", ["%%", "a%i", "q_ill%", "", "   ", "zzzz", "' OR 1=1 --", "\x00", "🙂" * 300, "zz\ud800zz"]
)
def test_what_is_not_there_is_not_found(term: str) -> None:
    assert _search(term) == []


def test_only_active_models_are_found() -> None:
    assert _search("hidden") == []
    retired = model("old", name="Hidden Old", retires_at=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    leaving = model("later", name="Hidden Later", retires_at=dt.datetime(2999, 1, 1, tzinfo=dt.UTC))
    assert _search("hidden", retired, leaving) == ["later"]


def test_a_common_word_does_not_hide_the_model_that_fits() -> None:
    crowd = [model(f"crowd-{n}", name=f"Model Number {n}", description="the very same text") for n in range(2_000)]
    wanted = model("wanted", name="Model Nmuber Zebra", description="the very same text")
    assert _search("model zebra", *crowd, wanted)[0] == "wanted"
    assert _search("model number 1777", *crowd, wanted)[0] == "crowd-1777"
    assert len(_search("model", *crowd, wanted)) >= 20


def test_a_search_sees_what_has_changed(
    registry: ModelRegistry, other: ModelRegistry, models: Callable[..., ModelConfig]
) -> None:
    models("quill")

    def ids(found_by: ModelRegistry, term: str, **given: Any) -> list[str]:
        return [found.config.id for found in found_by.search(term, **given)]

    assert ids(registry, "quill") == ids(other, "quill") == ["quill"]
    models("quill-two", name="Quill Two")
    assert ids(registry, "quill") == ["quill", "quill-two"]
    until(lambda: ids(other, "quill") == ["quill", "quill-two"])
    registry.update("quill", name="Feather")
    assert ids(registry, "feather") == ["quill"]
    assert ids(registry, "quill two", limit=1) == ["quill-two"]
    registry.delete("quill")
    until(lambda: ids(other, "quill") == ["quill-two"])
    registry.update("quill-two", status="disabled")
    assert ids(registry, "quill") == []


def test_many_changes_build_the_index_anew(registry: ModelRegistry, models: Callable[..., ModelConfig]) -> None:
    assert registry.search("quill") == ()
    for number in range(120):
        models(f"quill-{number}")
        if number % 30 == 0:
            assert registry.search("quill 0")[0].config.id == "quill-0"
    assert registry.search("quill 119")[0].config.id == "quill-119"


def test_searches_go_on_and_see_changes_while_the_index_is_built_anew(
    registry: ModelRegistry, models: Callable[..., ModelConfig], stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    models("quill")
    assert len(registry.search("quill")) == 1
    index, go_on, building = registry._index, threading.Event(), threading.Event()
    read = index._store.all

    def held_up() -> Any:
        found = read()
        building.set()
        assert go_on.wait(60)
        return found

    monkeypatch.setattr(index._store, "all", held_up)
    with stores.postgres.connection() as connection:
        connection.execute(
            "INSERT INTO metrics.model_config (id, name, provider, status)"
            " SELECT 'other-' || i, 'Other', 'Labs', 'active' FROM generate_series(1, 200) i"
        )
    try:
        until(lambda: len(registry.search("other")) == 20 and building.is_set())
        models("quill-two")
        registry.delete("quill")
        assert [found.config.id for found in registry.search("quill")] == ["quill-two"]
    finally:
        go_on.set()
    until(lambda: index._builder is None)
    assert len(index._base.configs) == 201
    assert [found.config.id for found in registry.search("quill")] == ["quill-two"]


def test_a_limit_that_makes_no_sense_is_refused(registry: ModelRegistry) -> None:
    for limit in (0, 101):
        with pytest.raises(ConfigurationError, match="limit of 1 to 100"):
            registry.search("quill", limit=limit)


def test_what_descriptions_say_does_not_keep_a_name_out() -> None:
    crowd = [model(f"crowd-{n}", name=f"Other {n}", description="better than gpt-4o") for n in range(25)]
    assert _search("gpt-4o", *crowd, model("wanted", name="GPT 4o"))[0] == "wanted"


def test_a_term_inside_a_name_comes_before_typing_errors_of_many() -> None:
    crowd = [model(f"crowd-{n}", name=f"Orion {n}", provider="Stars") for n in range(150)]
    assert set(_search("ora", *crowd)[:2]) == {"aurora-mini", "aurora-chat-4o"}


@pytest.mark.parametrize(("term", "name"), [("pgt", "GPT Mini"), ("gtp mni", "GPT Mini"), ("caht", "Chat")])
def test_a_typing_error_is_forgiven_in_a_short_word_among_many_that_have_more_in_common(term: str, name: str) -> None:
    crowd = [model(f"crowd-{n}", name=f"{other} {n}") for other in ("Cat", "Paint", "Mango") for n in range(150)]
    found = Index((*crowd, model("wanted", name=name))).search(folded(term), dt.datetime.now(dt.UTC), 1_000)
    assert "wanted" in [each.config.id for each in found]


def test_words_that_are_near_are_those_that_ranking_takes_for_near() -> None:
    letters = ["".join(word) for size in range(1, 5) for word in itertools.product("abc", repeat=size)]
    words = Words(letters)
    for word in (each for each in letters if len(each) >= 3):
        near = {letters[at] for at in words.near(word).nonzero()[0]}
        assert near == {each for each in letters if Term(word).mistyped_score(each, "", "") or each.startswith(word)}


def test_while_postgres_is_away_searches_use_the_old_index_and_wait_once(
    settings: Settings, stores: Stores, registry: ModelRegistry, models: Callable[..., ModelConfig]
) -> None:
    models("quill")
    with (
        Proxy(str(settings.postgres_dsn)) as way,
        open_stores(settings.model_copy(update={"postgres_dsn": way.url})) as far,
    ):
        far.postgres._pool.timeout = 2.0
        with_index, without = (
            LiveIndex(RegistryStore(far.postgres), ttl_seconds=0),
            LiveIndex(RegistryStore(far.postgres), ttl_seconds=0),
        )
        assert len(with_index.search("quill")) == 1
        way.cut()
        began = time.monotonic()
        assert [len(with_index.search("quill")) for _ in range(5)] == [1] * 5
        for _ in range(5):
            with pytest.raises(StoreUnreachable):
                without.search("quill")
        # one wait each, of the ten that there would be
        assert time.monotonic() - began < 10
        way.open()
        registry.update("quill", name="Feather")
        until(lambda: len(with_index.search("feather")) == 1)
        until(lambda: _answers(without))


def _answers(index: LiveIndex) -> bool:
    try:
        return len(index.search("feather")) == 1
    except StoreUnreachable:
        return False

"""Search among the active models: in memory, in order of fit, kept fresh by the registry's versions.

No extension of Postgres is needed, and no round trip: trigrams choose what may fit (`trigrams`), `ranking` says how
well it does. Every sign of a term is text; there are no wildcards.
"""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.serving.registry.config import ModelConfig
from metrics_assets.serving.registry.ranking import APART, EXACT, MISTYPED, Term, folded
from metrics_assets.serving.registry.store import RegistryStore
from metrics_assets.serving.registry.trigrams import Trigrams, inside, trigrams
from metrics_assets.serving.registry.words import SHORTEST_MISTYPED, Words

_LOG = logging.getLogger(__name__)
_LOOKED_AT = 100  # candidates with the most trigrams in common; those behind them fit worse
_LOST_TO_AN_EDIT = 4  # trigrams at most: two neighbours that are exchanged
_SHORTEST_FOR_TRIGRAMS = 3
_FEW = 1_000  # texts are looked at one by one; more, as one string
_MISTYPED_WORDS = 5  # that choose candidates, each for a comparison with all words; the others only rank them
_LONGEST_TERM = 200
_REBUILD_SHARE = 0.05
_AWAY_SECONDS = 1.0  # Postgres is not asked again after it did not answer; doubles each time
_LONGEST_AWAY_SECONDS = 30.0


@dataclass(frozen=True)
class Found:
    """A model that a search found, and how well it fits, 0 to 1."""

    config: ModelConfig
    score: float


class Index:
    """An index of some configurations, which does not change."""

    def __init__(self, configs: Iterable[ModelConfig]) -> None:
        self.configs = tuple(config for config in configs if config.status == "active")
        self._names = [folded(config.name) for config in self.configs]
        self._elsewhere = [folded(f"{config.id} {config.provider}") for config in self.configs]
        self._descriptions = [folded(config.description) for config in self.configs]
        self._lines = tuple(map(_Lines, (self._names, self._elsewhere, self._descriptions)))
        self._exactly: dict[str, list[int]] = {}
        for at, config in enumerate(self.configs):
            for key in {self._names[at], folded(config.id)}:
                self._exactly.setdefault(key, []).append(at)
        heads = [_spread(f"{name} {other}") for name, other in zip(self._names, self._elsewhere, strict=True)]
        self._heads = Trigrams(heads)
        self._name_words = Words([_spread(name) for name in self._names])
        self._other_words = Words([text.translate(APART) for text in self._elsewhere])
        self._sizes = np.array([1 + len(name) for name in self._names])
        self._bodies = Trigrams([_spread(text) for text in self._descriptions])

    def search(self, term: str, now: dt.datetime, limit: int) -> list[Found]:
        """What fits a folded term, in no order; of very many that fit alike, at least `limit`."""
        if not self.configs or not term:
            return []
        wanted, exactly, fit = Term(term), set(self._exactly.get(term, [])[:_LOOKED_AT]), self._fit(term)
        candidates = dict.fromkeys([*exactly, *_best(fit.shared), *self._containing(term)])
        scores = {
            at: EXACT if at in exactly else wanted.literal_score(*self._texts(at))
            for at in candidates
            if not self.configs[at].retired(now)
        }
        # what fits in ids and descriptions does not keep a name with a typing error out
        if sum(score >= MISTYPED for score in scores.values()) < limit:
            enough = sum(score > 0 for score in scores.values()) >= limit
            near = set(self._mistyped(wanted, fit, in_name=enough))
            for at in near if enough else near.union(at for at, score in scores.items() if not score):
                score = scores.get(at, 0.0)
                if score < MISTYPED and not self.configs[at].retired(now):
                    name, elsewhere, description = self._texts(at)
                    searched = "" if score or at in near else description  # it adds nothing to those
                    scores[at] = max(score, wanted.mistyped_score(name, elsewhere, searched))
        return [Found(self.configs[at], score) for at, score in scores.items() if score]

    def _texts(self, at: int) -> tuple[str, str, str]:
        return self._names[at], self._elsewhere[at], self._descriptions[at]

    def _fit(self, term: str) -> _Fit:
        """By trigrams: as many in common first; among those, in the name, and what has little else in it."""
        if len(term) < _SHORTEST_FOR_TRIGRAMS:
            nothing = np.zeros(len(self.configs))
            return _Fit(nothing, nothing)
        grams = trigrams(term)
        heads, bodies = self._heads.shared(grams), self._bodies.shared(grams)
        least = max(1, min(len(grams) - _LOST_TO_AN_EDIT, len(grams) // 2))
        fit = 2.0 * heads + bodies + heads / (1.0 + self._heads.sizes)
        return _Fit(fit, np.where(np.maximum(heads, bodies) < least, 0.0, fit))

    def _mistyped(self, term: Term, fit: _Fit, *, in_name: bool) -> list[int]:
        """With every word in name (or id, provider) but for a typing error: the shortest, and those that fit best."""
        every = np.ones(len(self.configs), dtype=np.bool_)
        words = sorted({word for word in term.parts if len(word) >= SHORTEST_MISTYPED}, key=len)[-_MISTYPED_WORDS:]
        for word in reversed(words):
            near = self._name_words.near(word)
            every &= near if in_name else near | self._other_words.near(word)
            if not every.any():
                break
        if not words:
            return []
        half = _LOOKED_AT // 2
        return [*_best(np.where(every, 1.0 + fit.all, 0.0), half), *_best(every / self._sizes, half)]

    def _containing(self, term: str) -> Iterable[int]:
        """As a beginning first, then inside, then in id and provider, then in descriptions."""
        yield from itertools.islice(self._lines[0].containing("\n" + term), _LOOKED_AT)
        inner = inside(trigrams(term))
        heads, bodies = (np.flatnonzero(each.shared(inner) == len(inner)) for each in (self._heads, self._bodies))
        for lines, texts, likely in zip(
            self._lines, (self._names, self._elsewhere, self._descriptions), (heads, heads, bodies), strict=True
        ):
            few = (at for at in likely if term in texts[at])
            yield from itertools.islice(few if len(likely) < _FEW else lines.containing(term), _LOOKED_AT)


@dataclass(frozen=True)
class _Fit:
    """How well each text fits by trigrams; `shared` is 0 where too few are in common for a literal find."""

    all: NDArray[np.floating]
    shared: NDArray[np.floating]


class _Lines:
    """Texts in one string, which is searched faster than many."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._text = "\n" + "\n".join(texts)
        self._begins = list(itertools.accumulate((len(text) + 1 for text in texts), initial=0))

    def containing(self, term: str) -> Iterator[int]:
        """Numbers of the texts that hold the term, in order; with a line break before it, of those that begin so."""
        at = self._text.find(term)
        while at >= 0:
            number = bisect.bisect_right(self._begins, at) - 1
            yield number
            at = self._text.find(term, self._begins[number + 1])


class LiveIndex:
    """The index of the registry as it is now: a large part built once, and what has changed since beside it.

    A notice makes the next search read what has changed; without one, the TTL does. While Postgres is away, the index
    stays as it is. When much has changed, a thread
    builds the large part anew; searches go on meanwhile with the old one.
    """

    def __init__(self, store: RegistryStore, *, ttl_seconds: float) -> None:
        self._store = store
        self._ttl = ttl_seconds
        self._lock = threading.Lock()
        self._hearing = threading.Lock()
        self._heard = 0
        self._version = -1
        self._looked_at = float("-inf")
        self._away_until = float("-inf")
        self._away_seconds = _AWAY_SECONDS
        self._base = Index(())
        self._changed: Mapping[str, ModelConfig | None] = {}
        self._recent = Index(())
        self._builder: threading.Thread | None = None

    def heard(self, version: int) -> None:
        """The registry has come to this version."""
        with self._hearing:  # not the other lock: a notice must not wait for a search
            self._heard = max(self._heard, version)
            self._away_until = float("-inf")  # who tells of a version has reached Postgres

    def close(self) -> None:
        """Wait until nothing reads the registry any more."""
        with self._lock:
            builder = self._builder
        if builder is not None:
            builder.join()

    def search(self, term: str, *, limit: int = 20) -> tuple[Found, ...]:
        """The active models that fit best, best first; those that fit alike, by name.

        Case does not count. One typing error in each word of three letters or more is forgiven in name, id and provider
        (five words at most), in a description where enough of the trigrams are as in the term. Of more than a hundred
        models that fit alike, those count whose trigrams fit best or whose name is shortest.

        Args:
            term: up to 200 characters count.
            limit: at most this many, 1 to 100.

        Raises:
            ConfigurationError: the limit cannot be used.
            StoreUnreachable: there is no index yet, and Postgres does not answer.
        """
        if not 1 <= limit <= 100:
            raise ConfigurationError(f"A search cannot return {limit} models: use a limit of 1 to 100.")
        wanted = folded(term)[:_LONGEST_TERM].strip()
        if not wanted:
            return ()
        base, changed, recent = self._fresh()
        now = dt.datetime.now(dt.UTC)
        found = [each for each in base.search(wanted, now, limit + len(changed)) if each.config.id not in changed]
        found += recent.search(wanted, now, limit)
        found.sort(key=lambda each: (-each.score, len(each.config.name), each.config.name, each.config.id))
        return tuple(found[:limit])

    def _fresh(self) -> tuple[Index, Mapping[str, ModelConfig | None], Index]:
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at >= self._ttl or self._heard > self._version:
                if now >= self._away_until:
                    self._try_to_read(now)
                elif self._version < 0:
                    raise StoreUnreachable(
                        "There is no search index yet, and Postgres did not answer a moment ago. Try again in "
                        f"{self._away_until - now:.0f} s, or run `metrics-assets local status`."
                    )
            return self._base, self._changed, self._recent

    def _try_to_read(self, now: float) -> None:
        try:
            self._read(now)
        except (psycopg.Error, StoreUnreachable) as error:
            # other searches wait for this one: not each for as long again
            self._away_until = time.monotonic() + self._away_seconds
            self._away_seconds = min(2 * self._away_seconds, _LONGEST_AWAY_SECONDS)
            if self._version < 0:
                raise
            _LOG.warning("Searches may miss what has changed since version %d: %s", self._version, error)
        else:
            self._away_seconds = _AWAY_SECONDS

    def _read(self, now: float) -> None:
        if self._version < 0:
            self._version, configs = self._store.all()
            self._base = Index(configs)
        else:
            version, changes = self._store.changed_since(self._version)
            if changes:
                self._changed = {**self._changed, **changes}
                self._recent = Index(config for config in self._changed.values() if config is not None)
            self._version = max(self._version, version)
            if self._builder is None and len(self._changed) > max(100, _REBUILD_SHARE * len(self._base.configs)):
                self._builder = threading.Thread(target=self._build, name="model-registry-index", daemon=True)
                self._builder.start()
        self._looked_at = now

    def _build(self) -> None:
        try:
            version, configs = self._store.all()
            base = Index(configs)
        except (psycopg.Error, StoreUnreachable) as error:
            _LOG.warning("The search index is not built anew yet, and grows: %s", error)
            with self._lock:
                self._builder = None  # the next search that reads tries again
            return
        with self._lock:
            self._base, self._changed, self._recent = base, {}, Index(())
            # what was written after that reading is read again, by the next search
            self._version, self._looked_at = version, float("-inf")
            self._builder = None


def _best(fit: NDArray[np.floating], most: int = _LOOKED_AT) -> list[int]:
    some = np.flatnonzero(fit)
    if len(some) > most:
        some = some[np.argpartition(fit[some], -most)[-most:]]
    return [int(at) for at in some]


def _spread(text: str) -> str:
    """With blanks in the place of hyphens and the like, so that `gpt-4o` has the words of `gpt 4o` too."""
    apart = text.translate(APART)
    return text if apart == text else f"{text} {apart}"

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

from metrics_assets.errors import ConfigurationError, StoreUnreachable
from metrics_assets.serving.registry.config import ModelConfig
from metrics_assets.serving.registry.ranking import APART, EXACT, Term, folded
from metrics_assets.serving.registry.store import RegistryStore
from metrics_assets.serving.registry.trigrams import Trigrams, trigrams

_LOG = logging.getLogger(__name__)
_LOOKED_AT = 100  # candidates with the most trigrams in common; those behind them fit worse
_LOST_TO_AN_EDIT = 4  # trigrams at most: two neighbours that are exchanged
_SHORTEST_FOR_TRIGRAMS = 3
_LONGEST_TERM = 200
_REBUILD_SHARE = 0.05


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
        self._bodies = Trigrams([_spread(text) for text in self._descriptions])

    def search(self, term: str, now: dt.datetime, limit: int) -> list[Found]:
        """What fits a folded term, in no order; of very many that fit alike, at least `limit`."""
        wanted, found, rest = Term(term), [], []
        exactly = self._exactly.get(term, [])[:_LOOKED_AT]
        for at in dict.fromkeys([*exactly, *self._candidates(term)]):
            if self.configs[at].retired(now):
                continue
            texts = self._names[at], self._elsewhere[at], self._descriptions[at]
            fit = EXACT if at in exactly else wanted.literal_score(*texts)
            if fit:
                found.append(Found(self.configs[at], fit))
            else:
                rest.append((at, texts))
        if len(found) < limit:
            mistyped = ((at, wanted.mistyped_score(*texts)) for at, texts in rest)
            found += [Found(self.configs[at], fit) for at, fit in mistyped if fit]
        return found

    def _candidates(self, term: str) -> Iterable[int]:
        if not self.configs or not term:
            return []
        if len(term) < _SHORTEST_FOR_TRIGRAMS:
            return self._containing(term)
        grams = trigrams(term)
        heads, bodies = self._heads.shared(grams), self._bodies.shared(grams)
        either = np.maximum(heads, bodies)
        least = max(1, min(len(grams) - _LOST_TO_AN_EDIT, len(grams) // 2))
        # as many in common first; among those, in the name, and what has little else in it
        fit = 2.0 * heads + bodies + heads / (1.0 + self._heads.sizes)
        fit[either < least] = 0.0
        few = min(_LOOKED_AT, len(fit))
        return [int(at) for at in np.argpartition(fit, -few)[-few:] if fit[at] > 0]

    def _containing(self, term: str) -> Iterable[int]:
        """A term too short for trigrams: as a beginning first, then inside, then in descriptions."""
        yield from itertools.islice(self._lines[0].containing("\n" + term), _LOOKED_AT)
        for lines in self._lines:
            yield from itertools.islice(lines.containing(term), _LOOKED_AT)


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

    A notice makes the next search read what has changed; without one, the TTL does. When much has changed, a thread
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
        self._base = Index(())
        self._changed: Mapping[str, ModelConfig | None] = {}
        self._recent = Index(())
        self._builder: threading.Thread | None = None

    def heard(self, version: int) -> None:
        """The registry has come to this version."""
        with self._hearing:  # not the other lock: a notice must not wait for a search
            self._heard = max(self._heard, version)

    def close(self) -> None:
        """Wait until nothing reads the registry any more."""
        with self._lock:
            builder = self._builder
        if builder is not None:
            builder.join()

    def search(self, term: str, *, limit: int = 20) -> tuple[Found, ...]:
        """The active models that fit best, best first; those that fit alike, by name.

        Case does not count, and a typing error in each word of three letters or more is forgiven.

        Args:
            term: up to 200 characters count.
            limit: at most this many, 1 to 100.

        Raises:
            ConfigurationError: the limit cannot be used.
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
            due = time.monotonic() - self._looked_at >= self._ttl
            if due or self._heard > self._version:
                self._read(time.monotonic())
            return self._base, self._changed, self._recent

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


def _spread(text: str) -> str:
    """With blanks in the place of hyphens and the like, so that `gpt-4o` has the words of `gpt 4o` too."""
    apart = text.translate(APART)
    return text if apart == text else f"{text} {apart}"

"""Which texts have a word that is another one but for a typing error: the distinct words as columns of letters, all
compared at once.

Trigrams cannot tell: `pgt` and `gpt` have none in common.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHORTEST_MISTYPED = 3  # letters; a shorter word is another word after one edit
_LONGEST = 24  # letters of a word that are compared


class Words:
    """The distinct words of every text."""

    def __init__(self, texts: Sequence[str]) -> None:
        numbers: dict[str, int] = {}
        having: list[list[int]] = []
        for at, text in enumerate(texts):
            for word in set(text.split()):
                number = numbers.setdefault(word, len(having))
                if number == len(having):
                    having.append([])
                having[number].append(at)
        self._texts = len(texts)
        self._sizes = np.fromiter(map(len, having), dtype=np.int64, count=len(having))
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._having = np.fromiter(itertools.chain.from_iterable(having), dtype=np.int64, count=int(self._sizes.sum()))
        padded = "".join(word[:_LONGEST].ljust(_LONGEST + 1, "\0") for word in numbers)
        letters = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        # one row a position, so that a comparison reads what lies side by side
        self._letters = np.ascontiguousarray(letters.reshape(len(numbers), _LONGEST + 1).T)

    def near(self, word: str) -> NDArray[np.bool_]:
        """For every text, whether a word of it is, or begins with, this one but for one edit."""
        found = np.zeros(self._texts, dtype=np.bool_)
        hits = self._near(np.fromiter(map(ord, word[: _LONGEST - 1]), dtype=np.uint32))
        sizes = self._sizes[hits]
        before = np.cumsum(sizes) - sizes
        found[self._having[np.repeat(self._starts[hits] - before, sizes) + np.arange(sizes.sum())]] = True
        return found

    def _near(self, word: NDArray[np.uint32]) -> NDArray[np.int64]:
        first, second = self._letters[0], self._letters[1]
        # an edit of the first letter leaves the second one in its place or beside it
        likely = np.flatnonzero((first == word[0]) | (second == word[1]) | (first == word[1]) | (second == word[0]))
        letters, size = self._letters[: len(word) + 1, likely], len(word)
        yes = np.ones(len(likely), dtype=np.bool_)
        # from each position to the end: as it is, one letter further in the text's word, one letter less far
        same, added, left_out = [yes] * (size + 2), [yes] * (size + 1), [yes] * (size + 1)
        for at in reversed(range(size)):
            same[at] = same[at + 1] & (letters[at] == word[at])
            added[at] = added[at + 1] & (letters[at + 1] == word[at])
            if at + 1 < size:
                left_out[at] = left_out[at + 1] & (letters[at] == word[at + 1])
        near, begins = same[0].copy(), yes
        for at in range(size):
            ends = same[at + 1] | added[at] | left_out[at]
            if at + 1 < size:
                ends = ends | (same[at + 2] & (letters[at] == word[at + 1]) & (letters[at + 1] == word[at]))
            near |= begins & ends
            begins = begins & (letters[at] == word[at])
        return likely[near]

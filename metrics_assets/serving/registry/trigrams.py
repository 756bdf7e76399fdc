"""Which texts share how many trigrams with a term: an inverted index in arrays, built and asked without a Python loop
over the texts.

A word counts as two spaces, its letters, and a space, as in pg_trgm; unlike there, every sign that is no space belongs
to a word, so that `%`, `_` and quotes can be looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LETTER_BITS = 21  # of a code point
_SPACE = 32


class Trigrams:
    """The distinct trigrams of every text, by trigram."""

    def __init__(self, texts: Sequence[str]) -> None:
        pairs = _pairs(texts)
        self.texts = len(texts)
        self._grams, first = np.unique(pairs[0], return_index=True)
        self._bounds = np.append(first, len(pairs[0]))
        self._postings = pairs[1].astype(np.int32)
        self.sizes: NDArray[np.int64] = np.bincount(self._postings, minlength=self.texts)

    def shared(self, grams: NDArray[np.uint64]) -> NDArray[np.int64]:
        """How many of the trigrams each text has, by the number of the text."""
        at = np.searchsorted(self._grams, grams)
        inside = at < len(self._grams)
        known = at[inside][self._grams[at[inside]] == grams[inside]]
        if not len(known):
            return np.zeros(self.texts, dtype=np.int64)
        found = [self._postings[self._bounds[each] : self._bounds[each + 1]] for each in known]
        return np.bincount(np.concatenate(found), minlength=self.texts)


def trigrams(text: str) -> NDArray[np.uint64]:
    """The distinct trigrams of a text, as numbers in order."""
    return np.unique(_pairs([text])[0])


def inside(grams: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Those without a space: what has a text in it, even in the middle of a word, has all of these."""
    letter = np.uint64((1 << _LETTER_BITS) - 1)
    found: NDArray[np.uint64] = grams[(grams >> np.uint64(2 * _LETTER_BITS) != _SPACE) & (grams & letter != _SPACE)]
    return found


def _pairs(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Every distinct (trigram, number of the text), ordered by trigram."""
    padded = ["".join(f"  {word} " for word in text.split()) + " " for text in texts]
    lengths = np.fromiter(map(len, padded), dtype=np.int64, count=len(padded))
    letters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    if len(letters) < 3:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64)
    grams = (letters[:-2] << np.uint64(2 * _LETTER_BITS)) | (letters[1:-1] << np.uint64(_LETTER_BITS)) | letters[2:]
    numbers = np.repeat(np.arange(len(texts), dtype=np.int64), lengths)[:-2]
    # one that spans two words, or two texts, has its last letter behind the spaces of a beginning, or is all spaces
    last_two_blank = (letters[1:-1] == _SPACE) & (letters[2:] == _SPACE)
    grams, numbers = grams[~last_two_blank], numbers[~last_two_blank]
    order = np.argsort(grams, kind="stable")  # numbers are in order already
    grams, numbers = grams[order], numbers[order]
    fresh = np.ones(len(grams), dtype=np.bool_)
    fresh[1:] = (grams[1:] != grams[:-1]) | (numbers[1:] != numbers[:-1])
    return grams[fresh], numbers[fresh]

"""How well a text fits a term: what a person would call found, and in which order.

Terms and texts are folded first (`folded`), so that case does not count and a composed letter is the same as a
decomposed one.
"""

from __future__ import annotations

import unicodedata

from metrics_assets.serving.registry.words import SHORTEST_MISTYPED

EXACT = 1.0
BEGINS = 0.9
WORD_BEGINS = 0.8
INSIDE = 0.7
EVERY_WORD = 0.6
MISTYPED = 0.45
_ELSEWHERE = 0.5  # of the same fit in the name
_DESCRIBED = 0.3
APART = str.maketrans(dict.fromkeys("-_/.:", " "))


def folded(text: str) -> str:
    """Without case, compatibility forms and runs of blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


class Term:
    """A folded term, to be compared with one text after another."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = text.split()
        self.parts = text.translate(APART).split()
        # the same words come again in one text after another
        self._nearly: list[dict[str, bool]] = [{} for _ in self.parts]

    def literal_score(self, name: str, elsewhere: str, description: str) -> float:
        """How well a model fits without a typing error, 0 (not at all) to 1.

        Args:
            name, description: folded.
            elsewhere: folded id and provider.
        """
        found = self._literal(name)
        for text, weight in ((elsewhere, _ELSEWHERE), (description, _DESCRIBED)):
            if found < weight:
                found = max(found, weight * self._literal(text))
        if not found and len(self.words) > 1:
            everything = f"{name} {elsewhere} {description}"
            if all(word in everything for word in self.words):
                return _DESCRIBED * EVERY_WORD
        return found

    def mistyped_score(self, name: str, elsewhere: str, description: str) -> float:
        """How well a model fits when a typing error in each word is forgiven, 0 (not at all) to 1."""
        for text, weight in ((name, 1.0), (f"{name} {elsewhere}", _ELSEWHERE), (description, _DESCRIBED)):
            parts = {*text.translate(APART).split(), *text.split()}
            if all(
                word in text or any(self._is_near(at, word, part) for part in parts)
                for at, word in enumerate(self.parts)
            ):
                return weight * MISTYPED
        return 0.0

    def _literal(self, text: str) -> float:
        at = text.find(self.text)
        if at == 0:
            return EXACT if len(text) == len(self.text) else BEGINS
        if at > 0:
            return WORD_BEGINS if not text[at - 1].isalnum() or f" {self.text}" in text else INSIDE
        return EVERY_WORD if len(self.words) > 1 and all(word in text for word in self.words) else 0.0

    def _is_near(self, at: int, word: str, part: str) -> bool:
        known = self._nearly[at].get(part)
        if known is None:
            known = self._nearly[at][part] = _near(word, part)
        return known


def within_one_edit(word: str, other: str) -> bool:
    """Whether one letter inserted, left out, replaced, or two neighbours exchanged, make one of the other."""
    if len(word) > len(other):
        word, other = other, word
    longer = len(other) - len(word)
    if longer > 1:
        return False
    at = 0
    while at < len(word) and word[at] == other[at]:
        at += 1
    if word[at + 1 - longer :] == other[at + 1 :]:
        return True
    return (
        not longer
        and word[at : at + 2] == other[at : at + 2][::-1]
        and word[at + 2 :] == other[at + 2 :]
        and at + 2 <= len(word)
    )


def _near(word: str, part: str) -> bool:
    """Whether a word is a part, or how it begins, but for one edit."""
    if len(word) < SHORTEST_MISTYPED:
        return False
    # an edit of the first letter leaves the second one in its place or beside it; quicker than to look for the edit
    if word[0] != part[:1] and word[1] != part[1:2] and word[1] != part[:1] and word[0] != part[1:2]:
        return False
    lengths = {len(word) - 1, len(word), len(word) + 1}
    return any(within_one_edit(word, part[:length]) for length in lengths if length <= len(part) + 1)

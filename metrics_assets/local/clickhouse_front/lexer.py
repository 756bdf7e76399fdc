"""ClickHouse SQL as tokens: where words, strings, quoted names and brackets are.

Works on bytes, because an INSERT's text is followed by its data, and lazily, so that data is never read as
SQL. What statements mean is `statement`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    WORD = "word"
    QUOTED_NAME = "quoted name"
    STRING = "string"
    NUMBER = "number"
    SYMBOL = "symbol"
    UNFINISHED = "a quote or comment without its end"


@dataclass(frozen=True)
class Token:
    kind: Kind
    text: bytes
    start: int
    """Offset in bytes of the first character."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def keyword(self) -> str:
        """The word in upper case; empty for anything else."""
        return self.text.decode("latin-1").upper() if self.kind is Kind.WORD else ""

    def is_symbol(self, symbol: bytes) -> bool:
        return self.kind is Kind.SYMBOL and self.text == symbol

    @property
    def name(self) -> str | None:
        """The identifier that this token writes, None when it is none."""
        if self.kind is Kind.WORD:
            return self.text.decode("latin-1")
        if self.kind is Kind.QUOTED_NAME:
            return _unescape(self.text[1:-1])
        return None


_TOKEN = re.compile(
    rb"""
      (?P<SKIP>   [\s\x00\xa0]+ | --[^\n]* | \#[\ !][^\n]* | /\*.*?\*/ )
    | (?P<HEREDOC>\$(?P<tag>\w*)\$ .*? \$(?P=tag)\$ )
    | (?P<STRING> '(?: [^'\\] | \\. | '' )*' )
    | (?P<QUOTED_NAME> `(?: [^`\\] | \\. | `` )*` | "(?: [^"\\] | \\. | "" )*" )
    | (?P<WORD>   [A-Za-z_][A-Za-z0-9_$]* )
    | (?P<NUMBER> [0-9][0-9A-Za-z_.]* )
    | (?P<UNFINISHED> ['"`] | /\* )
    | (?P<SYMBOL> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)|(``|\"\"|'')", re.DOTALL)


def tokens(sql: bytes) -> Iterator[Token]:
    """Yield the tokens of `sql` in order; after UNFINISHED there are no more."""
    position = 0
    while position < len(sql):
        match = _TOKEN.match(sql, position)
        if match is None:
            return
        kind = match.lastgroup
        if kind == "tag":
            kind = "HEREDOC"
        if kind == "UNFINISHED":
            yield Token(Kind.UNFINISHED, sql[position:], position)
            return
        if kind != "SKIP":
            yield Token(Kind.STRING if kind == "HEREDOC" else Kind[str(kind)], match[0], position)
        position = match.end()


def unquote_string(token: Token) -> str:
    """Return the text that a STRING token in quotes writes."""
    return _unescape(token.text[1:-1])


def _unescape(quoted: bytes) -> str:
    def character(match: re.Match[bytes]) -> bytes:
        if match[2]:
            return match[2][:1]
        escape = match[1]
        return bytes([int(escape[1:], 16)]) if len(escape) == 3 else escape

    return _ESCAPE.sub(character, quoted).decode("utf-8", "replace")

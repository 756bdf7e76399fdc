"""What the front has to know of a statement before the engine runs it.

Where the data of an INSERT begins, which output format a query names, what a SET sets, and the few things a
client may not do that the engine's rights cannot forbid. Everything else is the engine's own parser's
(`Handle.classify`). Not here: running statements (`execution`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from metrics_assets.local.clickhouse_front.errors import ClickHouseError, access_denied, syntax_error
from metrics_assets.local.clickhouse_front.lexer import Kind, Token, tokens, unquote_string

# Outside the engine's rights are the scalar function `file`, which reads any file, and the table functions `python`
# and `arrowstream`, which read this process's memory, and `eval`, which hides a query in a string.
_FORBIDDEN_FUNCTIONS = frozenset({"arrowstream", "eval", "file", "python"})

# A function may also be handed over by its name: arrayMap(file, paths). After these words a bracket is a list.
_WORDS_BEFORE_LISTS = frozenset({"BY", "IN", "KEY", "INTO", "VALUES", "USING", "ON", "SELECT", "AS", "COLUMNS"})

_IDENTIFIER_PARAMETER = re.compile(rb"\{\s*(\w+)\s*:\s*Identifier\s*\}", re.IGNORECASE)

_WORDS_OF_QUERIES = frozenset({"SELECT", "WITH", "FROM"})


@dataclass(frozen=True)
class InsertWithData:
    """An INSERT that is followed by data."""

    into: bytes
    """The statement up to where FROM INFILE has its place."""
    settings: bytes
    """Its SETTINGS, which come after that; may be empty."""
    input_format: str
    data_start: int
    """Offset in bytes of the data."""


@dataclass(frozen=True)
class Statement:
    """Any other statement, and INSERT ... SELECT."""

    first_word: str
    """In upper case, such as SELECT or SET; `(` for a bracketed query."""
    output_format: str | None
    """The format that the statement itself names."""
    format_start: int
    """Offset in bytes at which INTO OUTFILE has its place: before FORMAT, else after the last token."""
    words: frozenset[str]
    """Every word of it, in upper case."""

    @property
    def is_query(self) -> bool:
        return self.first_word in _WORDS_OF_QUERIES or self.first_word == "("


def analyse(sql: bytes) -> InsertWithData | Statement:
    """Say what `sql` is; `sql` may be the beginning of a body, as long as it holds all but an INSERT's data.

    Raises ClickHouseError for what a client may not do and for a statement without text.
    """
    stream = tokens(sql)
    first = next(stream, None)
    if first is None:
        raise syntax_error("Empty query")
    if first.keyword == "INSERT":
        insert = _insert_with_data(sql, first, stream)
        if insert is not None:
            return insert
    whole = list(tokens(sql))
    _refuse_forbidden(whole)
    output_format, format_start = _trailing_format(whole)
    return Statement(
        first_word=whole[0].keyword or whole[0].text.decode("latin-1"),
        output_format=output_format,
        format_start=format_start,
        words=frozenset(token.keyword for token in whole if token.kind is Kind.WORD),
    )


def _insert_with_data(sql: bytes, insert: Token, stream: Iterator[Token]) -> InsertWithData | None:
    """Return the parts of an INSERT with data; None for INSERT ... SELECT and for what does not parse."""
    seen = [insert]
    depth = 0
    # Until INTO [TABLE] [FUNCTION] and the name have passed, FORMAT and VALUES are names.
    named = False
    settings: Token | None = None
    for token in stream:
        seen.append(token)
        if token.kind is Kind.SYMBOL:
            depth += {b"(": 1, b"[": 1, b"{": 1, b")": -1, b"]": -1, b"}": -1}.get(token.text, 0)
        before = seen[-2]
        if token.is_symbol(b"{") and not named:
            named = True  # the name is a parameter: {table:Identifier}
        if depth or token.name is None:
            if token.keyword in _WORDS_OF_QUERIES and before.is_symbol(b"("):
                return None
            continue
        if not named or before.is_symbol(b"."):
            named = named or token.keyword not in {"INTO", "TABLE", "FUNCTION"}
            continue
        if token.keyword in {"SELECT", "WITH", "FROM", "WATCH", "EXPLAIN"}:
            return None
        if token.keyword == "SETTINGS":
            settings = token
        if token.keyword not in {"VALUES", "FORMAT"}:
            continue
        _refuse_forbidden(seen, in_lists=False)
        into = sql[: settings.start if settings else token.start]
        between = sql[len(into) : token.start]
        if token.keyword == "VALUES":
            return InsertWithData(into, between, "Values", token.end)
        input_format = next(stream, None)
        if input_format is None or input_format.name is None:
            return None
        return InsertWithData(into, between, input_format.name, _data_start(sql, input_format.end))
    return None


def _data_start(sql: bytes, after_format: int) -> int:
    """As ClickHouse has it: after blanks and one newline; a semicolon is an error there too."""
    position = after_format
    while sql[position : position + 1] in (b" ", b"\t", b"\f"):
        position += 1
    if sql[position : position + 1] == b";":
        raise syntax_error("You have excessive ';' symbol before data for INSERT")
    if sql[position : position + 1] == b"\r":
        position += 1
    if sql[position : position + 1] == b"\n":
        position += 1
    return position


def _trailing_format(whole: Sequence[Token]) -> tuple[str | None, int]:
    depth = 0
    last = whole[-1]
    meaningful = [token for token in whole if not token.is_symbol(b";")] or [last]
    found: tuple[str, int] | None = None
    for position, token in enumerate(meaningful):
        if token.kind is Kind.SYMBOL:
            depth += {b"(": 1, b")": -1}.get(token.text, 0)
        following = meaningful[position + 1 : position + 3]
        if depth == 0 and token.keyword == "FORMAT" and following and following[0].kind is Kind.WORD:
            at_end = len(following) == 1 or following[1].keyword == "SETTINGS"
            found = (following[0].text.decode("latin-1"), token.start) if at_end else found
    return found or (None, meaningful[-1].end)


def settings_of_set(sql: bytes) -> dict[str, str] | None:
    """Return what `SET name = value, …` sets (name to SQL literal); None for SET ROLE, parameters and the like."""
    whole = [token for token in tokens(sql) if not token.is_symbol(b";")]
    if not whole or whole[0].keyword != "SET":
        return None
    settings: dict[str, str] = {}
    position = 1
    while position < len(whole):
        rest = whole[position:]
        if len(rest) < 3 or rest[0].kind is not Kind.WORD or not rest[1].is_symbol(b"="):
            return None
        if rest[0].keyword.startswith("PARAM_"):
            return None
        length = _length_until_comma(rest[2:])
        if length == 0:
            return None
        value = rest[2 : 2 + length]
        settings[rest[0].text.decode()] = sql[value[0].start : value[-1].end].decode("utf-8", "surrogateescape")
        position += 2 + length + 1
    return settings


def _length_until_comma(rest: Sequence[Token]) -> int:
    depth = 0
    for length, token in enumerate(rest):
        if token.kind is Kind.SYMBOL:
            depth += {b"(": 1, b"[": 1, b"{": 1, b")": -1, b"]": -1, b"}": -1}.get(token.text, 0)
        if depth == 0 and token.is_symbol(b","):
            return length
    return len(rest)


def refuse_forbidden_parameters(sql: bytes, parameters: Mapping[str, str]) -> None:
    """Refuse {name:Identifier} where the value would hand over the function `file` by its name."""
    for match in _IDENTIFIER_PARAMETER.finditer(sql):
        if parameters.get(match[1].decode()) == "file":
            raise _forbidden("the function file")


def _refuse_forbidden(seen: Sequence[Token], *, in_lists: bool = True) -> None:
    nothing = Token(Kind.SYMBOL, b"", 0)
    for position, token in enumerate(seen):
        before = seen[position - 1] if position else nothing
        before_that = seen[position - 2] if position > 1 else nothing
        after = seen[position + 1] if position + 1 < len(seen) else nothing
        if token.keyword in {"INFILE", "OUTFILE"} and before.keyword in {"FROM", "INTO"}:
            raise _forbidden(f"{before.keyword} {token.keyword}")
        if token.kind is Kind.STRING and unquote_string(token) == "file" and before_that.keyword.startswith("PARAM_"):
            raise _forbidden("the function file, which a parameter of that value could name,")
        if (token.name or "").lower() not in _FORBIDDEN_FUNCTIONS or before.is_symbol(b"."):
            continue
        applied = before.keyword == "APPLY" or before_that.keyword == "APPLY"
        handed_over = (
            in_lists
            and before.is_symbol(b"(")
            and after.is_symbol(b",")
            and before_that.name is not None
            and before_that.keyword not in _WORDS_BEFORE_LISTS
        )
        if after.is_symbol(b"(") or applied or handed_over:
            raise _forbidden(f"the function {token.name}")


def _forbidden(what: str) -> ClickHouseError:
    return access_denied(
        f"metrics: {what} is not available here, because it reads or writes files of the machine that runs the front; "
        "send the data in the request, and receive results in the answer"
    )

"""A public Stack Exchange dump as the application's data: real people's behaviour, with its own truth inside.

What becomes of what:

| dump                        | application                                                                       |
|-----------------------------|-----------------------------------------------------------------------------------|
| user                        | "User"                                                                            |
| question                    | "Model" of the asker, and a "Post" with a "Thread" and one "Image"                |
| answer                      | Published "ModelVersion" of its question (baseModel: the question's first tag,    |
|                             | `untagged` without one), and a "Post" of that version with a "Thread"             |
| up, down vote on an answer  | "ResourceReview", recommended or not, by a voter of its own                       |
| up, down vote on a question | "ImageReaction" Like or Dislike on the question's image, by a voter of its own    |
| favourite                   | "CollectionItem" of the model (of an answer: of the post) in the user's "Collection" |
| comment                     | on a question "Comment", on an answer "CommentV2" in the thread of its post       |
| start of a bounty           | "BuzzTip" on the model from who offers it to the asker; several by one user add up |

Ids are the dump's: "Model", "ModelVersion", "Post", "Thread" and "Image" have the id of their post, votes and
comments keep theirs, a "Collection" has the id of its user. Three things have no id of their own there:

- The voter of a vote, whom the dump hides: user `VOTERS + Id of the vote`. Voters get no "User" row.
- Who owns a post or comment without a user (a deleted account): user `UNKNOWN_USER`, who has a "User" row. The
  report counts these rows.
- Users below zero (-1 is the Community bot): user `UNKNOWN_USER - 1` and so on down, because the counters'
  store holds no negative ids.

Votes carry a day and no time: they happen at its midnight, UTC. Everything else that the dump holds (tag wikis,
votes on deleted posts, acceptances, moderation …) is counted in the report by reason, so that for every file
rows read = rows used + rows unused.

So the dump's own numbers can be checked: for an answer, recommended minus not recommended reviews = Score; for a
question, Likes minus Dislikes = Score, comments = CommentCount, collection items = FavoriteCount.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from metrics_assets.errors import ConfigurationError
from metrics_assets.sample import application
from metrics_assets.sample.dump import find_files, read_rows
from metrics_assets.sample.progress import Progress, silent
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, scalar
from metrics_assets.stores.sqlfile import read, statements

UNKNOWN_USER = 999_999_999
VOTERS = 1_000_000_000

_PACKAGE = "metrics_assets.sample"
_HIGHEST_ID_OF_THE_DUMP = UNKNOWN_USER - 1_000
_HIGHEST_VOTE = 2**31 - 1 - VOTERS
_INCOMPLETE = "without an attribute that every row of its kind has"

Attributes = Mapping[str, str]
Staged = tuple[int | str | None, ...]


@dataclass(frozen=True)
class ImportReport:
    """What an import read and wrote. Files are named `Users`, `Posts`, `Comments`, `Votes`."""

    rows_read: Mapping[str, int]  # by file
    rows_unused: Mapping[str, Mapping[str, int]]  # by file, then by reason
    rows_without_user: Mapping[str, int]  # by file: used rows that `UNKNOWN_USER` stands in for
    rows_written: Mapping[str, int]  # by application table
    seconds: float


def import_stackexchange(stores: Stores, directory: Path, *, progress: Progress = silent) -> ImportReport:
    """Read a dump (`Posts`, `Comments`, `Votes`, `Users`; `.xml` or `.xml.gz`) into the application's tables.

    Of any size: files are streamed and mapped inside Postgres. All or nothing: one transaction.

    Args:
        progress: told the bytes that are read of each file, then the statements that have run.

    Raises:
        ConfigurationError: a file is missing or cannot be read, or the application's tables are not there.
        Refused: the application's tables hold rows; the dump's ids would collide with theirs.
    """
    began = time.monotonic()
    files = find_files(directory)
    with stores.postgres.connection() as connection, connection.transaction():
        application.require_tables(connection)
        application.require_empty_tables(
            connection, application.TABLES, otherwise="Import a dump into an empty database."
        )
        # loading a large dump may take longer than any query of ours is allowed to
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute(read(_PACKAGE, "sql/stackexchange_stage.sql").encode())
        rows_read: dict[str, int] = {}
        incomplete: dict[str, int] = {}
        for name, path in files.items():
            rows_read[name], incomplete[name] = _stage(connection, name, path, progress)
        connection.execute(read(_PACKAGE, "sql/stackexchange_classify.sql").encode())
        rows_written = _map(connection, progress)
        report = ImportReport(
            rows_read=rows_read,
            rows_unused=_unused(connection, incomplete),
            rows_without_user=_without_user(connection),
            rows_written=rows_written,
            seconds=0.0,
        )
    with stores.postgres.connection() as connection:
        application.analyze(connection, rows_written)
    return ImportReport(**{**vars(report), "seconds": time.monotonic() - began})


def _stage(connection: Connection, name: str, path: Path, progress: Progress) -> tuple[int, int]:
    """Copy the usable attributes of a file; returns rows read, and those of them that lack an attribute."""
    table, columns, staged = _STAGES[name]
    read_count = incomplete = 0
    copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    found = read_rows(path, lambda done, total: progress(path.name, done, total))
    try:
        with connection.cursor() as cursor, cursor.copy(copy) as target:
            for row in found:
                read_count += 1
                try:
                    values = staged(row)
                except KeyError:
                    incomplete += 1
                except ValueError as error:
                    raise ConfigurationError(f"{path}: row {dict(row)!r:.300} cannot be used: {error}.") from error
                else:
                    target.write_row(values)
    except (psycopg.errors.UniqueViolation, psycopg.DataError) as error:
        detail = error.diag.message_detail or error.diag.message_primary
        raise ConfigurationError(f"{path} does not hold a whole dump, or holds it twice: {detail}") from error
    return read_count, incomplete


def _user(row: Attributes) -> Staged:
    return _user_id(row["Id"]), row["CreationDate"]


def _post(row: Attributes) -> Staged:
    created = row["CreationDate"]
    return (
        _within(row["Id"], _HIGHEST_ID_OF_THE_DUMP),
        int(row["PostTypeId"]),
        row.get("ParentId"),
        _user_id(row.get("OwnerUserId")),
        row.get("Title"),
        _first_tag(row.get("Tags", "")),
        created,
        row.get("LastActivityDate", created),
    )


def _comment(row: Attributes) -> Staged:
    return row["Id"], row["PostId"], _user_id(row.get("UserId")), row["CreationDate"]


def _vote(row: Attributes) -> Staged:
    voter = row.get("UserId")
    return (
        _within(row["Id"], _HIGHEST_VOTE),
        row["PostId"],
        row["VoteTypeId"],
        None if voter is None else _user_id(voter),
        row.get("BountyAmount"),
        row["CreationDate"],
    )


_STAGES: Mapping[str, tuple[str, tuple[str, ...], Callable[[Attributes], Staged]]] = {
    "Users": ("dump_user", ("id", "created"), _user),
    "Posts": (
        "dump_post",
        ("id", "kind", "parent", "owner", "title", "tag", "created", "active"),
        _post,
    ),
    "Comments": ("dump_comment", ("id", "post", "author", "created"), _comment),
    "Votes": ("dump_vote", ("id", "post", "kind", "voter", "bounty", "created"), _vote),
}


def _user_id(value: str | None) -> int:
    if value is None:
        return UNKNOWN_USER
    number = _within(value, _HIGHEST_ID_OF_THE_DUMP)
    return number if number >= 0 else UNKNOWN_USER + number


def _within(value: str, highest: int) -> int:
    number = int(value)
    if not -1_000 < number <= highest:
        raise ValueError(f"the id {number} is not between -999 and {highest}, the room that the import has")
    return number


def _first_tag(tags: str) -> str | None:
    """The first of `<a><b>`, or of `|a|b|` as newer dumps write it."""
    return next(filter(None, re.split(r"[<>|]+", tags)), None)


def _map(connection: Connection, progress: Progress) -> Mapping[str, int]:
    script = statements(read(_PACKAGE, "sql/stackexchange_map.sql"))
    written: dict[str, int] = {}
    for number, (table, statement) in enumerate(_by_table(script), start=1):
        done = connection.execute(statement.encode(), {"unknown": UNKNOWN_USER, "voters": VOTERS})
        written[table] = done.rowcount
        progress("application tables", number, len(script))
    return written


def _by_table(script: list[str]) -> Iterator[tuple[str, str]]:
    for statement in script:
        target = re.match(r'INSERT INTO "(\w+)"', statement)
        assert target is not None, statement
        yield target[1], statement


def _unused(connection: Connection, incomplete: Mapping[str, int]) -> Mapping[str, Mapping[str, int]]:
    found = {name: {_INCOMPLETE: count} if count else {} for name, count in incomplete.items()}
    for name, reason, count in connection.execute(read(_PACKAGE, "sql/stackexchange_unused.sql").encode()):
        found[name][reason] = count
    return found


def _without_user(connection: Connection) -> Mapping[str, int]:
    posts = scalar(connection, "SELECT count(*) FROM post WHERE becomes IS NOT NULL AND owner = %s", UNKNOWN_USER)
    comments = scalar(
        connection, "SELECT count(*) FROM comment WHERE becomes IS NOT NULL AND author = %s", UNKNOWN_USER
    )
    return {"Posts": posts, "Comments": comments}

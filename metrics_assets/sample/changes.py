"""Every kind of change that the application makes to its tables, declared in `sql/changes/*.sql`.

A kind is introduced by a line `-- change: NAME (weight W): what happens`. Its statements share one transaction,
or have one each when the line says `(weight W, apart)`. A first statement that changes nothing ends it; what it
returns are parameters of the next ones.

Places: `{some_review}`, `{other_review}` (two draws) name the id of an existing row, `{new_review}` an id that
is not taken, at times one that a deleted row had; so for every table in `_TABLES`. `{some_tip}`,
`{some_contributor}`, `{some_engagement}` are whole keys, `{a_user}` a user, existing if there are any.
Parameters: `%(now)s`, `%(at)s` (mostly now, at times days ago), `%(at_or_null)s`, `%(chance)s` in [0, 1),
`%(many)s`, `%(few)s`, `%(amount)s`, `%(base_model)s`, `%(reaction)s`.

Not here: changes of the logs (log_changes), and when what happens (traffic).
"""

from __future__ import annotations

import datetime as dt
import functools
import random
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import resources
from typing import Any

from psycopg import sql

from metrics_assets.sample import shape
from metrics_assets.stores.postgres import Connection
from metrics_assets.stores.sqlfile import statements

_TABLES: Mapping[str, str] = {
    "user": "User",
    "model": "Model",
    "version": "ModelVersion",
    "review": "ResourceReview",
    "collection": "Collection",
    "item": "CollectionItem",
    "post": "Post",
    "image": "Image",
    "reaction": "ImageReaction",
    "comment": "Comment",
    "thread": "Thread",
    "thread_comment": "CommentV2",
    "donation": "Donation",
}
_POPULAR = ("some_model", "some_version", "some_image", "some_collection")
_HEADING = re.compile(r"^-- change: (\w+) \(weight ([\d.]+)(, apart)?\): .+$", re.MULTILINE)

_SOME = sql.SQL(
    "(SELECT id FROM {table} WHERE id >= (SELECT min(id) + floor({draw} * (max(id) - min(id) + 1))::integer "
    "FROM {table}) ORDER BY id LIMIT 1)"
)
_NEW = sql.SQL("(SELECT coalesce(max(id), 0) + 1 + floor({draw} * 4)::integer FROM {table})")
_A_USER = sql.SQL("coalesce({some}, 1 + floor({draw} * 500)::integer)")
_SOME_TIP = sql.SQL(
    '(SELECT "entityType", "entityId", "fromUserId" FROM "BuzzTip" WHERE ("entityType", "entityId") >= '
    "(CASE WHEN {draw} < 0.2 THEN 'Image' ELSE 'Model' END, {some}) "
    'ORDER BY "entityType", "entityId", "fromUserId" LIMIT 1)'
)
_SOME_CONTRIBUTOR = sql.SQL(
    '(SELECT "userId", "collectionId" FROM "CollectionContributor" WHERE "userId" >= {some} '
    'ORDER BY "userId", "collectionId" LIMIT 1)'
)
_SOME_ENGAGEMENT = sql.SQL(
    '(SELECT "userId", "targetUserId" FROM "UserEngagement" WHERE "userId" >= {some} '
    'ORDER BY "userId", "targetUserId" LIMIT 1)'
)


@dataclass(frozen=True)
class TableChange:
    """One kind of change of the application's tables."""

    name: str
    weight: float
    apart: bool  # a transaction for each statement
    statements: Sequence[sql.Composed]

    def apply(self, connection: Connection, rng: random.Random) -> int:
        """Make the change once; returns the rows that were touched, 0 when it found nothing to do.

        The connection may be in a transaction already.
        """
        parameters = _parameters(rng)
        touched = 0
        with nullcontext() if self.apart else connection.transaction(), connection.cursor() as cursor:
            for statement in self.statements:
                cursor.execute(statement, parameters)
                if touched == 0 and cursor.rowcount < 1:
                    return 0
                touched += cursor.rowcount
                if cursor.description:
                    row = cursor.fetchone()
                    names = [column.name for column in cursor.description]
                    parameters.update(zip(names, row or (), strict=False))
        return touched


@functools.cache
def table_changes() -> Sequence[TableChange]:
    """All kinds, in the order of the files."""
    folder = resources.files("metrics_assets.sample") / "sql" / "changes"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(change for file in files for change in _parse(file.read_text(encoding="utf-8")))


def _parse(script: str) -> list[TableChange]:
    places = _places()
    _, *parts = _HEADING.split(script)
    return [
        TableChange(
            name=name,
            weight=float(weight),
            apart=bool(apart),
            # the files of the package are as trusted as its code
            statements=[sql.SQL(text).format(**places) for text in statements(body)],
        )
        for name, weight, apart, body in zip(parts[0::4], parts[1::4], parts[2::4], parts[3::4], strict=True)
    ]


def _places() -> Mapping[str, sql.Composable]:
    places: dict[str, sql.Composable] = {}
    for word, table in _TABLES.items():
        for which, template in (("some", _SOME), ("other", _SOME), ("new", _NEW)):
            name = f"{which}_{word}"
            places[name] = template.format(table=sql.Identifier(table), draw=sql.Placeholder(name))
    chance = sql.Placeholder("chance")
    places["a_user"] = _A_USER.format(some=places["some_user"], draw=chance)
    places["some_tip"] = _SOME_TIP.format(some=places["some_model"], draw=chance)
    places["some_contributor"] = _SOME_CONTRIBUTOR.format(some=places["a_user"])
    places["some_engagement"] = _SOME_ENGAGEMENT.format(some=places["a_user"])
    return places


def _parameters(rng: random.Random) -> dict[str, Any]:
    draws = {f"{which}_{word}": rng.random() for word in _TABLES for which in ("some", "other", "new")}
    # half of what happens, happens to few
    draws |= {name: draws[name] ** 4 for name in _POPULAR if rng.random() < 0.5}
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    at = now - random_delay(rng)
    return {
        **draws,
        "now": now,
        "at": at,
        "at_or_null": None if rng.random() < 0.05 else at,
        "chance": rng.random(),
        "many": rng.randint(2, 40),
        "few": rng.randint(1, 5),
        "amount": rng.choice((50, 100, 250, 1_000)),
        "base_model": rng.choice(shape.BASE_MODELS.names),
        "reaction": rng.choice(shape.REACTIONS.names),
    }


def random_delay(rng: random.Random) -> dt.timedelta:
    """How long ago something happened that is only written now: mostly not at all, at times days."""
    kind = rng.random()
    if kind < 0.8:
        return dt.timedelta(0)
    return dt.timedelta(hours=rng.expovariate(1.0)) if kind < 0.95 else dt.timedelta(days=rng.uniform(0, 30))

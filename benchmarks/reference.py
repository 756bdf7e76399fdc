"""The batch algorithms that this project replaces, written from their description: they recount what moved.

Affected models are those of versions whose row in "ModelVersionMetric" moved since the last run. Their sorted ids are
split in batches; each batch is counted whole, merged by (model, base model) and upserted as JSON records.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import psycopg

from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection

_SET_UP = (
    "DROP SCHEMA IF EXISTS bench CASCADE",
    "CREATE SCHEMA bench",
    'CREATE TABLE bench.output (LIKE "ModelBaseModelMetric" INCLUDING ALL)',
    """CREATE MATERIALIZED VIEW bench.review_stats AS
    SELECT v."modelId", v."baseModel", count(DISTINCT r."userId") AS "thumbsUpCount"
    FROM "ModelVersion" v
    JOIN "ResourceReview" r ON r."modelVersionId" = v.id
    WHERE v.status = 'Published' AND r.recommended AND NOT r.exclude AND NOT r."tosViolation"
    GROUP BY 1, 2""",
    'CREATE UNIQUE INDEX ON bench.review_stats ("modelId", "baseModel")',
)
_AFFECTED = """
SELECT DISTINCT v."modelId"
FROM "ModelVersionMetric" m JOIN "ModelVersion" v ON v.id = m."modelVersionId"
WHERE m."updatedAt" >= %(since)s
ORDER BY 1"""
_SUMS = """
SELECT v."modelId", v."baseModel", sum(m."downloadCount"), sum(m."imageCount")
FROM "ModelVersion" v LEFT JOIN "ModelVersionMetric" m ON m."modelVersionId" = v.id
WHERE v."modelId" = ANY (%(models)s) AND v.status = 'Published'
GROUP BY 1, 2"""
_THUMBS = """
SELECT v."modelId", v."baseModel", count(DISTINCT r."userId")
FROM "ModelVersion" v JOIN "ResourceReview" r ON r."modelVersionId" = v.id
WHERE v."modelId" = ANY (%(models)s) AND v.status = 'Published'
  AND r.recommended AND NOT r.exclude AND NOT r."tosViolation"
GROUP BY 1, 2"""
_COMBINED = f"""
SELECT "modelId", "baseModel", coalesce(downloads, 0), coalesce(images, 0), coalesce(thumbs, 0)
FROM ({_SUMS}) s ("modelId", "baseModel", downloads, images)
FULL JOIN ({_THUMBS}) t ("modelId", "baseModel", thumbs) USING ("modelId", "baseModel")"""
_UPSERT = """
INSERT INTO bench.output AS o ("modelId", "baseModel", "downloadCount", "imageCount", "thumbsUpCount", "updatedAt")
SELECT "modelId", "baseModel", "downloadCount", "imageCount", "thumbsUpCount", localtimestamp
FROM jsonb_to_recordset(%(records)s::jsonb) AS record
     ("modelId" integer, "baseModel" text, "downloadCount" integer, "imageCount" integer, "thumbsUpCount" integer)
ON CONFLICT ("modelId", "baseModel") DO UPDATE
SET "downloadCount" = excluded."downloadCount", "imageCount" = excluded."imageCount",
    "thumbsUpCount" = excluded."thumbsUpCount", "updatedAt" = excluded."updatedAt" """


@dataclass(frozen=True)
class Form:
    """One form of the batch algorithm.

    Attributes:
        batch: models of one batch.
        at_once: batches at once.
        split: two queries of a batch at once, merged here; one combined query otherwise.
        chunk: records of one upsert.
        chunks_at_once: upserts at once.
    """

    name: str
    batch: int
    at_once: int
    split: bool
    chunk: int
    chunks_at_once: int


FIRST = Form("recount by batches, first form", batch=200, at_once=1, split=False, chunk=100, chunks_at_once=1)
SECOND = Form("recount by batches, second form", batch=500, at_once=5, split=True, chunk=250, chunks_at_once=10)


@dataclass(frozen=True)
class Recounted:
    """What one run of a form did."""

    models: int
    records: int


class Reference:
    """Sessions of the batch algorithms, and the tables that they write, beside those of the project."""

    def __init__(self, stores: Stores) -> None:
        self._stack = ExitStack()
        self._sessions: SimpleQueue[Connection] = SimpleQueue()
        self._threads = self._stack.enter_context(ThreadPoolExecutor(40))
        for _ in range(max(2 * SECOND.at_once, SECOND.chunks_at_once)):
            session = psycopg.connect(stores.postgres.dsn, autocommit=True, application_name="reference")
            session.execute("SET jit = off")
            session.execute("SET timezone = 'UTC'")
            self._sessions.put(self._stack.enter_context(session))
        for statement in _SET_UP:
            self._run(statement)

    def close(self) -> None:
        """End the sessions."""
        self._run("DROP SCHEMA bench CASCADE")
        self._stack.close()

    def recount(self, form: Form, since: dt.datetime) -> Recounted:
        """Count every affected model anew and upsert it.

        Args:
            since: when the last run began, UTC without zone, as the output's updatedAt.
        """
        models = [int(model) for (model,) in self._run(_AFFECTED, since=since)]
        batches = [models[i : i + form.batch] for i in range(0, len(models), form.batch)]
        with ThreadPoolExecutor(form.at_once) as together:
            records = sum(together.map(lambda batch: self._batch(form, batch), batches))
        return Recounted(len(models), records)

    def refresh(self) -> int:
        """The third form: the materialized view, refreshed concurrently; returns its rows."""
        self._run("REFRESH MATERIALIZED VIEW CONCURRENTLY bench.review_stats")
        return int(self._run("SELECT count(*) FROM bench.review_stats")[0][0])

    def _batch(self, form: Form, models: Sequence[int]) -> int:
        if form.split:
            sums = self._threads.submit(self._run, _SUMS, models=models)
            thumbs = self._threads.submit(self._run, _THUMBS, models=models)
            merged: dict[tuple[int, str], list[int]] = {
                (model, base): [int(downloads or 0), int(images or 0), 0]
                for model, base, downloads, images in sums.result()
            }
            for model, base, count in thumbs.result():
                merged.setdefault((model, base), [0, 0, 0])[2] = int(count)
            found = [(*key, *numbers) for key, numbers in merged.items()]
        else:
            found = self._run(_COMBINED, models=models)
        records = [
            dict(zip(("modelId", "baseModel", "downloadCount", "imageCount", "thumbsUpCount"), row, strict=True))
            for row in found
        ]
        chunks = [json.dumps(chunk, default=int) for chunk in _chunks(records, form.chunk)]
        if form.chunks_at_once == 1:
            for chunk in chunks:
                self._run(_UPSERT, records=chunk)
        else:
            list(self._threads.map(lambda chunk: self._run(_UPSERT, records=chunk), chunks))
        return len(records)

    def _run(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        session = self._sessions.get()
        try:
            cursor = session.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []
        finally:
            self._sessions.put(session)


def _chunks(records: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(records), size):
        yield records[first : first + size]

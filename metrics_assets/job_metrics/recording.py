"""The operation that brings a batch of updates into the figures: set-based, whatever the number of clients.

Its transaction takes idempotency keys, locks the client runs in the order of their key, and writes each once. Figures
that were read under the lock and written before its end cannot lose an update of somebody else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeGuard

from psycopg import sql

from metrics_assets.catalog.job_metrics import STATUS, JobMetric
from metrics_assets.errors import ConfigurationError
from metrics_assets.job_metrics import merge, values
from metrics_assets.job_metrics.operations import EVERY_CLIENT, Operation, Rows, file, listed, resolve, see, share
from metrics_assets.job_metrics.records import ClientUpdate, Recorded, Rejected

Key: TypeAlias = tuple[str, str]

_LONGEST_ID = 200


@dataclass(frozen=True)
class ReadUpdate:
    """An update with its values read and its run id in the one form."""

    key: Key
    change: merge.Change
    rejected: tuple[Rejected, ...]
    idempotency_key: str | None


def record(updates: Sequence[ClientUpdate], known: Sequence[JobMetric], now: dt.datetime) -> Operation[Recorded]:
    """Bring updates into the figures, in their order.

    Args:
        known: the metrics that there are; values of others are left out.
        now: when an update without `at` was measured.

    Raises:
        ConfigurationError: a run id, client id, key, mode or time that cannot be used; nothing is recorded.
    """
    clients = {client_id(update.client_id) for update in updates}
    yield from see(clients.pop() if len(clients) == 1 else EVERY_CLIENT)
    resolved: dict[str, str] = {}
    for spelled in sorted({str(update.run_id) for update in updates}):
        resolved[spelled] = yield from resolve(spelled)
    every = [_read(update, resolved[str(update.run_id)], known, now) for update in updates]
    late = yield from share(resolved.values())
    fresh = yield from _not_yet_applied(every)
    changes: dict[Key, list[merge.Change]] = {}
    for update in fresh:
        changes.setdefault(update.key, []).append(update.change)
    if changes:
        yield from _write(changes, {metric.name: metric for metric in known})
    rejected = tuple(found for update in fresh for found in update.rejected)
    if rejected:
        yield file("rejected_keep"), _rejected_columns(rejected)
    return Recorded(
        updates_applied=len(fresh),
        updates_repeated=len(every) - len(fresh),
        client_runs=len(changes),
        rejected=rejected,
        # repetitions too: the first try may have died between its figures and the totals
        late_run_ids=tuple(sorted(late)),
    )


def client_id(given: object) -> str:
    """A client id that can be one.

    Raises:
        ConfigurationError: it is no string, empty, too long, or `*`, which stands for every client.
    """
    if not _is_id(given) or given == EVERY_CLIENT:
        raise ConfigurationError(
            f"The client id {given!r} cannot be used: 1 to {_LONGEST_ID} characters that Postgres takes, and not '*'."
        )
    return given


def _is_id(given: object) -> TypeGuard[str]:
    return isinstance(given, str) and 0 < len(given) <= _LONGEST_ID and values.is_storable(given)


def _read(update: ClientUpdate, run_id: str, known: Sequence[JobMetric], now: dt.datetime) -> ReadUpdate:
    if update.mode not in ("add", "set"):
        raise ConfigurationError(f"mode={update.mode!r}: use 'add' or 'set'.")
    key = update.idempotency_key
    if key is not None and not _is_id(key):
        raise ConfigurationError(
            f"The idempotency key {key!r} cannot be used: 1 to {_LONGEST_ID} characters that Postgres takes."
        )
    try:
        at = now if update.at is None else values.moment(update.at)
    except ValueError as error:
        raise ConfigurationError(f"at={update.at!r}: {error}.") from error
    found = values.read(update.metrics, known)
    notes = None if update.notes is None else values.storable(update.notes)
    return ReadUpdate(
        (run_id, update.client_id),
        merge.Change(found.values, update.mode, at, update.reopen, notes),
        tuple(Rejected(run_id, update.client_id, rejection) for rejection in found.rejections),
        key,
    )


def _not_yet_applied(updates: Sequence[ReadUpdate]) -> Operation[list[ReadUpdate]]:
    keyed = [(*update.key, update.idempotency_key) for update in updates if update.idempotency_key is not None]
    if not keyed:
        return list(updates)
    runs, clients, keys = zip(*keyed, strict=True)
    taken = yield file("keys_take"), {"run_ids": list(runs), "client_ids": list(clients), "keys": list(keys)}
    free = {tuple(row) for row in taken}
    fresh = []
    for update in updates:
        # discarded, so that the second of two equal keys in one batch is a repetition too
        key = (*update.key, update.idempotency_key)
        if update.idempotency_key is None or key in free:
            fresh.append(update)
            free.discard(key)
    return fresh


def _write(changes: Mapping[Key, Sequence[merge.Change]], known: Mapping[str, JobMetric]) -> Operation[None]:
    named = sorted({name for several in changes.values() for change in several for name in change.values})
    metrics = [known[name] for name in named if name != STATUS.name]
    keys = sorted(changes)
    ids = {"run_ids": [run_id for run_id, _ in keys], "client_ids": [client for _, client in keys]}
    yield file("clients_missing"), ids
    found = yield file("clients_lock", columns=listed(_columns(metrics, "row."))), ids
    after = []
    for row in found:
        figures = _figures(row, metrics)
        for change in changes[(row[0], row[1])]:
            figures = merge.apply(figures, change, known)
        after.append(figures)
    yield (
        file(
            "clients_write",
            assignments=listed(sql.SQL("{0} = new.{0}").format(column) for column in _columns(metrics)),
            arrays=listed(_arrays(metrics)),
            columns=listed(_columns(metrics)),
        ),
        _parameters(found, after, metrics),
    )


def _columns(metrics: Iterable[JobMetric], prefix: str = "") -> list[sql.Composed]:
    """The columns of the metrics: the value, and beside a `last` one its time."""
    names = [
        name for metric in metrics for name in (metric.column, *([f"{metric.column}_at"] if metric.is_last else []))
    ]
    return [sql.Composed([sql.SQL(prefix), sql.Identifier(name)]) for name in names]


def _arrays(metrics: Iterable[JobMetric]) -> list[sql.Composed]:
    arrays = []
    for metric in metrics:
        arrays.append(
            sql.SQL("{}::{}[]").format(sql.Placeholder(metric.column), sql.SQL(metric.sql_type.split("(")[0]))
        )
        if metric.is_last:
            arrays.append(sql.SQL("{}::timestamptz[]").format(sql.Placeholder(f"{metric.column}_at")))
    return arrays


def _figures(row: tuple[Any, ...], metrics: Iterable[JobMetric]) -> merge.Figures:
    _, _, status, status_at, reopened_at, notes, *cells = row
    found: dict[str, values.Value] = {}
    moments: dict[str, dt.datetime] = {}
    rest = iter(cells)
    for metric in metrics:
        value = next(rest)
        at = next(rest) if metric.is_last else None
        if value is not None:
            found[metric.name] = value
        if at is not None:
            moments[metric.name] = at
    return merge.Figures(status, status_at or merge.NEVER, reopened_at, notes, found, moments)


def _parameters(found: Rows, after: Sequence[merge.Figures], metrics: Iterable[JobMetric]) -> dict[str, object]:
    parameters: dict[str, object] = {
        "run_ids": [row[0] for row in found],
        "client_ids": [row[1] for row in found],
        "status": [figures.status for figures in after],
        "status_at": [None if figures.status_at == merge.NEVER else figures.status_at for figures in after],
        "reopened_at": [figures.reopened_at for figures in after],
        "notes": [figures.notes for figures in after],
    }
    for metric in metrics:
        parameters[metric.column] = [figures.values.get(metric.name) for figures in after]
        if metric.is_last:
            parameters[f"{metric.column}_at"] = [figures.moments.get(metric.name) for figures in after]
    return parameters


def _rejected_columns(rejected: Iterable[Rejected]) -> dict[str, object]:
    every = list(rejected)
    return {
        "run_ids": [one.run_id for one in every],
        "client_ids": [one.client_id for one in every],
        "metrics": [one.rejection.metric for one in every],
        "values": [one.rejection.value for one in every],
        "reasons": [one.rejection.reason for one in every],
    }

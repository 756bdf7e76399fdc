"""Counting entities anew, and having every set write them again: for an operator, and for all models in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metrics_assets.catalog import LOG_CONTRIBUTIONS, LOGS, SETS, SOURCES
from metrics_assets.errors import ConfigurationError
from metrics_assets.pipeline import guard, restored
from metrics_assets.pipeline.drain import drain_chunk
from metrics_assets.pipeline.logs import count_entities
from metrics_assets.pipeline.recount import Scope
from metrics_assets.pipeline.refresh import mark_ids
from metrics_assets.pipeline.repairs import mark_dirty, repair, with_parents
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets.stores.postgres import Connection, Lock, locked, rows

ENTITIES = tuple(dict.fromkeys(output.entity for chosen in SETS for output in chosen.outputs))


def recompute(stores: Stores, settings: Settings, entity: str, ids: Sequence[int]) -> int:
    """Count entities from their sources, with their parents, and make their keys dirty for every set.

    The next tick of each set writes them and tells every store, also of those that do not exist.

    Returns:
        How many entities were counted, parents included.

    Raises:
        ConfigurationError: no set shows entities of that type.
    """
    if entity not in ENTITIES:
        raise ConfigurationError(f"There are no counters of {entity!r}. Use one of: {', '.join(ENTITIES)}.")
    with stores.postgres.connection() as connection, locked(connection, Lock.REPAIR):
        guard.check(connection)
        restored.look(stores, connection)
        entities = _with_relatives(connection, entity, set(ids))
        drain_chunk(connection, chunk_rows=settings.drain_chunk_rows, recount=Scope(SOURCES, entities))
        _count_logs_and_mark(stores, connection, entities)
        mark_ids(connection, entity, sorted(set(ids)))
    return sum(len(found) for found in entities.values())


def recompute_slice(stores: Stores, settings: Settings, number: int, slices: int) -> int:
    """Compare the totals of every model with id % slices = number with a recount, and mend those that differ.

    Every set then writes and announces these models, their versions and pairs, so rows, totals and hashes that somebody
    changed are mended too. Ticks do not wait for the comparison.

    Returns:
        How many entities were compared.
    """
    with stores.postgres.connection() as connection, locked(connection, Lock.REPAIR):
        guard.check(connection)
        restored.look(stores, connection)
        found = rows(connection, 'SELECT id FROM "Model" WHERE id %% %s = %s', slices, number)
        entities = _with_relatives(connection, "Model", {int(model) for (model,) in found})
        repair(connection, Scope(SOURCES, entities), settings)
        _count_logs_and_mark(stores, connection, entities)
    return sum(len(compared) for compared in entities.values())


def _with_relatives(connection: Connection, entity: str, chosen: set[int]) -> dict[str, list[int]]:
    """The entities, versions of models among them, posts of these, and the models of all versions."""
    wanted = {entity: chosen}
    if entity == "Model":
        versions = rows(connection, 'SELECT id FROM "ModelVersion" WHERE "modelId" = ANY (%s)', sorted(chosen))
        wanted["ModelVersion"] = {int(number) for (number,) in versions}
    posts = rows(
        connection,
        'SELECT id FROM "Post" WHERE "modelVersionId" = ANY (%s)',
        sorted(wanted.get("ModelVersion", ())),
    )
    entities = with_parents(connection, {**wanted, "Post": {int(number) for (number,) in posts}})
    entities["Model"] = sorted({*entities.get("Model", ()), *wanted.get("Model", ())})
    return entities


def _count_logs_and_mark(stores: Stores, connection: Connection, entities: Mapping[str, Sequence[int]]) -> None:
    for log in LOGS:
        if any(contribution.log == log for contribution in LOG_CONTRIBUTIONS):
            count_entities(stores, connection, log, entities.get("ModelVersion", ()))
    mark_dirty(connection, [chosen_set.name for chosen_set in SETS], entities)

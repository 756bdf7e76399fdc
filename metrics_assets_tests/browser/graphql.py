"""Dagster's own account of what the pages show: read only, to cross-check them."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

_REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "metrics_assets"}

_EDGES = "{ assetNodes { assetKey { path } dependencyKeys { path } } }"
_TICKS = """
query ($schedule: ScheduleSelector!) {
  scheduleOrError(scheduleSelector: $schedule) {
    ... on Schedule { scheduleState { status ticks(limit: 20) { status runIds skipReason } } }
  }
}
"""
_RUN = """
query ($run: ID!) {
  runOrError(runId: $run) { ... on Run { status tags { key value } assetSelection { path } } }
}
"""
_BACKFILL_RUNS = """
query ($backfill: String!) {
  partitionBackfillOrError(backfillId: $backfill) {
    ... on PartitionBackfill { status runs(limit: 10) { id status tags { key value } } }
  }
}
"""
_MATERIALIZATIONS = """
query ($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    ... on Asset {
      assetMaterializations(limit: 1000) {
        timestamp partition runId
        metadataEntries { label ... on TextMetadataEntry { text } ... on IntMetadataEntry { intValue } }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class Tick:
    """One evaluation of a schedule: the runs that it asked for, or why it asked for none."""

    status: str
    runs: tuple[str, ...]
    skip_reason: str | None


@dataclass(frozen=True)
class Run:
    """A run: its status, its tags, and what it was to materialize."""

    status: str
    tags: dict[str, str]
    assets: frozenset[str]


@dataclass(frozen=True)
class Materialization:
    """One materialization event, with those of its metadata that are text or whole numbers."""

    at_ms: int
    partition: str
    run: str
    metadata: dict[str, str | int | None]


class Dagster:
    """The GraphQL endpoint of one webserver."""

    def __init__(self, url: str) -> None:
        self._endpoint = f"{url}/graphql"

    def upstream(self) -> dict[str, frozenset[str]]:
        """Every asset with the assets that it is made from."""
        nodes = self._ask(_EDGES)["assetNodes"]
        return {_key(node["assetKey"]): frozenset(map(_key, node["dependencyKeys"])) for node in nodes}

    def ticks(self, schedule: str) -> tuple[str, list[Tick]]:
        """Whether the schedule is RUNNING or STOPPED, and its latest ticks."""
        state = self._ask(_TICKS, schedule={**_REPOSITORY, "scheduleName": schedule})["scheduleOrError"][
            "scheduleState"
        ]
        ticks = [Tick(tick["status"], tuple(tick["runIds"]), tick["skipReason"]) for tick in state["ticks"]]
        return state["status"], ticks

    def run(self, run_id: str) -> Run:
        """A run by its full id."""
        found = self._ask(_RUN, run=run_id)["runOrError"]
        return Run(found["status"], _tags(found["tags"]), frozenset(map(_key, found["assetSelection"] or [])))

    def backfill_runs(self, backfill_id: str) -> tuple[str, list[str]]:
        """Status of a backfill, and the ids of its runs."""
        found = self._ask(_BACKFILL_RUNS, backfill=backfill_id)["partitionBackfillOrError"]
        return found["status"], [run["id"] for run in found["runs"]]

    def materializations(self, asset: str) -> list[Materialization]:
        """The latest materializations of an asset by runs, or told while it was idle; newest first."""
        found = self._ask(_MATERIALIZATIONS, key={"path": asset.split("/")})["assetOrError"]
        told = [
            Materialization(
                at_ms=int(event["timestamp"]),
                partition=event["partition"],
                run=event["runId"],
                metadata={
                    entry["label"]: entry.get("text", entry.get("intValue")) for entry in event["metadataEntries"]
                },
            )
            for event in found.get("assetMaterializations", [])
        ]
        # the days of the first load are told a little at a time, among the ticks
        return [event for event in told if event.metadata.get("mode") != "load"]

    def _ask(self, query: str, **variables: object) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._endpoint, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        assert "errors" not in told, told["errors"]
        data: dict[str, Any] = told["data"]
        return data


def _key(key: dict[str, list[str]]) -> str:
    return "/".join(key["path"])


def _tags(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in tags}

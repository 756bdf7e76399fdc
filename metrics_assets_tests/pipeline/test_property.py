"""Random workloads with ticks and rebuilds in any order: after each tick, verify finds no difference."""

from __future__ import annotations

import random
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test

from metrics_assets.pipeline.rebuild import rebuild
from metrics_assets.sample.traffic import apply_random_change
from metrics_assets.settings import Settings
from metrics_assets.stores import Stores
from metrics_assets_tests.pipeline.application import TODAY, fill, tick_exact
from metrics_assets_tests.pipeline.workload import Workload

_QUICK = hypothesis.settings(
    max_examples=5,
    stateful_step_count=10,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # an example is dear: what fails is shrunk by hand, or in the long profile
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
_LONG = hypothesis.settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def _machine(stores: Stores, settings: Settings) -> type[Workload]:
    return type("BoundWorkload", (Workload,), {"stores": stores, "settings": settings})


def test_whatever_happens_the_next_tick_is_exact(stores: Stores, settings: Settings) -> None:
    run_state_machine_as_test(_machine(stores, settings), settings=_QUICK)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whatever_happens_for_long_the_next_tick_is_exact(stores: Stores, settings: Settings, tmp_path: Path) -> None:
    database = hypothesis.database.DirectoryBasedExampleDatabase(tmp_path)
    run_state_machine_as_test(_machine(stores, settings), settings=hypothesis.settings(_LONG, database=database))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2])
def test_one_long_life_of_an_application_stays_exact(stores: Stores, settings: Settings, seed: int) -> None:
    """Thousands of changes on a state that grows, instead of many short lives."""
    rng = random.Random(seed)
    fill(stores)
    small = settings.model_copy(update={"drain_chunk_rows": 3, "set_chunk_keys": 2})
    for number in range(40):
        for _ in range(rng.randint(1, 60)):
            apply_random_change(stores, rng)
        if rng.random() < 0.2:
            rebuild(stores, settings, rng.choice(["model_metrics", "base_model_metrics"]), settings.start_date, TODAY)
        tick_exact(stores, small if number % 3 == 0 else settings)

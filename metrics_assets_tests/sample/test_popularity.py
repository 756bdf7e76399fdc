"""When things happen, to whom and by whom."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from metrics_assets.sample.history import DAY, History
from metrics_assets.sample.popularity import Popularity, Visitors, prime_from, zipf_weights

_NOON = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


def test_visitors_of_one_entity_are_distinct_until_all_users_have_come() -> None:
    visitors = Visitors(entities=3, users=101)
    entity = np.zeros(120, dtype=np.int64)
    users = visitors.users(entity, visitors.numbers(entity))
    assert sorted(users[:101]) == list(range(101))
    assert set(users[101:]) == {-1}


def test_visits_count_on_over_calls_and_for_each_entity_alone() -> None:
    visitors = Visitors(entities=3, users=101)
    assert list(visitors.numbers(np.array([2, 0, 2, 2]))) == [0, 0, 1, 2]
    assert list(visitors.numbers(np.array([0, 1, 2]))) == [1, 0, 3]


@pytest.mark.parametrize(("number", "prime"), [(20, 23), (23, 23), (40_000, 40_009)])
def test_the_number_of_users_is_a_prime(number: int, prime: int) -> None:
    assert prime_from(number) == prime


def test_nothing_happens_to_an_entity_before_it_is_born() -> None:
    history = History.until(_NOON, days=100)
    rng = np.random.default_rng(1)
    born = np.sort(rng.integers(history.begin, history.end, 500))
    born[0] = history.begin
    popularity = Popularity.of(rng, born, zipf_weights(rng, 500), history)
    at = np.concatenate(list(history.moments(rng, 5_000)))
    ordinary = at // DAY * DAY != history.viral_day
    assert np.all(born[popularity.draw(rng, at)][ordinary] <= at[ordinary])


def test_moments_are_as_many_as_asked_in_order_and_not_after_the_end() -> None:
    history = History.until(_NOON, days=30)
    at = np.concatenate(list(history.moments(np.random.default_rng(1), 10_000)))
    assert len(at) == 10_000
    assert np.all(np.diff(at) >= 0)
    assert history.begin <= at[0]
    assert at[-1] <= history.end

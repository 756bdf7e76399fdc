"""Routing: a share of the users, the same ones always, and the others not at all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pytest

from metrics_assets.errors import ConfigurationError
from metrics_assets.serving.registry import ModelConfig, ModelRegistry, UnknownModel
from metrics_assets.serving.registry.routing import Routed, place_of
from metrics_assets_tests.serving.waiting import until

_USERS = range(1, 5_001)


@pytest.fixture
def two(models: Callable[..., ModelConfig]) -> None:
    models("old")
    models("new")


@pytest.mark.usefixtures("two")
def test_the_share_of_the_users_is_served_by_the_other_model(registry: ModelRegistry) -> None:
    registry.start_route("trial", "old", "new", 0.2)
    served = [registry.route("old", user) for user in _USERS]
    treated = [routed for routed in served if routed.model_id == "new"]
    assert {routed.arm for routed in treated} == {"treatment"}
    # the hash is fixed, so is its share: of 5,000 draws at 0.2, four standard deviations are 113
    assert abs(len(treated) - 1_000) < 113
    assert registry.route("new", 1).route_id is None


@pytest.mark.usefixtures("two")
def test_a_user_is_served_alike_in_every_process(registry: ModelRegistry, other: ModelRegistry) -> None:
    registry.start_route("trial", "old", "new", 0.1)
    until(lambda: other.route("old", 1).route_id == "trial")
    before = {user for user in _USERS if registry.route("old", user).arm == "treatment"}
    assert before == {user for user in _USERS if other.route("old", user).arm == "treatment"}
    assert before == {user for user in _USERS if place_of("trial", user) < 1_000}


def test_the_place_of_a_user_never_changes_between_versions_of_the_program() -> None:
    assert [place_of("trial", user) for user in (1, 2, 40_000)] == [3596, 5312, 7955]


@pytest.mark.usefixtures("two")
def test_a_route_that_has_ended_serves_nobody_and_its_id_is_not_used_again(registry: ModelRegistry) -> None:
    route = registry.start_route("trial", "old", "new", 1)
    assert (route.share, registry.route("old", 7).model_id) == (Decimal(1), "new")
    registry.end_route("trial")
    assert registry.route("old", 7).model_id == "old"
    with pytest.raises(ConfigurationError, match="choose an id that was not used"):
        registry.start_route("trial", "old", "new", 1)
    with pytest.raises(ConfigurationError, match="no open route 'trial'"):
        registry.end_route("trial")


@pytest.mark.usefixtures("two")
def test_a_route_that_makes_no_sense_is_refused(registry: ModelRegistry) -> None:
    for share in (-0.1, 1.1):
        with pytest.raises(ConfigurationError, match="use 0 to 1"):
            registry.start_route("trial", "old", "new", share)
    with pytest.raises(ConfigurationError, match="to itself"):
        registry.start_route("trial", "old", "old", 0.5)
    with pytest.raises(UnknownModel):
        registry.start_route("trial", "old", "gone", 0.5)
    registry.start_route("trial", "old", "new", 0.5)
    with pytest.raises(ConfigurationError, match="has an open one"):
        registry.start_route("second", "old", "new", 0.5)


@pytest.mark.parametrize("gone", ["deleted", "disabled", "draft"])
@pytest.mark.usefixtures("two")
def test_a_model_that_is_not_offered_serves_nobody(
    registry: ModelRegistry, caplog: pytest.LogCaptureFixture, gone: str
) -> None:
    registry.start_route("trial", "old", "new", 1)
    assert registry.route("old", 7).model_id == "new"
    if gone == "deleted":
        registry.delete("new")
    else:
        registry.update("new", status=gone)
    assert registry.route("old", 7) == Routed("old", "trial", "control")
    assert "'new' is not offered any more, and is to serve the users of the route 'trial'" in caplog.text


@pytest.mark.filterwarnings("ignore::metrics_assets.serving.registry.ModelDeprecated")
@pytest.mark.parametrize("gone", ["deleted", "disabled", "draft"])
@pytest.mark.usefixtures("two")
def test_a_replacement_that_is_not_offered_replaces_nothing(
    registry: ModelRegistry, models: Callable[..., ModelConfig], caplog: pytest.LogCaptureFixture, gone: str
) -> None:
    registry.deprecate("old", retires_at=dt.datetime.now(dt.UTC), replaced_by="new")
    if gone == "deleted":
        registry.delete("new")
    else:
        registry.update("new", status=gone)
    assert "is to serve the users of 'old'" in caplog.text
    with pytest.raises(ConfigurationError, match=r"no model replaces it \(old → new\)"):
        registry.route("old", 7)
    if gone != "deleted":
        models("newest")
        registry.update("new", replaced_by="newest")
        assert registry.route("old", 7).model_id == "newest"
        assert registry.route("new", 7).model_id == "newest"


def test_a_model_that_does_not_exist_serves_nobody(registry: ModelRegistry) -> None:
    with pytest.raises(UnknownModel):
        registry.route("gone", 7)

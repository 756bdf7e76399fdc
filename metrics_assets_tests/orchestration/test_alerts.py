"""Who is told of what, and how often."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from metrics_assets.orchestration import tags
from metrics_assets.orchestration.alerts import check_alerts, failed_run_alert
from metrics_assets.orchestration.notifier import Alert, notifier
from metrics_assets.pipeline import state
from metrics_assets.settings import Settings
from metrics_assets_tests.orchestration.conftest import World

THREE = Settings(alert_after_failures=3)
RULES = dg.AssetCheckKey(dg.AssetKey("model_metrics"), "rules")


def _ended(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, *, tick: bool = True) -> dg.DagsterRun:
    @dg.job(name="update_metrics_models")
    def empty() -> None: ...

    return instance.create_run_for_job(empty, status=status, tags={tags.TICK: "model_metrics"} if tick else {})


def _evaluate(instance: dg.DagsterInstance, passed: bool) -> None:
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=RULES.asset_key, check_name=RULES.name, passed=passed, description="what happened"
        )
    )


def test_a_failed_rebuild_is_told_at_once(instance: dg.DagsterInstance) -> None:
    run = _ended(instance, dg.DagsterRunStatus.FAILURE, tick=False)

    alert = failed_run_alert(instance, run, "It broke.", THREE)

    assert alert == Alert("update_metrics_models", f"Run {run.run_id} failed. It broke.")


def test_ticks_are_told_when_they_failed_three_times_in_a_row_and_then_ever_more_seldom(
    instance: dg.DagsterInstance,
) -> None:
    _ended(instance, dg.DagsterRunStatus.FAILURE)
    _ended(instance, dg.DagsterRunStatus.SUCCESS)

    told = [
        failed_run_alert(instance, _ended(instance, dg.DagsterRunStatus.FAILURE), "", THREE) is not None
        for _ in range(13)
    ]

    assert [number for number, alerted in enumerate(told, start=1) if alerted] == [3, 6, 12]


def test_a_check_is_told_when_it_begins_to_fail_and_when_it_ceases(instance: dg.DagsterInstance) -> None:
    _evaluate(instance, passed=False)
    failing, first = check_alerts(instance, [RULES], known=set())
    _evaluate(instance, passed=False)
    failing, second = check_alerts(instance, [RULES], known=failing)
    _evaluate(instance, passed=True)
    failing, third = check_alerts(instance, [RULES], known=failing)

    assert first == [Alert("model_metrics:rules", "what happened")]
    assert second == []
    assert third == [Alert("model_metrics:rules", "what happened", resolved=True)]
    assert failing == set()


def test_a_set_that_no_longer_ticks_is_noticed_without_a_run(world: World, instance: dg.DagsterInstance) -> None:
    with world.session.stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.set_state SET complete_through = now()")
        connection.execute(
            "UPDATE metrics.set_state SET complete_through = now() - interval '3 h' WHERE set_name = 'review_stats'"
        )
    sensor = world.repository.get_sensor_def("alert_failing_checks")

    data = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=world.repository))

    assert [alert.subject for alert in world.alerts] == ["review_stats:complete_window"]
    assert json.loads(data.cursor or "") == ["review_stats:complete_window"]


def test_a_paused_set_is_told_with_its_reason(world: World, instance: dg.DagsterInstance) -> None:
    state.pause(world.session.stores, "review_stats", "moving hosts")
    with world.session.stores.postgres.connection() as connection:
        connection.execute("UPDATE metrics.set_state SET complete_through = now() - interval '3 h'")
    sensor = world.repository.get_sensor_def("alert_failing_checks")

    sensor.evaluate_tick(dg.build_sensor_context(instance=instance, repository_def=world.repository))

    (told,) = [alert.text for alert in world.alerts if alert.subject.startswith("review_stats")]
    assert "paused: moving hosts" in told


def test_the_failure_sensor_tells_what_the_failed_step_said(world: World, instance: dg.DagsterInstance) -> None:
    @dg.op
    def breaks() -> None:
        raise dg.Failure("No table. Create it.")

    @dg.job
    def broken() -> None:
        breaks()

    result = broken.execute_in_process(instance=instance, raise_on_error=False)
    context = dg.build_run_status_sensor_context(
        sensor_name="alert_failed_runs",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=next(event for event in result.all_events if event.is_run_failure),
    ).for_run_failure()

    world.repository.get_sensor_def("alert_failed_runs")(context)

    assert [alert.text for alert in world.alerts] == [f"Run {result.run_id} failed. No table. Create it."]


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that takes alerts; its address and what it took."""
    taken: list[dict[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200 if self.path == "/secret" else 500)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/secret", taken
        server.shutdown()
        thread.join()


def test_alerts_go_to_the_webhook_of_the_environment(
    webhook: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, taken = webhook
    monkeypatch.setenv("METRICS_ALERT_WEBHOOK_URL", address)

    notifier(Settings())(Alert("model_metrics:rules", "Kept back."))

    assert taken == [{"text": "Alert: model_metrics:rules: Kept back."}]


def test_a_webhook_that_fails_is_reported_without_its_address(webhook: tuple[str, list[dict[str, str]]]) -> None:
    address, _ = webhook
    wrong = address.replace("secret", "other-secret")

    with pytest.raises(OSError, match="METRICS_ALERT_WEBHOOK_URL did not take an alert") as raised:
        notifier(Settings.model_validate({"alert_webhook_url": wrong}))(Alert("a", "b"))

    assert "other-secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_check_that_a_run_is_about_to_evaluate_keeps_its_verdict(instance: dg.DagsterInstance) -> None:
    _evaluate(instance, passed=False)
    failing, _ = check_alerts(instance, [RULES], known=set())
    _plan_evaluation(instance)

    still_failing, alerts = check_alerts(instance, [RULES], known=failing)

    assert still_failing == failing == {"model_metrics:rules"}
    assert alerts == []


def _plan_evaluation(instance: dg.DagsterInstance) -> None:
    """A run begins whose asset reports the check, and has not come to it."""

    @dg.asset(name="model_metrics", check_specs=[dg.AssetCheckSpec("rules", asset="model_metrics")])
    def late() -> dg.MaterializeResult:  # type: ignore[type-arg]
        raise dg.Failure("died before it could report")

    dg.materialize([late], instance=instance, raise_on_error=False)
    record = instance.get_latest_asset_check_evaluation_record(RULES)
    assert record is not None
    assert not isinstance(record.evaluation, dg.AssetCheckEvaluation)

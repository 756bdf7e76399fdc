"""The ordinary checks, run after the assets in the same run: one op for each set, so that a tick every minute pays for
one step and not for six.

The rules that stop a wrong number are not here: they run inside the upsert's transaction, and the asset reports them
(`outcome`). These look at what was written.
"""

# Dagster reads the annotation of `context`: no `from __future__ import annotations` here.

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import dagster as dg

from metrics_assets.catalog import DAILY_ASSET, SETS, MetricSet, Output
from metrics_assets.orchestration import resources
from metrics_assets.orchestration.failures import explained
from metrics_assets.orchestration.windows import COMPLETE_WINDOW, window_result

if TYPE_CHECKING:
    from metrics_assets.orchestration.resources import Session

EQUAL_RECOUNT = "counters_equal_recount"
NO_NEGATIVE = "no_negative_counter"
ONE_ROW = "one_row_per_key"
WITHIN_INT4 = "within_int4"
PUBLISHED_ROWS = "base_model_rows_match_published_versions"
EVERY_BATCH = "clickhouse_has_every_batch"

_LARGEST_INT4 = 2**31 - 1
_NEARLY_FULL = 0.9
_UNSENT_SECONDS = 300

Check = Callable[["Session", MetricSet], dg.AssetCheckResult]


def all_checks() -> list[dg.AssetChecksDefinition]:
    """The checks of every set, and of the rollup."""
    return [_batches(), *(_set_checks(metric_set) for metric_set in SETS)]


def _set_checks(metric_set: MetricSet) -> dg.AssetChecksDefinition:
    checks = dict(_checks_of(metric_set))

    @dg.multi_asset_check(
        name=f"check_{metric_set.name}",
        specs=[
            dg.AssetCheckSpec(name, asset=metric_set.name, description=description)
            for name, (description, _) in checks.items()
        ],
        can_subset=True,
        required_resource_keys={resources.KEY},
    )
    def run(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        session: Session = context.resources.stores
        chosen = {key.name for key in context.selected_asset_check_keys}
        for name, (_, check) in checks.items():
            if name in chosen:
                with explained(context.op_execution_context):
                    result = check(session, metric_set)
                yield result

    return run


def _checks_of(metric_set: MetricSet) -> Iterable[tuple[str, tuple[str, Check]]]:
    """Name, description and body of each check of a set."""
    yield EQUAL_RECOUNT, ("The keys written last equal a recount from the application's own tables.", _equal_recount)
    yield NO_NEGATIVE, ("No counter of the rows written last is negative.", _no_negative)
    yield ONE_ROW, ("The keys written last have one row each.", _one_row)
    yield WITHIN_INT4, ("The counters written last fit the application's integers, with room.", _within_int4)
    yield COMPLETE_WINDOW, ("Everything committed before the set's lag is in its outputs.", _complete_window)
    if any(_is_paired(output) for output in metric_set.outputs):
        yield PUBLISHED_ROWS, ("A pair has a row exactly while it has a Published version.", _published_rows)


def _equal_recount(session: "Session", metric_set: MetricSet) -> dg.AssetCheckResult:
    from metrics_assets.orchestration.probes import recount_sample

    keys, report = recount_sample(session.stores, metric_set)
    return dg.AssetCheckResult(
        asset_key=metric_set.name,
        check_name=EQUAL_RECOUNT,
        passed=report.ok,
        metadata={
            "keys": sum(len(ids) for ids in keys.values()),
            "counters": sum(verdict.counters_checked for verdict in report.sets),
            "differences": sum(verdict.differences for verdict in report.sets),
            "pending": sum(verdict.pending for verdict in report.sets),
            "seconds": round(report.seconds, 3),
            "examples": "; ".join(
                f"{d.entity} {d.key} {d.counter}: {d.found}, recounted {d.expected}" for d in report.differences[:20]
            ),
        },
        description=_told(
            report.ok,
            "Every sampled counter equals its recount.",
            f"{sum(verdict.differences for verdict in report.sets)} counters differ from a recount. "
            "`metrics-assets explain` shows where one comes from; materialize its day again to repair it.",
        ),
    )


def _no_negative(session: "Session", metric_set: MetricSet) -> dg.AssetCheckResult:
    return _asked(session, metric_set, NO_NEGATIVE, metric_set.outputs, "rows have a negative counter")


def _one_row(session: "Session", metric_set: MetricSet) -> dg.AssetCheckResult:
    return _asked(session, metric_set, ONE_ROW, metric_set.outputs, "keys have more than one row")


def _published_rows(session: "Session", metric_set: MetricSet) -> dg.AssetCheckResult:
    paired = [output for output in metric_set.outputs if _is_paired(output)]
    return _asked(session, metric_set, PUBLISHED_ROWS, paired, "pairs do not match the Published versions")


def _within_int4(session: "Session", metric_set: MetricSet) -> dg.AssetCheckResult:
    from metrics_assets.orchestration.probes import ask

    answers = [ask(session.stores, WITHIN_INT4, metric_set, output) for output in metric_set.outputs]
    wrong = sum(found.wrong for found in answers)
    used = max(found.extra for found in answers) / _LARGEST_INT4
    return dg.AssetCheckResult(
        asset_key=metric_set.name,
        check_name=WITHIN_INT4,
        passed=not wrong and used < _NEARLY_FULL,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        metadata={
            "rows": sum(found.seen for found in answers),
            "wrong": wrong,
            "largest_counter": max(found.extra for found in answers),
            "largest_counter_percent_of_int4": round(100 * used, 3),
            "examples": "; ".join(example for found in answers for example in found.examples),
        },
        description=_told(
            not wrong and used < _NEARLY_FULL,
            "Every counter fits.",
            f"{wrong} rows hold a counter that does not fit an int4; the largest uses {used:.0%} of it. "
            "Widen the application's column before it overflows.",
        ),
    )


def _complete_window(session: "Session", metric_set: MetricSet) -> dg.AssetCheckResult:
    from metrics_assets.orchestration.probes import window

    return window_result(metric_set, window(session.stores, metric_set.name))


def _asked(
    session: "Session", metric_set: MetricSet, check: str, outputs: Iterable[Output], what_is_wrong: str
) -> dg.AssetCheckResult:
    from metrics_assets.orchestration.probes import ask

    question = "base_model_rows" if check == PUBLISHED_ROWS else check
    answers = {output.table: ask(session.stores, question, metric_set, output) for output in outputs}
    wrong = sum(found.wrong for found in answers.values())
    return dg.AssetCheckResult(
        asset_key=metric_set.name,
        check_name=check,
        passed=not wrong,
        metadata={
            "looked_at": sum(found.seen for found in answers.values()),
            "wrong": wrong,
            "examples": "; ".join(
                f'"{table}" {example}' for table, found in answers.items() for example in found.examples
            ),
        },
        description=_told(
            not wrong,
            "All hold.",
            f"{wrong} {what_is_wrong}. `metrics-assets recompute ENTITY ID` and a tick count one of the examples anew.",
        ),
    )


def _batches() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=DAILY_ASSET,
        name=EVERY_BATCH,
        required_resource_keys={resources.KEY},
        description="ClickHouse has acknowledged every batch that was sealed more than five minutes ago.",
    )
    def run(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        session: Session = context.resources.stores
        with explained(context.op_execution_context):
            from metrics_assets.orchestration.probes import unsent

            waiting = unsent(session.stores)
        passed = waiting.oldest_seconds < _UNSENT_SECONDS
        return dg.AssetCheckResult(
            passed=passed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "batches": waiting.batches,
                "rows": waiting.rows,
                "oldest_seconds": round(waiting.oldest_seconds, 1),
            },
            description=_told(
                passed,
                "No batch waits long.",
                f"{waiting.batches} batches with {waiting.rows} rows wait for ClickHouse, the oldest for "
                f"{waiting.oldest_seconds:.0f} s. Postgres's counters do not wait for it.",
            ),
        )

    return run


def _is_paired(output: Output) -> bool:
    """Whether its rows are pairs of a model and a base model."""
    return any(column.name == "baseModel" for column in output.key)


def _told(passed: bool, fine: str, wrong: str) -> str:
    return fine if passed else wrong

"""Loading the sample: deterministic, beside capture or without, never over rows that are there, all or nothing."""

from __future__ import annotations

import datetime as dt

import pytest

from metrics_assets.errors import ConfigurationError, Refused
from metrics_assets.sample import application
from metrics_assets.sample.generate import load_sample
from metrics_assets.stores import Stores
from metrics_assets_tests.sample.conftest import empty_logs
from metrics_assets_tests.sample.support import execute, fingerprints, table_sizes, value

_END = dt.datetime(2026, 11, 22, 15, 30, tzinfo=dt.UTC)
_SCALE = 0.002
_DISTINCT_JOBS = "SELECT uniqExact(jobId) FROM orchestration.jobs"


def test_the_same_seed_gives_the_same_rows_whether_changes_are_captured_or_not(
    stores: Stores, fresh_plain_application: Stores
) -> None:
    load_sample(stores, scale=_SCALE, seed=7, end=_END)
    captured = fingerprints(stores)
    empty_logs(stores)
    load_sample(fresh_plain_application, scale=_SCALE, seed=7, end=_END)
    assert fingerprints(fresh_plain_application) == captured


def test_another_seed_gives_other_rows_in_every_table(stores: Stores, fresh_plain_application: Stores) -> None:
    load_sample(stores, scale=_SCALE, seed=7, end=_END)
    with_seven = fingerprints(stores)
    empty_logs(stores)
    load_sample(fresh_plain_application, scale=_SCALE, seed=8, end=_END)
    with_eight = fingerprints(fresh_plain_application)
    assert not [name for name in with_seven if with_seven[name] == with_eight[name]]


def test_a_table_that_holds_rows_is_refused_by_name_and_left_alone(stores: Stores) -> None:
    execute(stores, 'INSERT INTO "Comment" (id, "userId") VALUES (1, 1)')
    before = table_sizes(stores)
    with pytest.raises(Refused, match=r"Comment.*--append"):
        load_sample(stores, scale=_SCALE, seed=1, end=_END)
    assert table_sizes(stores) == before


def test_a_log_that_holds_rows_is_refused_by_name(stores: Stores) -> None:
    stores.clickhouse.command("INSERT INTO modelVersionEvents (type) VALUES ('Download')")
    with pytest.raises(Refused, match=r"modelVersionEvents.*--append"):
        load_sample(stores, scale=_SCALE, seed=1, end=_END)


def test_appended_rows_have_ids_above_those_that_are_there_and_jobs_of_their_own(stores: Stores) -> None:
    first = load_sample(stores, scale=_SCALE, seed=1, end=_END)
    jobs_of_the_first = stores.clickhouse.scalar(_DISTINCT_JOBS)
    highest = value(stores, 'SELECT max(id) FROM "ResourceReview"')
    second = load_sample(stores, scale=_SCALE, seed=1, end=_END, append=True)
    above = value(stores, 'SELECT count(*) FROM "ResourceReview" WHERE id > %s', highest)
    assert above == second.rows["ResourceReview"]
    assert table_sizes(stores) == {name: first.rows[name] + second.rows[name] for name in first.rows}
    assert stores.clickhouse.scalar(_DISTINCT_JOBS) == 2 * jobs_of_the_first


def test_a_load_that_is_given_up_leaves_postgres_as_it_was(stores: Stores) -> None:
    class GivenUpError(Exception):
        pass

    def give_up_at_the_logs(step: str, done: int, total: int) -> None:
        if step == "modelVersionEvents":
            raise GivenUpError

    with pytest.raises(GivenUpError):
        load_sample(stores, scale=_SCALE, seed=1, end=_END, progress=give_up_at_the_logs)
    assert not any(size for name, size in table_sizes(stores).items() if name in application.TABLES)


def test_progress_is_told_for_every_table_and_ends_at_all_of_its_rows(stores: Stores) -> None:
    last: dict[str, tuple[int, int]] = {}
    report = load_sample(
        stores,
        scale=_SCALE,
        seed=1,
        end=_END,
        progress=lambda step, done, total: last.update({step: (done, total)}),
    )
    assert last == {name: (rows, rows) for name, rows in report.rows.items()}


def test_without_the_applications_tables_the_error_says_what_to_run(fresh_plain_application: Stores) -> None:
    execute(fresh_plain_application, 'DROP TABLE "Image"')
    with pytest.raises(ConfigurationError, match=r"Image\. .*schema apply --with-application-tables"):
        load_sample(fresh_plain_application, scale=_SCALE, seed=1, end=_END)


@pytest.mark.parametrize("scale", [0.0, -1.0, 1e6])
def test_a_scale_that_cannot_be_made_is_named(stores: Stores, scale: float) -> None:
    with pytest.raises(ConfigurationError, match="scale"):
        load_sample(stores, scale=scale, seed=1, end=_END)

"""What the front reads out of a statement's text."""

from __future__ import annotations

import pytest

from metrics_assets.local.clickhouse_front.errors import ClickHouseError
from metrics_assets.local.clickhouse_front.statement import InsertWithData, Statement, analyse, settings_of_set


@pytest.mark.parametrize(
    ("sql", "statement", "input_format", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2", b"INSERT INTO t ", "CSV", b"1,2"),
        (b"insert into t (a, b) format Native \r\n\x00\xff'", b"insert into t (a, b) ", "Native", b"\x00\xff'"),
        (b"INSERT INTO t FORMAT CSV\n\n1", b"INSERT INTO t ", "CSV", b"\n1"),
        (b"INSERT INTO t FORMAT TSV 1\t2", b"INSERT INTO t ", "TSV", b"1\t2"),
        (b"INSERT INTO t VALUES (1, ';')", b"INSERT INTO t ", "Values", b" (1, ';')"),
        (b"INSERT INTO TABLE d.t SETTINGS a = 1 FORMAT CSV\n1", b"INSERT INTO TABLE d.t SETTINGS a = 1 ", "CSV", b"1"),
        (
            b"/* FORMAT */ INSERT -- VALUES\n INTO t VALUES (1)",
            b"/* FORMAT */ INSERT -- VALUES\n INTO t ",
            "Values",
            b" (1)",
        ),
        (b"INSERT INTO values (format) VALUES (1)", b"INSERT INTO values (format) ", "Values", b" (1)"),
        (b"INSERT INTO `format`.values FORMAT CSV\n1", b"INSERT INTO `format`.values ", "CSV", b"1"),
        (b"INSERT INTO {t:Identifier} VALUES (1)", b"INSERT INTO {t:Identifier} ", "Values", b" (1)"),
        (
            b"INSERT INTO FUNCTION null('a UInt8') VALUES (1)",
            b"INSERT INTO FUNCTION null('a UInt8') ",
            "Values",
            b" (1)",
        ),
        (b"INSERT INTO t (* EXCEPT (b)) FORMAT CSV\n1", b"INSERT INTO t (* EXCEPT (b)) ", "CSV", b"1"),
    ],
)
def test_the_data_of_an_insert_begins_where_clickhouse_has_it(
    sql: bytes, statement: bytes, input_format: str, data: bytes
) -> None:
    found = analyse(sql)
    assert isinstance(found, InsertWithData)
    assert (found.into + found.settings, found.input_format, sql[found.data_start :]) == (statement, input_format, data)


def test_settings_of_an_insert_are_told_apart_from_where_it_goes() -> None:
    found = analyse(b"INSERT INTO settings (a) SETTINGS a = 'FORMAT', b = 2 FORMAT CSV 1")
    assert isinstance(found, InsertWithData)
    assert (found.into, found.settings) == (b"INSERT INTO settings (a) ", b"SETTINGS a = 'FORMAT', b = 2 ")


@pytest.mark.parametrize(
    "sql",
    [
        b"INSERT INTO t SELECT 1",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x FORMAT CSV",
        b"INSERT INTO t (SELECT 1)",
        b"SELECT 'INSERT INTO t VALUES' FORMAT CSV",
    ],
)
def test_statements_without_data_are_not_mistaken_for_inserts_with_data(sql: bytes) -> None:
    assert isinstance(analyse(sql), Statement)


@pytest.mark.parametrize(
    ("sql", "output_format", "before"),
    [
        (b"SELECT 1", None, b"SELECT 1"),
        (b"SELECT 1;  -- done", None, b"SELECT 1"),
        (b"SELECT 1 FORMAT JSON;", "JSON", b"SELECT 1 "),
        (b"SELECT 1 SETTINGS a = 1 FORMAT JSON", "JSON", b"SELECT 1 SETTINGS a = 1 "),
        (b"SELECT 1 FORMAT JSON SETTINGS a = 1", "JSON", b"SELECT 1 "),
        (b"SELECT 'FORMAT CSV' /* FORMAT TSV */", None, b"SELECT 'FORMAT CSV'"),
        (b"SELECT * FROM (SELECT 1 AS format) FORMAT CSV", "CSV", b"SELECT * FROM (SELECT 1 AS format) "),
        (b"SELECT $$ FORMAT JSON $$", None, b"SELECT $$ FORMAT JSON $$"),
    ],
)
def test_the_output_format_is_the_one_at_the_end(sql: bytes, output_format: str | None, before: bytes) -> None:
    found = analyse(sql)
    assert isinstance(found, Statement)
    assert (found.output_format, sql[: found.format_start]) == (output_format, before)


def test_what_set_sets() -> None:
    assert settings_of_set(b"SET a = 1, b = 'x, y', c = {'k': [1, 2]};") == {
        "a": "1",
        "b": "'x, y'",
        "c": "{'k': [1, 2]}",
    }
    for other in (b"SET ROLE r", b"SET param_x = 1", b"SET a", b"SELECT 1"):
        assert settings_of_set(other) is None


def test_a_semicolon_before_data_is_an_error_as_in_clickhouse() -> None:
    with pytest.raises(ClickHouseError, match="excessive ';'"):
        analyse(b"INSERT INTO t FORMAT CSV;\n1")

"""Every way in which the client reads."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData
from clickhouse_connect.driver.summary import QuerySummary
from pyarrow import ArrowInvalid
from urllib3.exceptions import HTTPError

from metrics_assets_tests.local.clickhouse_front.process import Front

ROWS = 300_000
NUMBERS = f"SELECT number AS n, toString(number) AS s FROM numbers({ROWS}) ORDER BY n"


def test_ping_says_yes(client: Client) -> None:
    assert client.ping()


def test_the_client_learns_version_and_time_zone_when_it_connects(client: Client) -> None:
    assert client.server_version == client.command("SELECT version()")
    assert str(client.server_tz) == "UTC"


def test_query_returns_rows_columns_and_types(client: Client) -> None:
    result = client.query("SELECT number, 'x' AS s FROM numbers(3)")
    assert result.result_rows == [(0, "x"), (1, "x"), (2, "x")]
    assert result.column_names == ("number", "s")
    assert [column.name for column in result.column_types] == ["UInt64", "String"]


def test_query_says_how_much_was_read(client: Client) -> None:
    summary = client.query("SELECT sum(number) FROM numbers(1000)").summary
    assert (summary["read_rows"], summary["result_rows"]) == ("1000", "1")
    assert summary["query_id"]


def test_a_result_without_rows_is_empty(client: Client) -> None:
    assert client.query("SELECT number FROM numbers(3) WHERE number > 5").result_rows == []


def test_limit_zero_returns_columns_without_rows(client: Client) -> None:
    result = client.query("SELECT number, 'x' AS s FROM numbers(3) LIMIT 0")
    assert (result.column_names, result.result_rows) == (("number", "s"), [])


def test_a_large_result_is_whole_and_in_order(client: Client) -> None:
    column = client.query(NUMBERS, column_oriented=True).result_columns[0]
    assert list(column) == list(range(ROWS))


def test_command_returns_a_value_a_list_or_a_summary(client: Client) -> None:
    assert client.command("SELECT 7") == 7
    assert client.command("SELECT 1, 'b'") == ["1", "b"]
    assert isinstance(client.command("CREATE TABLE t (a UInt8) ENGINE = Memory"), QuerySummary)
    assert client.command("EXISTS t") == 1
    assert client.command("SELECT a FROM t") == ""


def test_command_sends_data_with_the_statement(client: Client) -> None:
    client.command("CREATE TABLE t (a UInt8, b String) ENGINE = Memory")
    client.command("INSERT INTO t FORMAT CSV", data="1,x\n2,y\n")
    assert client.query("SELECT * FROM t ORDER BY a").result_rows == [(1, "x"), (2, "y")]


def test_the_other_reading_statements_return_tables(client: Client) -> None:
    client.command("CREATE TABLE t (a UInt8) ENGINE = Memory")
    assert client.query("SHOW TABLES").result_rows == [("t",)]
    assert client.query("DESCRIBE TABLE t").first_row[:2] == ("a", "UInt8")
    assert client.query("EXPLAIN SELECT 1").result_rows
    assert client.query("WITH 2 AS x SELECT x").first_row == (2,)
    assert client.query("(SELECT 3)").first_row == (3,)


def test_query_df_and_query_np(client: Client) -> None:
    frame = client.query_df(NUMBERS)
    assert len(frame) == ROWS
    assert int(frame["n"].sum()) == ROWS * (ROWS - 1) // 2
    array = client.query_np("SELECT number, number * 2 FROM numbers(3)")
    assert np.array_equal(array, [[0, 0], [1, 2], [2, 4]])


def test_query_arrow_of_many_and_of_no_rows(client: Client) -> None:
    table = client.query_arrow(NUMBERS)
    assert table.column("n").to_pylist() == list(range(ROWS))
    empty = client.query_arrow(f"{NUMBERS} LIMIT 0")
    assert (empty.num_rows, empty.column_names) == (0, ["n", "s"])


def test_query_df_arrow(client: Client) -> None:
    assert client.query_df_arrow("SELECT number AS n FROM numbers(3)")["n"].tolist() == [0, 1, 2]


def test_row_and_column_streams_give_blocks(client: Client) -> None:
    with client.query_row_block_stream(NUMBERS) as blocks:
        sizes = [len(block) for block in blocks]
    assert sum(sizes) == ROWS
    assert len(sizes) > 1
    with client.query_column_block_stream(NUMBERS) as blocks:
        assert sum(len(block[0]) for block in blocks) == ROWS
    with client.query_rows_stream(NUMBERS) as rows:
        assert sum(1 for _ in rows) == ROWS


def test_df_np_and_arrow_streams_give_blocks(client: Client) -> None:
    with client.query_df_stream(NUMBERS) as frames:
        assert sum(len(frame) for frame in frames) == ROWS
    with client.query_np_stream("SELECT number FROM numbers(70000)") as arrays:
        assert sum(len(array) for array in arrays) == 70_000
    with client.query_arrow_stream(NUMBERS) as tables:
        seen = [table.column("n").to_pylist() for table in tables]
    assert list(itertools.chain(*seen)) == list(range(ROWS))
    assert len(seen) > 1


def test_a_stream_that_is_left_early_leaves_the_client_usable(client: Client) -> None:
    with client.query_row_block_stream(NUMBERS) as blocks:
        next(blocks)
    assert client.command("SELECT 1") == 1


@pytest.mark.parametrize(
    ("output_format", "expected"),
    [
        ("TabSeparated", b"0\n1\n"),
        ("CSVWithNames", b'"n"\n0\n1\n'),
        ("JSONEachRow", b'{"n":0}\n{"n":1}\n'),
        ("Values", b"(0),(1)"),
    ],
)
def test_raw_query_returns_the_bytes_of_a_format(client: Client, output_format: str, expected: bytes) -> None:
    assert client.raw_query("SELECT number AS n FROM numbers(2)", fmt=output_format) == expected


def test_formats_with_a_frame_around_the_rows_have_it_once(client: Client) -> None:
    many = f"SELECT number FROM numbers({ROWS})"
    assert client.raw_query(many, fmt="CSVWithNames").count(b'"number"') == 1
    assert client.raw_query(f"{many} FORMAT JSON").count(b'"meta"') == 1
    parquet = client.raw_query(many, fmt="Parquet")
    assert parquet[:4] == parquet[-4:] == b"PAR1"


def test_totals_are_in_the_formats_that_have_them(client: Client) -> None:
    sql = "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k"
    assert client.raw_query(sql, fmt="TSV") == b"0\t5\n1\t5\n\n0\t10\n"


def test_raw_stream_is_read_piece_by_piece(client: Client) -> None:
    stream = client.raw_stream(f"SELECT number FROM numbers({ROWS})", fmt="TSV")
    assert sum(piece.count(b"\n") for piece in stream) == ROWS


def test_server_side_parameters_of_many_types(client: Client) -> None:
    parameters = {
        "u": 2**63,
        "s": "it's \\ a\ttab\nand 'é'",
        "d": dt.date(2024, 2, 29),
        "a": ["x", "y'z"],
        "n": None,
    }
    sql = "SELECT {u:UInt64}, {s:String}, {d:Date}, {a:Array(String)}, {n:Nullable(String)} FROM system.{t:Identifier}"
    row = client.query(sql, parameters={**parameters, "t": "one"}).first_row
    assert row == tuple(parameters.values())


def test_server_side_parameters_as_form_fields(front: Front, database: str) -> None:
    client = front.client(database=database, form_encode_query_params=True)
    long_list = list(range(20_000))
    sql = "SELECT length({a:Array(UInt32)}), {s:String}"
    assert client.query(sql, parameters={"a": long_list, "s": "x&y=ü"}).first_row == (20_000, "x&y=ü")


def test_a_parameter_of_one_request_is_unknown_to_the_next(client: Client) -> None:
    assert client.query("SELECT {x:UInt8}", parameters={"x": 1}).first_row == (1,)
    with pytest.raises(DatabaseError) as failure:
        client.query("SELECT {x:UInt8}")
    assert failure.value.code == 456


def test_client_side_parameters(client: Client) -> None:
    sql = "SELECT %(a)s, %(b)s"
    assert client.query(sql, parameters={"a": "it's", "b": 3}).first_row == ("it's", 3)


def test_external_data_is_a_table_of_its_query_only(client: Client) -> None:
    people = ExternalData(file_name="people.csv", data=b"1,Ann\n2,Bo\n", fmt="CSV", structure="id UInt8, name String")
    people.add_file(file_name="more.tsv", data=b"3\tCy\n", types=["UInt8", "String"])
    sql = "SELECT name FROM people UNION ALL SELECT _2 FROM more ORDER BY 1"
    assert client.query(sql, external_data=people).result_rows == [("Ann",), ("Bo",), ("Cy",)]
    with pytest.raises(DatabaseError):
        client.query("SELECT * FROM people")


def test_an_error_carries_the_engines_code_name_and_text(client: Client) -> None:
    with pytest.raises(DatabaseError, match="Unknown expression identifier `nope`") as failure:
        client.query("SELECT nope")
    assert (failure.value.code, failure.value.name) == (47, "UNKNOWN_IDENTIFIER")


def test_an_error_in_the_middle_of_a_query_is_raised(client: Client) -> None:
    with pytest.raises(DatabaseError, match="boom") as failure:
        client.query("SELECT throwIf(number = 2000000, 'boom') FROM numbers(3000000)")
    assert failure.value.code == 395


def test_an_error_in_the_middle_of_a_stream_is_raised_with_its_text(client: Client) -> None:
    sql = "SELECT number, throwIf(number = 2500000, 'boom') FROM numbers(3000000) SETTINGS max_block_size = 65536"
    seen = []
    with (
        pytest.raises(StreamFailureError, match="boom") as failure,
        client.query_row_block_stream(sql) as blocks,
    ):
        seen.extend(len(block) for block in blocks)
    assert failure.value.code == 395
    assert sum(seen) > 0


def test_an_error_in_the_middle_of_an_arrow_stream_is_not_mistaken_for_its_end(client: Client) -> None:
    sql = "SELECT number, throwIf(number = 2500000, 'boom') AS b FROM numbers(3000000)"
    with (
        pytest.raises((ArrowInvalid, HTTPError, OSError)),
        client.query_arrow_stream(sql) as tables,
    ):
        list(tables)
    assert client.command("SELECT 1") == 1


def test_several_statements_at_once_are_refused(client: Client) -> None:
    with pytest.raises(DatabaseError, match="Multi-statements"):
        client.command("SELECT 1; SELECT 2")
    assert client.command("SELECT 1;") == 1

"""Every way in which the client writes."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator

import lz4.frame
import pandas as pd
import pyarrow as pa
import pytest
from backports import zstd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, DataError

from metrics_assets_tests.local.clickhouse_front.process import Front

COLUMNS = ["a", "b"]
MANY = 300_000


@pytest.fixture
def table(client: Client) -> str:
    client.command("CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    return "t"


def content(client: Client) -> list[tuple[int, str]]:
    return list(client.query("SELECT a, b FROM t ORDER BY a").result_rows)


def test_insert_of_rows_reports_what_was_written(client: Client, table: str) -> None:
    summary = client.insert(table, [[1, "x"], [2, "ü"]], column_names=COLUMNS)
    assert (summary.written_rows, content(client)) == (2, [(1, "x"), (2, "ü")])


def test_insert_of_columns(client: Client, table: str) -> None:
    client.insert(table, [[1, 2], ["x", "y"]], column_names=COLUMNS, column_oriented=True)
    assert content(client) == [(1, "x"), (2, "y")]


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_a_big_insert_in_every_compression_is_one_part(front: Front, database: str, compress: str | bool) -> None:
    client = front.client(database=database, compress=compress)
    client.command("CREATE TABLE t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    client.insert("t", [range(MANY), [f"row {number}" for number in range(MANY)]], COLUMNS, column_oriented=True)
    assert client.query("SELECT count(), sum(a), uniqExact(b) FROM t").first_row == (MANY, MANY * (MANY - 1) // 2, MANY)
    assert client.command("SELECT count() FROM system.parts WHERE table = 't' AND database = currentDatabase()") == 1


def test_insert_df_and_insert_arrow(client: Client, table: str) -> None:
    client.insert_df(table, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    summary = client.insert_arrow(table, pa.table({"a": pa.array([3], pa.uint32()), "b": ["z"]}))
    assert summary.written_rows == 1
    assert content(client) == [(1, "x"), (2, "y"), (3, "z")]


def test_a_big_arrow_insert_that_does_not_fit_into_memory_limits_of_a_body(client: Client, table: str) -> None:
    numbers = pa.array(range(MANY), pa.uint32())
    summary = client.insert_arrow(table, pa.table({"a": numbers, "b": [f"row {n}" for n in range(MANY)]}))
    assert (summary.written_rows, client.command("SELECT count() FROM t")) == (MANY, MANY)


def test_insert_context_is_reused(client: Client, table: str) -> None:
    context = client.create_insert_context(table, column_names=COLUMNS)
    for number in range(3):
        context.data = [[number, "x"]]
        client.insert(context=context)
    assert len(content(client)) == 3


_RAW: list[tuple[str, bytes]] = [
    ("CSV", b"1,x\n2,y\n"),
    ("JSONEachRow", b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n'),
    ("TSV", b"1\tx\n2\ty\n"),
    ("Values", b"(1,'x'),(2,'y')"),
    ("Native", b"\x02\x02\x01a\x06UInt32\x01\x00\x00\x00\x02\x00\x00\x00\x01b\x06String\x01x\x01y"),
]


@pytest.mark.parametrize(("input_format", "data"), _RAW, ids=[name for name, _ in _RAW])
@pytest.mark.parametrize(
    ("compression", "compressed"),
    [
        (None, bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("lz4", lz4.frame.compress),
        ("zstd", zstd.compress),
    ],
    ids=["plain", "gzip", "deflate", "lz4", "zstd"],
)
def test_raw_insert_in_every_format_and_compression(
    client: Client,
    table: str,
    input_format: str,
    data: bytes,
    compression: str | None,
    compressed: Callable[[bytes], bytes],
) -> None:
    client.raw_insert(table, COLUMNS, compressed(data), fmt=input_format, compression=compression)
    assert content(client) == [(1, "x"), (2, "y")]


def test_raw_insert_from_a_generator_a_file_and_text(client: Client, table: str) -> None:
    def lines() -> Iterator[bytes]:
        for number in range(MANY):
            yield b"%d,x\n" % number

    assert client.raw_insert(table, COLUMNS, lines(), fmt="CSV").written_rows == MANY
    assert client.raw_insert(table, COLUMNS, io.BytesIO(b"1,x\n"), fmt="CSV").written_rows == 1
    assert client.raw_insert(table, COLUMNS, "2,y\n", fmt="CSV").written_rows == 1


def test_several_compressed_frames_are_one_body(client: Client, table: str) -> None:
    frames = lz4.frame.compress(b"1,x\n") + lz4.frame.compress(b"2,y\n")
    client.raw_insert(table, COLUMNS, frames, fmt="CSV", compression="lz4")
    assert len(content(client)) == 2


def test_a_compressed_body_that_is_cut_short_inserts_nothing(client: Client, table: str) -> None:
    whole = gzip.compress(b"".join(b"%d,x\n" % number for number in range(10_000)))
    with pytest.raises(DatabaseError) as failure:
        client.raw_insert(table, COLUMNS, whole[:-20], fmt="CSV", compression="gzip")
    assert failure.value.code == 271
    assert content(client) == []


def test_an_unknown_compression_is_named_in_the_error(client: Client, table: str) -> None:
    with pytest.raises(DatabaseError, match="'br'") as failure:
        client.raw_insert(table, COLUMNS, b"1,x\n", fmt="CSV", compression="br")
    assert failure.value.code == 89


def test_an_insert_of_bad_data_fails_with_the_engines_words_and_writes_nothing(client: Client, table: str) -> None:
    with pytest.raises(DatabaseError, match="Cannot parse input"):
        client.raw_insert(table, COLUMNS, b"1,x\nnumber,y\n", fmt="CSV")
    assert content(client) == []


def test_a_row_that_the_client_cannot_serialize_fails_the_whole_insert(client: Client, table: str) -> None:
    with pytest.raises(DataError, match="column `a`"):
        client.insert(table, [[1, "x"], ["no number", "y"]], column_names=COLUMNS)
    assert content(client) == []


@pytest.mark.parametrize("rows", [300, 300_000])
def test_an_insert_that_the_table_does_not_take_fails(client: Client, rows: int) -> None:
    # chDB's own streaming insert reports such rows as written.
    client.command("CREATE TABLE small (a UInt32, CONSTRAINT c CHECK a < 200) ENGINE = MergeTree ORDER BY a")
    client.command("CREATE TABLE many (a UInt32) ENGINE = MergeTree ORDER BY a PARTITION BY a % 200")
    for table, code in (("small", 469), ("many", 252)):
        with pytest.raises(DatabaseError) as failure:
            client.insert(table, [range(rows)], column_names=["a"], column_oriented=True)
        assert failure.value.code == code
        assert client.command(f"SELECT count() FROM {table}") == 0


def test_a_failing_view_fails_the_insert_unless_told_to_ignore_it(client: Client, table: str) -> None:
    client.command("CREATE MATERIALIZED VIEW v ENGINE = Memory AS SELECT throwIf(a = 5) AS x FROM t")
    with pytest.raises(DatabaseError) as failure:
        client.insert(table, [[5, "x"]], column_names=COLUMNS)
    assert failure.value.code == 395
    ignoring = {"materialized_views_ignore_errors": 1}
    assert client.insert(table, [[5, "x"]], column_names=COLUMNS, settings=ignoring).written_rows


def test_insert_into_an_unknown_table(client: Client) -> None:
    with pytest.raises(DatabaseError) as failure:
        client.raw_insert("nowhere", COLUMNS, b"1,x\n", fmt="CSV")
    assert failure.value.code == 60


def test_insert_values_and_insert_select_as_commands(client: Client, table: str) -> None:
    assert client.command("INSERT INTO t (a, b) VALUES (1, 'semi;colon'), (2, concat('y', '!'))").written_rows == 2
    assert client.command("INSERT INTO t SELECT number + 10, 'z' FROM numbers(3)").written_rows == 3
    assert content(client)[:2] == [(1, "semi;colon"), (2, "y!")]


def test_insert_values_with_server_side_parameters(client: Client, table: str) -> None:
    parameters = {"t": "t", "a": 7, "b": "it's"}
    client.command("INSERT INTO {t:Identifier} (a, b) VALUES ({a:UInt32}, {b:String})", parameters=parameters)
    client.command("INSERT INTO t SELECT {a:UInt32} + 1, {b:String}", parameters=parameters)
    assert content(client) == [(7, "it's"), (8, "it's")]


def test_insert_settings_reach_the_engine(client: Client, table: str) -> None:
    client.raw_insert(
        table, COLUMNS, b"1;x\n", fmt="CSV", settings={"format_csv_delimiter": ";", "log_comment": "insert me"}
    )
    client.raw_insert(table, COLUMNS, b"2,y\n", fmt="CSV")
    assert content(client) == [(1, "x"), (2, "y")]


def test_an_insert_without_rows_writes_nothing(client: Client, table: str) -> None:
    assert client.raw_insert(table, COLUMNS, b"", fmt="CSV").written_rows == 0
    assert client.insert(table, [], column_names=COLUMNS).written_rows == 0


def test_an_asynchronous_insert_is_written_when_it_is_answered(client: Client, table: str) -> None:
    settings = {"async_insert": 1, "wait_for_async_insert": 1}
    client.insert(table, [[1, "x"]], column_names=COLUMNS, settings=settings)
    client.command("INSERT INTO t VALUES (2, 'y')", settings=settings)
    assert len(content(client)) == 2


def test_columns_and_tables_with_unusual_names(client: Client) -> None:
    client.command("CREATE TABLE `format` (`values` UInt8, `file` String, `select ;` UInt8) ENGINE = Memory")
    client.insert("format", [[1, "x", 2]], column_names=["values", "file", "select ;"])
    assert client.query("SELECT `values`, `file`, `select ;` FROM `format`").result_rows == [(1, "x", 2)]

"""Values of every type that we use come back as they went in, by Native and by Arrow."""

from __future__ import annotations

import datetime as dt
import decimal
import ipaddress
import uuid
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

_UTC = dt.UTC

_CASES: list[tuple[str, list[Any]]] = [
    ("UInt8", [0, 255]),
    ("Int64", [-(2**63), 2**63 - 1]),
    ("UInt64", [0, 2**64 - 1]),
    ("Int128", [-(2**127), 2**127 - 1]),
    ("UInt128", [0, 2**128 - 1]),
    ("UInt256", [0, 2**256 - 1]),
    ("Float64", [0.5, -1e300]),
    ("Decimal(18, 4)", [decimal.Decimal("-12345.6789"), decimal.Decimal("0.0001")]),
    ("Decimal(38, 10)", [decimal.Decimal("1234567890123456789.0123456789")]),
    ("String", ["", "üñí\n\t\\'`"]),
    ("FixedString(16)", [b"0123456789abcdef", bytes(range(16))]),
    ("LowCardinality(String)", ["a", "b", "a"]),
    ("LowCardinality(Nullable(String))", ["a", None]),
    ("Nullable(Int32)", [None, -1]),
    ("Bool", [True, False]),
    ("Enum8('Like' = 1, 'Heart' = 2)", ["Heart", "Like"]),
    ("Date", [dt.date(1970, 1, 1), dt.date(2149, 6, 6)]),
    ("Date32", [dt.date(1900, 1, 1), dt.date(2299, 12, 31)]),
    ("DateTime", [dt.datetime(2024, 2, 29, 23, 59, 59)]),
    ("DateTime64(3)", [dt.datetime(2024, 2, 29, 23, 59, 59, 123000)]),
    ("DateTime64(6, 'UTC')", [dt.datetime(2024, 2, 29, 23, 59, 59, 123456)]),
    ("UUID", [uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)]),
    ("IPv4", [ipaddress.IPv4Address("127.0.0.1")]),
    ("Array(Nullable(UInt32))", [[1, None], []]),
    ("Array(Array(String))", [[["a"], []]]),
    ("Map(String, UInt64)", [{"a": 1, "b": 2}, {}]),
    ("Tuple(UInt8, String)", [(1, "a")]),
]


@pytest.mark.parametrize(("type_name", "values"), _CASES, ids=[name for name, _ in _CASES])
def test_values_come_back_as_they_went_in(client: Client, type_name: str, values: list[Any]) -> None:
    client.command(f"CREATE TABLE t (k UInt8, v {type_name}) ENGINE = MergeTree ORDER BY k")
    client.insert("t", [list(range(len(values))), values], column_names=["k", "v"], column_oriented=True)
    result = client.query("SELECT v FROM t ORDER BY k", column_oriented=True)
    assert list(result.result_columns[0]) == values


def test_the_columns_of_our_event_table_make_the_round_trip_through_arrow(client: Client) -> None:
    client.command(
        "CREATE TABLE e (entityType LowCardinality(String), entityId UInt32, eventKey FixedString(16), "
        "metricValue Int64, createdAt DateTime64(3), day Date32, tags Array(String)) "
        "ENGINE = MergeTree ORDER BY entityId"
    )
    moment = dt.datetime(2024, 2, 29, 23, 59, 59, 123000, tzinfo=_UTC)
    table = pa.table(
        {
            "entityType": pa.array(["Model", "Post"]).dictionary_encode(),
            "entityId": pa.array([1, 2], pa.uint32()),
            "eventKey": pa.array([bytes(16), bytes(range(16))], pa.binary(16)),
            "metricValue": pa.array([-1, 2**62], pa.int64()),
            "createdAt": pa.array([moment, moment], pa.timestamp("ms", "UTC")),
            "day": pa.array([dt.date(1969, 1, 1), dt.date(2024, 2, 29)], pa.date32()),
            "tags": pa.array([["a"], []], pa.list_(pa.string())),
        }
    )
    assert client.insert_arrow("e", table).written_rows == 2
    back = client.query_arrow("SELECT * FROM e ORDER BY entityId", use_strings=True)
    assert (
        back.drop_columns(["createdAt", "eventKey"]).to_pylist()
        == table.drop_columns(["createdAt", "eventKey"]).to_pylist()
    )
    assert back.column("eventKey").to_pylist() == table.column("eventKey").to_pylist()
    assert client.query("SELECT DISTINCT toUnixTimestamp64Milli(createdAt) FROM e").first_row == (
        int(moment.timestamp() * 1000),
    )


def test_a_server_side_128_bit_hash_fits_its_column(client: Client) -> None:
    client.command("CREATE TABLE t (k UInt128) ENGINE = MergeTree ORDER BY k")
    client.command("INSERT INTO t SELECT reinterpretAsUInt128(sipHash128('a', 1))")
    key = client.command("SELECT k FROM t")
    assert client.query("SELECT count() FROM t WHERE k = {k:UInt128}", parameters={"k": key}).first_row == (1,)

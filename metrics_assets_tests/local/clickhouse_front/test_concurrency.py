"""Many clients at once, clients that go away, and queries that are killed."""

from __future__ import annotations

import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from metrics_assets_tests.local.clickhouse_front.process import PASSWORD, Front

ENDLESS = "SELECT count() FROM system.numbers WHERE sipHash64(number) = 1 SETTINGS max_threads = 1"


def running(client: Client, text: str) -> int:
    sql = (
        "SELECT count() FROM system.processes WHERE position(query, {text:String}) > 0 AND query NOT LIKE '%processes%'"
    )
    return int(client.query(sql, parameters={"text": text}).first_row[0])


def wait_until(client: Client, text: str, count: int) -> None:
    give_up = time.monotonic() + 60
    while running(client, text) != count:
        assert time.monotonic() < give_up, f"{running(client, text)} queries with {text!r} run, not {count}"
        time.sleep(0.05)


def test_eight_threads_read_and_write_at_once(front: Front, database: str) -> None:
    front.client(database=database).command("CREATE TABLE t (thread UInt8, n UInt32) ENGINE = MergeTree ORDER BY n")

    def work(thread: int) -> int:
        client = front.client(database=database)
        for step in range(10):
            client.insert("t", [[thread, step * 100 + n] for n in range(100)], column_names=["thread", "n"])
            mine = client.query("SELECT count() FROM t WHERE thread = {t:UInt8}", parameters={"t": thread})
            assert mine.first_row == ((step + 1) * 100,)
        with client.query_column_block_stream("SELECT number FROM numbers(200000)") as blocks:
            return sum(len(block[0]) for block in blocks)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == [200_000] * 8
    counts = front.client(database=database).query("SELECT count(), uniqExact(thread, n) FROM t").first_row
    assert counts == (8000, 8000)


def test_one_client_without_a_session_serves_many_threads(front: Front) -> None:
    client = front.client(autogenerate_session_id=False)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda n: client.query(f"SELECT {n}").first_row[0], range(100)))
    assert results == list(range(100))


@pytest.mark.parametrize("output_format", ["Native", "JSON"])
def test_a_query_ends_when_its_client_goes_away(front: Front, client: Client, output_format: str) -> None:
    mark = f"/* {uuid.uuid4()} */"
    sql = f"{mark} {ENDLESS} FORMAT {output_format}"
    request = f"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: metrics\r\nX-ClickHouse-Key: {PASSWORD}\r\n"
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        connection.sendall(f"{request}Content-Length: {len(sql)}\r\n\r\n{sql}".encode())
        wait_until(client, mark, 1)
    wait_until(client, mark, 0)


@pytest.mark.parametrize("output_format", ["Native", "CSVWithNames"])
def test_a_stream_ends_when_its_client_goes_away(front: Front, client: Client, output_format: str) -> None:
    mark = f"/* {uuid.uuid4()} */"
    sql = f"{mark} SELECT number FROM system.numbers FORMAT {output_format}"
    request = f"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: metrics\r\nX-ClickHouse-Key: {PASSWORD}\r\n"
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        connection.sendall(f"{request}Content-Length: {len(sql)}\r\n\r\n{sql}".encode())
        assert connection.recv(100)
        wait_until(client, mark, 1)
    wait_until(client, mark, 0)


def test_a_client_that_goes_away_while_it_sends_inserts_nothing(front: Front, client: Client, database: str) -> None:
    client.command("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a")
    head = f"POST /?database={database} HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: metrics\r\n"
    head += f"X-ClickHouse-Key: {PASSWORD}\r\nContent-Length: 100000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        connection.sendall(head.encode() + b"INSERT INTO t FORMAT TSV\n" + b"1\n" * 2_000_000)
    time.sleep(0.3)
    assert client.command("SELECT count() FROM t") == 0


def test_slow_readers_do_not_keep_others_from_their_answers(front: Front, client: Client) -> None:
    sql = "SELECT number FROM numbers(50000000) FORMAT RowBinary"
    head = f"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-User: metrics\r\nX-ClickHouse-Key: {PASSWORD}\r\n"
    request = f"{head}Content-Length: {len(sql)}\r\n\r\n{sql}".encode()
    readers = [socket.create_connection(("127.0.0.1", front.port)) for _ in range(40)]
    try:
        for reader in readers:
            reader.sendall(request)
        assert [reader.recv(12) for reader in readers] == [b"HTTP/1.1 200"] * 40
        assert client.command("SELECT 1") == 1
    finally:
        for reader in readers:
            reader.close()


def test_kill_query_finds_a_query_by_the_id_that_its_client_gave(front: Front, client: Client) -> None:
    query_id = str(uuid.uuid4())

    def endless() -> int | None:
        with pytest.raises(DatabaseError) as failure:
            front.client().query(ENDLESS, settings={"query_id": query_id, "log_comment": query_id})
        return failure.value.code

    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(endless)
        wait_until(client, "sipHash64(number) = 1", 1)
        client.command(f"KILL QUERY WHERE query_id = '{query_id}' SYNC")
        assert outcome.result(60) == 394


def test_a_time_limit_ends_a_query(client: Client) -> None:
    with pytest.raises(DatabaseError) as failure:
        client.query(ENDLESS, settings={"max_execution_time": 1})
    assert failure.value.code == 159


def test_the_asynchronous_client(front: Front) -> None:
    pytest.importorskip("aiohttp", reason="clickhouse-connect's asynchronous client needs aiohttp")
    import asyncio

    import clickhouse_connect

    async def work() -> tuple[object, ...]:
        client = await clickhouse_connect.get_async_client(
            host="127.0.0.1", port=front.port, username="metrics", password=PASSWORD
        )
        results = [await client.query(f"SELECT {n}") for n in range(3)]
        await client.close()
        return tuple(result.first_row for result in results)

    assert asyncio.run(work()) == ((0,), (1,), (2,))

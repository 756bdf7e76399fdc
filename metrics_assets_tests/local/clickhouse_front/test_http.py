"""The HTTP interface itself, beyond what the client shows of it."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import zlib
from urllib.parse import quote, urlencode

import lz4.frame
import pytest
from backports import zstd

from metrics_assets_tests.local.clickhouse_front.process import PASSWORD, Front

_BASIC = base64.b64encode(f"metrics:{PASSWORD}".encode()).decode()


def test_ping_needs_no_password(front: Front) -> None:
    for path in ("/ping", "/"):
        answer = front.request(method="GET", path=path, headers={})
        assert (answer.status, answer.body) == (200, b"Ok.\n")


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({"Authorization": f"Basic {_BASIC}"}, {}),
        ({"X-ClickHouse-User": "metrics", "X-ClickHouse-Key": PASSWORD}, {}),
        ({}, {"user": "metrics", "password": PASSWORD}),
    ],
    ids=["basic", "headers", "url"],
)
def test_every_way_to_give_the_password(front: Front, headers: dict[str, str], url: dict[str, str]) -> None:
    answer = front.request("SELECT 1", path=f"/?{urlencode(url)}", headers=headers)
    assert (answer.status, answer.body) == (200, b"1\n")


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ({}, {}),
        ({"Authorization": "Basic !!"}, {}),
        ({"Authorization": "Basic " + base64.b64encode(b"metrics:").decode()}, {}),
        ({"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD}, {}),
        ({"X-ClickHouse-User": "metrics", "X-ClickHouse-Key": "wrong"}, {"user": "metrics", "password": PASSWORD}),
    ],
    ids=["none", "no base64", "empty", "other user", "wrong headers beside a right url"],
)
def test_without_the_password_nothing_is_answered(front: Front, headers: dict[str, str], url: dict[str, str]) -> None:
    answer = front.request("SELECT 1", path=f"/?{urlencode(url)}", headers=headers)
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (403, "516")
    assert b"AUTHENTICATION_FAILED" in answer.body


def test_the_front_listens_on_one_address_only(front: Front) -> None:
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", front.port))


def test_headers_of_an_answer(front: Front) -> None:
    answer = front.request("SELECT 1", path="/?query_id=mine&session_timezone=Europe/Berlin&default_format=CSV")
    assert answer.headers["x-clickhouse-query-id"] == "mine"
    assert answer.headers["x-clickhouse-timezone"] == "Europe/Berlin"
    assert answer.headers["x-clickhouse-format"] == "CSV"
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["x-clickhouse-server-display-name"]
    assert int(json.loads(answer.headers["x-clickhouse-summary"])["elapsed_ns"]) > 0
    assert len(front.request("SELECT 1").headers["x-clickhouse-query-id"]) == 36


def test_a_query_id_cannot_add_headers(front: Front) -> None:
    answer = front.request("SELECT 1", path="/?query_id=a%0d%0aX-Mine:%201")
    assert (answer.status, answer.headers["x-clickhouse-query-id"]) == (200, "a??X-Mine: 1")
    assert "x-mine" not in answer.headers


def test_a_definition_has_no_format(front: Front, database: str) -> None:
    answer = front.request("CREATE TABLE t (a UInt8) ENGINE = Memory", path=f"/?database={database}")
    assert (answer.status, answer.body) == (200, b"")
    assert "x-clickhouse-format" not in answer.headers


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [
        ("SELEKT 1", 400, "62"),
        ("SELECT * FROM nowhere", 404, "60"),
        ("SELECT no_such_function()", 404, "46"),
        ("SELECT 1 FORMAT NoSuchFormat", 404, "73"),
        ("SELECT throwIf(1)", 500, "395"),
        ("", 400, "62"),
        (" -- only a comment", 400, "62"),
        ("SELECT 'unfinished", 400, "62"),
    ],
)
def test_errors_have_a_status_a_code_and_the_engines_text(front: Front, sql: str, status: int, code: str) -> None:
    answer = front.request(sql)
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (status, code)
    assert answer.body.startswith(f"Code: {code}. DB::".encode())
    assert answer.body.endswith(b"(official build))\n")


def test_the_query_may_be_in_the_url_the_body_or_both(front: Front, database: str) -> None:
    assert front.request(method="GET", path="/?query=SELECT%201").body == b"1\n"
    assert front.request(b"", path="/?query=SELECT%201").body == b"1\n"
    assert front.request("+ 2", path=f"/?query={quote('SELECT 1')}").body == b"3\n"
    where = f"database={database}"
    front.request("CREATE TABLE t (a UInt8) ENGINE = Memory", path=f"/?{where}")
    front.request(b"1\n2\n", path=f"/?{where}&query={quote('INSERT INTO t FORMAT CSV')}")
    front.request("(3), (4)", path=f"/?{where}&query={quote('INSERT INTO t VALUES')}")
    front.request(b"", path=f"/?{where}&query={quote('INSERT INTO t VALUES (5)')}")
    assert front.request("SELECT sum(a) FROM t", path=f"/?{where}").body == b"15\n"


def test_get_reads_only(front: Front, database: str) -> None:
    for sql in ("CREATE TABLE t (a UInt8) ENGINE = Memory", "INSERT INTO t VALUES (1)", "SET max_threads = 1"):
        answer = front.request(method="GET", path=f"/?database={database}&query={quote(sql)}")
        assert answer.headers["x-clickhouse-exception-code"] == "164"
    assert front.request("SHOW TABLES", path=f"/?database={database}").body == b""


def test_a_chunked_body(front: Front, database: str) -> None:
    front.request("CREATE TABLE t (a UInt32) ENGINE = Memory", path=f"/?database={database}")
    lines = b"".join(b"%d\n" % number for number in range(100_000))
    answer = front.request(b"INSERT INTO t FORMAT TSV\n" + lines, path=f"/?database={database}", chunked=True)
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "100000"


_DECODERS = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": zstd.decompress,
}


@pytest.mark.parametrize("encoding", list(_DECODERS))
@pytest.mark.parametrize("rows", [1, 1_000_000])
@pytest.mark.parametrize("output_format", ["TSV", "TSVWithNames"])
def test_answers_in_every_compression(front: Front, encoding: str, rows: int, output_format: str) -> None:
    answer = front.request(
        f"SELECT number AS n FROM numbers({rows}) ORDER BY n FORMAT {output_format}",
        path="/?enable_http_compression=1",
        headers={"Authorization": f"Basic {_BASIC}", "Accept-Encoding": encoding},
    )
    assert answer.headers["content-encoding"] == encoding
    lines = _DECODERS[encoding](answer.body).splitlines()[-rows:]
    assert (lines[0], lines[-1], len(lines)) == (b"0", b"%d" % (rows - 1), rows)


def test_answers_are_compressed_only_when_asked(front: Front) -> None:
    headers = {"Authorization": f"Basic {_BASIC}", "Accept-Encoding": "gzip"}
    assert "content-encoding" not in front.request("SELECT 1", headers=headers).headers
    unknown = {"Authorization": f"Basic {_BASIC}", "Accept-Encoding": "br;q=1, gzip;q=0"}
    assert front.request("SELECT 1", path="/?enable_http_compression=1", headers=unknown).body == b"1\n"


def test_wait_end_of_query_makes_every_error_an_http_error(front: Front) -> None:
    sql = "SELECT number, throwIf(number = 2500000, 'boom') FROM numbers(3000000)"
    answer = front.request(sql, path="/?wait_end_of_query=1")
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (500, "395")


@pytest.mark.parametrize("output_format", ["TSV", "CSVWithNames"])
def test_a_result_that_fails_after_it_began_is_marked_and_cut_short(front: Front, output_format: str) -> None:
    sql = f"SELECT number, throwIf(number = 2500000, 'boom') FROM numbers(3000000) FORMAT {output_format}"
    with socket.create_connection(("127.0.0.1", front.port)) as connection:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {_BASIC}\r\nContent-Length: {len(sql)}\r\n\r\n"
        connection.sendall(f"{head}{sql}".encode())
        received = b"".join(iter(lambda: connection.recv(1 << 20), b""))
    assert received.startswith(b"HTTP/1.1 200")
    tag = received.split(b"x-clickhouse-exception-tag: ")[1][:16]
    assert b"\r\n__exception__\r\n" + tag in received[-3000:]
    assert b"boom" in received[-3000:]
    assert not received.endswith(b"0\r\n\r\n")


def test_a_form_without_its_end_is_refused(front: Front) -> None:
    headers = {"Authorization": f"Basic {_BASIC}", "Content-Type": "multipart/form-data; boundary=b"}
    answer = front.request(b'--b\r\nContent-Disposition: form-data; name="query"\r\n\r\nSELECT 1', headers=headers)
    assert (answer.headers["x-clickhouse-exception-code"], b"cut short" in answer.body) == ("36", True)


def test_native_block_compression_is_refused_with_a_word(front: Front) -> None:
    assert b"Accept-Encoding" in front.request("SELECT 1", path="/?compress=1").body
    assert b"Content-Encoding" in front.request("SELECT 1", path="/?decompress=1").body


def test_unknown_paths_and_methods(front: Front) -> None:
    assert front.request("SELECT 1", path="/elsewhere").status == 404
    assert front.request(method="DELETE").status == 501

"""What a request may change, for itself and for its session, and that nobody else sees it."""

from __future__ import annotations

import time
import uuid

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from metrics_assets_tests.local.clickhouse_front.process import Front

MAX_THREADS = "SELECT getSetting('max_threads')"


def without_session(front: Front, **options: object) -> Client:
    return front.client(autogenerate_session_id=False, **options)


def test_a_setting_of_one_query_is_gone_in_the_next(client: Client) -> None:
    before = client.command(MAX_THREADS)
    assert client.query(MAX_THREADS, settings={"max_threads": 7}).first_row == (7,)
    assert client.query(MAX_THREADS).first_row == (before,)
    assert client.command(MAX_THREADS, settings={"max_threads": 7}) == 7
    assert client.command(MAX_THREADS) == before


def test_settings_of_many_clients_never_mix(front: Front) -> None:
    clients = {number: without_session(front, settings={"max_threads": number}) for number in range(1, 6)}
    plain = without_session(front)
    usual = plain.command(MAX_THREADS)
    for _ in range(5):
        assert {number: client.command(MAX_THREADS) for number, client in clients.items()} == {
            number: number for number in clients
        }
        assert plain.command(MAX_THREADS) == usual


def test_settings_that_the_front_changes_itself_return_to_its_values(client: Client) -> None:
    assert client.command("SELECT getSetting('async_insert')") == "false"
    assert client.command("SELECT getSetting('async_insert')", settings={"async_insert": 1}) == "true"
    assert client.command("SELECT getSetting('async_insert')") == "false"


def test_settings_within_the_query_win(client: Client) -> None:
    assert client.query(f"{MAX_THREADS} SETTINGS max_threads = 3", settings={"max_threads": 7}).first_row == (3,)
    assert client.command(MAX_THREADS, settings={"max_threads": 6}) == 6


def test_text_map_and_boolean_settings(client: Client) -> None:
    assert client.command("SELECT getSetting('log_comment')", settings={"log_comment": "it's \\ a 'run'"}) == (
        "it\\'s \\\\ a \\'run\\'"
    )
    weights = {"http_response_headers": {"X-It's": "a\\b"}}
    assert client.query("SELECT mapKeys(getSetting('http_response_headers'))", settings=weights).first_row == (
        ["X-It's"],
    )
    assert client.command("SELECT getSetting('join_use_nulls')", settings={"join_use_nulls": True}) == "true"


def test_an_unknown_setting_is_an_error_and_leaves_nothing_behind(client: Client) -> None:
    for _ in range(2):
        with pytest.raises(DatabaseError) as failure:
            client.query(MAX_THREADS, settings={"no_such_setting": 1, "max_threads": 7})
        assert failure.value.code == 115
    assert client.command(MAX_THREADS) != 7


def test_a_setting_whose_name_is_no_name_does_not_reach_the_engine(front: Front) -> None:
    answer = front.request("SELECT 1", path="/?max_threads%20=%201,%20readonly=1")
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (400, "36")
    assert b"is not the name of a setting" in answer.body


def test_a_readonly_client_reads_and_does_not_write(front: Front, database: str) -> None:
    client = without_session(front, database=database, settings={"readonly": "1"})
    assert client.command("SELECT 1") == 1
    with pytest.raises(DatabaseError) as failure:
        client.command("CREATE TABLE t (a UInt8) ENGINE = Memory")
    assert failure.value.code == 164
    assert without_session(front, database=database).command("CREATE TABLE t (a UInt8) ENGINE = Memory")


def test_the_database_of_the_client_holds_for_each_of_its_requests(front: Front, database: str) -> None:
    here, elsewhere = front.client(database=database), front.client()
    assert here.command("SELECT currentDatabase()") == database
    assert elsewhere.command("SELECT currentDatabase()") == "default"
    assert here.query("SELECT currentDatabase()").first_row == (database,)
    assert here.command("SELECT currentDatabase()", use_database=False) == "default"


def test_an_unknown_database_is_an_error(front: Front) -> None:
    with pytest.raises(DatabaseError) as failure:
        front.client(database="no_such_database").command("SELECT 1")
    assert failure.value.code == 81


def test_log_comment_and_text_are_found_in_the_query_log(client: Client) -> None:
    comment = f"dagster run {uuid.uuid4()}"
    client.query("SELECT 'logged'", settings={"log_comment": comment})
    client.command("SYSTEM FLUSH LOGS")
    rows = client.query(
        "SELECT DISTINCT type FROM system.query_log WHERE log_comment = {c:String} ORDER BY type",
        parameters={"c": comment},
    ).result_rows
    assert rows == [("QueryStart",), ("QueryFinish",)]


def test_set_and_use_hold_in_their_session_only(front: Front, database: str) -> None:
    one, other = front.client(session_id=str(uuid.uuid4())), front.client(session_id=str(uuid.uuid4()))
    usual = other.command(MAX_THREADS)
    one.command("SET max_threads = 7, log_comment = 'a, b'")
    one.command(f"USE {database}")
    assert one.command(f"{MAX_THREADS}, getSetting('log_comment'), currentDatabase()") == ["7", "a, b", database]
    assert other.command(f"{MAX_THREADS}, currentDatabase()") == [str(usual), "default"]
    assert one.command(MAX_THREADS, settings={"max_threads": 3}) == 3
    assert one.command(MAX_THREADS) == 7
    one.command("SET max_threads = DEFAULT")
    assert one.command(MAX_THREADS) == usual


def test_set_without_a_session_is_forgotten(front: Front) -> None:
    client = without_session(front)
    usual = client.command(MAX_THREADS)
    client.command("SET max_threads = 7")
    assert client.command(MAX_THREADS) == usual


def test_a_temporary_table_lives_in_its_session(front: Front) -> None:
    one, other = front.client(session_id=str(uuid.uuid4())), front.client(session_id=str(uuid.uuid4()))
    one.command("CREATE TEMPORARY TABLE mine (a UInt8)")
    one.insert("mine", [[1], [2]], column_names=["a"])
    assert one.query("SELECT sum(a) FROM mine", settings={"max_threads": 1}).first_row == (3,)
    with pytest.raises(DatabaseError):
        other.query("SELECT * FROM mine")


def test_a_session_serves_one_request_at_a_time(front: Front) -> None:
    session = str(uuid.uuid4())
    one, other = front.client(session_id=session), front.client(session_id=session)
    with one.query_row_block_stream("SELECT number FROM numbers(10000000)") as blocks:
        next(blocks)
        with pytest.raises(DatabaseError) as failure:
            other.command("SELECT 1")
    assert failure.value.code == 373
    assert other.command("SELECT 1") == 1


def test_a_session_ends_when_it_was_not_used_for_its_time(front: Front) -> None:
    client = front.client(session_id=str(uuid.uuid4()), settings={"session_timeout": 1})
    began = time.monotonic()
    client.command("SET max_threads = 7")
    shown = client.command(MAX_THREADS)
    # where the machine stood still for the session's time, it may have ended already
    assert shown == 7 or time.monotonic() - began >= 1
    time.sleep(1.2)
    assert client.command(MAX_THREADS) != 7


def test_a_session_that_must_exist_and_does_not_is_an_error(front: Front) -> None:
    answer = front.request("SELECT 1", path=f"/?session_id={uuid.uuid4()}&session_check=1")
    assert answer.headers["x-clickhouse-exception-code"] == "372"

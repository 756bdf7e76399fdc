"""What a client cannot do: read and write files of the machine, reach other sources, end the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from clickhouse_connect.driver.external import ExternalData

_READS = [
    "SELECT * FROM file('{path}', 'LineAsString')",
    "SELECT file('{path}')",
    "SELECT `file`('{path}')",
    "SELECT `fi\\x6ce`('{path}')",
    "SELECT \"file\" /* far */ ('{path}')",
    "SELECT arrayMap(file, ['{path}'])",
    "SELECT * APPLY(file) FROM (SELECT '{path}' AS a)",
    "SELECT * APPLY file FROM (SELECT '{path}' AS a)",
    "CREATE FUNCTION peek AS x -> file(x)",
    "SELECT * FROM eval('SELECT file(\\'{path}\\')') SETTINGS allow_experimental_eval_table_function = 1",
    "SELECT * FROM `{path}`",
    "SELECT * FROM default.`{path}`",
    "SELECT * FROM filesystem('{folder}')",
    "CREATE TABLE f (s String) ENGINE = File('LineAsString', '{path}')",
    "CREATE TABLE c (s String) ENGINE = MergeTree ORDER BY s SETTINGS disk = disk(type = local, path = '{folder}/')",
    "INSERT INTO t FROM INFILE '{path}' FORMAT LineAsString",
    "CREATE DICTIONARY d (k UInt64) PRIMARY KEY k SOURCE(FILE(path '{path}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)",
    "SELECT * FROM python(engine)",
    "SELECT * FROM Python(password)",
    "SELECT * FROM arrowstream(1)",
    "SELECT * FROM t SETTINGS additional_table_filters = {{'t': 'throwIf(length(file(\\'{path}\\')) > 0)'}}",
    "SELECT s FROM t SETTINGS additional_result_filter = 'length(file(\\'{path}\\')) > 0'",
    "SELECT * FROM sqlite('{path}', 't')",
    "SELECT * FROM executable('cat', 'CSV', 'a String')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a String')",
]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("the secret\n")
    return path


@pytest.mark.parametrize("sql", _READS)
def test_no_statement_reads_a_file_or_another_source(client: Client, secret: Path, sql: str) -> None:
    client.command("CREATE TABLE t (s String) ENGINE = Memory")
    with pytest.raises(DatabaseError) as failure:
        client.query(sql.format(path=secret, folder=secret.parent))
    assert "the secret" not in str(failure.value)
    assert client.command("SELECT count() FROM t") == 0


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 INTO OUTFILE '{path}' FORMAT CSV",
        "SELECT 1 INTO/**/OUTFILE '{path}' TRUNCATE",
        "INSERT INTO FUNCTION file('{path}', 'CSV', 'a UInt8') VALUES (1)",
        "BACKUP TABLE system.one TO File('{path}')",
        "CREATE TABLE f (a UInt8) ENGINE = File('CSV', '{path}')",
    ],
)
def test_no_statement_writes_a_file(client: Client, tmp_path: Path, sql: str) -> None:
    path = tmp_path / "written"
    with pytest.raises(DatabaseError):
        client.command(sql.format(path=path))
    assert not path.exists()


@pytest.mark.parametrize(
    "sql",
    [
        "SYSTEM SHUTDOWN",
        "SYSTEM KILL",
        "CREATE USER u",
        "GRANT FILE ON *.* TO default",
        "GRANT SOURCES ON *.* TO default",
    ],
)
def test_no_statement_ends_the_process_or_takes_rights(client: Client, sql: str) -> None:
    with pytest.raises(DatabaseError) as failure:
        client.command(sql)
    assert failure.value.code in (497, 495, 514)
    assert client.ping()


def test_a_parameter_cannot_name_a_forbidden_function(client: Client, secret: Path) -> None:
    sql = f"SELECT arrayMap({{f:Identifier}}, ['{secret}'])"
    with pytest.raises(DatabaseError) as failure:
        client.query(sql, parameters={"f": "file"})
    assert failure.value.code == 497
    with pytest.raises(DatabaseError) as failure:
        client.command("SET max_threads = 1, param_f = 'file'")
    assert failure.value.code == 497
    assert client.query("SELECT {x:String}, {y:String}", parameters={"x": "file", "y": "python"}).first_row == (
        "file",
        "python",
    )


def test_the_structure_of_external_data_is_held_to_the_same(client: Client, secret: Path) -> None:
    data = ExternalData(
        file_name="e.csv", data=b"1\n", fmt="CSV", structure=f"a UInt8, b String DEFAULT file('{secret}')"
    )
    with pytest.raises(DatabaseError) as failure:
        client.query("SELECT * FROM e", external_data=data)
    assert failure.value.code == 497


def test_names_that_only_look_forbidden_are_allowed(client: Client) -> None:
    client.command("CREATE TABLE t (file String, python UInt8) ENGINE = Memory")
    client.insert("t", [["f", 1]], column_names=["file", "python"])
    assert client.query("SELECT file, t.python, 'INTO OUTFILE' FROM t WHERE file IN ('f')").first_row == (
        "f",
        1,
        "INTO OUTFILE",
    )


def test_other_databases_may_be_reached(client: Client) -> None:
    with pytest.raises(DatabaseError) as failure:
        client.query("SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')")
    assert failure.value.code == 614, "it must be the connection that fails, not the right to try"

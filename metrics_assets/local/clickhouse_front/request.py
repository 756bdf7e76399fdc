"""What a request asks for, read from its URL, headers and form fields.

Names and meanings are those of ClickHouse's HTTP interface. Not here: the body (`body`) and what is done with
all this (`execution`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from metrics_assets.local.clickhouse_front.errors import authentication_failed, bad_arguments

USER = "metrics"

DEFAULT_BUFFER_BYTES = 1 << 20
_DEFAULT_SESSION_SECONDS = 60
_LONGEST_SESSION_SECONDS = 3600

# URL parameters that are not settings of the engine: the interface's own, and settings of the HTTP server that
# the front fulfils itself.
_NOT_SETTINGS = frozenset(
    {
        "add_http_cors_header",
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",
        "client_protocol_version",
        "close_session",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_zlib_compression_level",
        "password",
        "query",
        "query_id",
        "quota_key",
        "role",
        "send_progress_in_http_headers",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
    }
)
_PARAMETER_PREFIX = "param_"
_TRUE = frozenset({"1", "true", "True"})


@dataclass(frozen=True)
class ExternalTable:
    """Data sent with a query, which the query reads as the table `name`."""

    name: str
    structure: str
    """Columns as in CREATE TABLE."""
    input_format: str
    data: bytes


@dataclass(frozen=True)
class Session:
    session_id: str
    seconds: int
    """How long it lives after its last request."""
    must_exist: bool
    close_after: bool


@dataclass(frozen=True)
class Request:
    """One request without its body."""

    query: str
    """What the URL holds of the query; the body follows it."""
    query_id: str
    session: Session | None
    database: str | None
    default_format: str | None
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    """Values for {name:Type}, in ClickHouse's escaped form."""
    whole_result_first: bool
    """Answer only when the query has ended, so that an error always is an HTTP error."""
    buffer_bytes: int
    may_write: bool
    compress_answer: bool
    external_tables: tuple[ExternalTable, ...] = field(default=())


def check_credentials(headers: Mapping[str, str], url: Mapping[str, str], password: str) -> None:
    """Raise ClickHouseError 516 unless the request carries the user's name and password.

    `headers` has lower-case names. Like the server, takes X-ClickHouse-User and -Key before Basic
    authorization before the URL's user and password.
    """
    user, given = url.get("user", ""), url.get("password", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, given = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise authentication_failed("Basic authorization is not valid base64 of UTF-8") from None
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        user, given = headers.get("x-clickhouse-user", ""), headers.get("x-clickhouse-key", "")
    right_user = hmac.compare_digest(user.encode(), USER.encode())
    if not (hmac.compare_digest(given.encode(), password.encode()) and right_user):
        raise authentication_failed(user or "default")


def parse_request(
    method: str,
    headers: Mapping[str, str],
    url: Mapping[str, str],
    form: Mapping[str, str],
    files: Mapping[str, bytes],
) -> Request:
    """Read a request; `form` and `files` are the fields and files of a multipart body, empty otherwise."""
    given = {**url, **form}
    if given.get("compress") in _TRUE:
        raise bad_arguments("compress=1 (native block compression) is not available; use Accept-Encoding")
    if given.get("decompress") in _TRUE:
        raise bad_arguments("decompress=1 (native block compression) is not available; use Content-Encoding")
    if given.get("role"):
        raise bad_arguments(f"role={given['role']}: there are no roles here")
    described = {name for file in files for name in (f"{file}_format", f"{file}_structure", f"{file}_types")}
    return Request(
        query=given.get("query", ""),
        query_id=given.get("query_id") or headers.get("x-clickhouse-query-id") or str(uuid.uuid4()),
        session=_session(given),
        database=given.get("database") or headers.get("x-clickhouse-database") or None,
        default_format=given.get("default_format") or headers.get("x-clickhouse-format") or None,
        settings={
            name: value
            for name, value in given.items()
            if name not in _NOT_SETTINGS and name not in described and not name.startswith(_PARAMETER_PREFIX)
        },
        parameters={
            name.removeprefix(_PARAMETER_PREFIX): value
            for name, value in given.items()
            if name.startswith(_PARAMETER_PREFIX)
        },
        whole_result_first=given.get("wait_end_of_query") in _TRUE,
        buffer_bytes=_number(given, "buffer_size", DEFAULT_BUFFER_BYTES),
        may_write=method == "POST",
        compress_answer=given.get("enable_http_compression") in _TRUE,
        external_tables=tuple(_external_table(name, data, given) for name, data in files.items()),
    )


def _session(given: Mapping[str, str]) -> Session | None:
    session_id = given.get("session_id")
    if not session_id:
        return None
    seconds = _number(given, "session_timeout", _DEFAULT_SESSION_SECONDS)
    if seconds > _LONGEST_SESSION_SECONDS:
        raise bad_arguments(f"session_timeout {seconds} is above the maximum, {_LONGEST_SESSION_SECONDS}")
    return Session(
        session_id=session_id,
        seconds=seconds,
        must_exist=given.get("session_check") in _TRUE,
        close_after=given.get("close_session") in _TRUE,
    )


def _external_table(name: str, data: bytes, given: Mapping[str, str]) -> ExternalTable:
    structure = given.get(f"{name}_structure")
    if not structure:
        types = given.get(f"{name}_types")
        if not types:
            raise bad_arguments(f"Neither structure nor types are given for the external table {name}")
        structure = ", ".join(f"_{number} {type_}" for number, type_ in enumerate(_split_types(types), start=1))
    return ExternalTable(name, structure, given.get(f"{name}_format") or "TabSeparated", data)


def _split_types(types: str) -> list[str]:
    """Split at the commas that are not inside brackets: `UInt8,Map(String, UInt8)` are two."""
    parts, depth = [""], 0
    for character in types:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _number(given: Mapping[str, str], name: str, otherwise: int) -> int:
    value = given.get(name)
    if value is None or value == "":
        return otherwise
    if not value.isdecimal():
        raise bad_arguments(f"{name} must be a number, not {value!r}")
    return int(value)

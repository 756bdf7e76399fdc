"""What the engine or the front refuses, in ClickHouse's own terms: a code, a name, a text, an HTTP status.

Errors of starting the process are `metrics_assets.errors`.
"""

from __future__ import annotations

import re
from http import HTTPStatus

_CODE = re.compile(r"Code: (\d+)\. ")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_VERSION = re.compile(r"\s*\(version [^()]*(?:\([^()]*\))?\)")
_REPEATED_PREFIX = re.compile(r"^(Code: \d+\. DB::\w+: )\1+")

# As ClickHouse's HTTPHandler maps them. 429, 503 and 504 make the client send the request again, so
# nothing that may have had an effect gets one of these.
_STATUS_BY_NAME = {
    "AUTHENTICATION_FAILED": HTTPStatus.FORBIDDEN,
    "REQUIRED_PASSWORD": HTTPStatus.UNAUTHORIZED,
    "UNKNOWN_USER": HTTPStatus.FORBIDDEN,
    "WRONG_PASSWORD": HTTPStatus.FORBIDDEN,
    "TIMEOUT_EXCEEDED": HTTPStatus.REQUEST_TIMEOUT,
    "QUERY_IS_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "NOT_IMPLEMENTED": HTTPStatus.NOT_IMPLEMENTED,
    **dict.fromkeys(
        (
            "BAD_ARGUMENTS",
            "BAD_QUERY_PARAMETER",
            "CANNOT_COMPILE_REGEXP",
            "CANNOT_PARSE_DATE",
            "CANNOT_PARSE_DATETIME",
            "CANNOT_PARSE_ESCAPE_SEQUENCE",
            "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
            "CANNOT_PARSE_NUMBER",
            "CANNOT_PARSE_QUOTED_STRING",
            "CANNOT_PARSE_TEXT",
            "CANNOT_PARSE_UUID",
            "DUPLICATE_COLUMN",
            "ILLEGAL_AGGREGATION",
            "INCORRECT_DATA",
            "MULTIPLE_EXPRESSIONS_FOR_ALIAS",
            "NO_DATA_TO_INSERT",
            "SYNTAX_ERROR",
            "THERE_IS_NO_COLUMN",
            "TYPE_MISMATCH",
            "UNKNOWN_QUERY_PARAMETER",
            "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
        ),
        HTTPStatus.BAD_REQUEST,
    ),
    **dict.fromkeys(
        (
            "UNKNOWN_AGGREGATE_FUNCTION",
            "UNKNOWN_DATABASE",
            "UNKNOWN_DIRECTION_OF_SORTING",
            "UNKNOWN_FORMAT",
            "UNKNOWN_FUNCTION",
            "UNKNOWN_IDENTIFIER",
            "UNKNOWN_SETTING",
            "UNKNOWN_STORAGE",
            "UNKNOWN_TABLE",
            "UNKNOWN_TYPE",
        ),
        HTTPStatus.NOT_FOUND,
    ),
}


class ClickHouseError(Exception):
    """One refusal, as ClickHouse reports it.

    `code` is ClickHouse's error number, `name` its symbol, `text` the message without number, symbol
    and version.
    """

    def __init__(self, code: int, name: str, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}. ({name})")
        self.code = code
        self.name = name

    def body(self, version: str) -> str:
        """Return the text of an HTTP answer, ending like a server's: with the version and a newline."""
        return f"{self} (version {version} (official build))\n"

    @property
    def status(self) -> int:
        return _STATUS_BY_NAME.get(self.name, HTTPStatus.INTERNAL_SERVER_ERROR)


class EngineError(ClickHouseError):
    """The engine's own error; its text is passed on as it is."""

    def __init__(self, message: str) -> None:
        start = message.find("Code: ")
        text = _VERSION.sub("", message[start:] if start >= 0 else message).strip()
        text = _REPEATED_PREFIX.sub(r"\1", text)
        code = _CODE.search(text)
        names = _NAME.findall(text)
        self.code = int(code[1]) if code else UNKNOWN_EXCEPTION
        self.name = names[-1] if names else "UNKNOWN_EXCEPTION"
        Exception.__init__(self, text if code else f"Code: {self.code}. DB::Exception: {text}. ({self.name})")


UNKNOWN_EXCEPTION = 1002


def authentication_failed(user: str) -> ClickHouseError:
    return ClickHouseError(
        516,
        "AUTHENTICATION_FAILED",
        f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
    )


def access_denied(text: str) -> ClickHouseError:
    return ClickHouseError(497, "ACCESS_DENIED", text)


def bad_arguments(text: str) -> ClickHouseError:
    return ClickHouseError(36, "BAD_ARGUMENTS", text)


def syntax_error(text: str) -> ClickHouseError:
    return ClickHouseError(62, "SYNTAX_ERROR", text)


def readonly(text: str) -> ClickHouseError:
    return ClickHouseError(164, "READONLY", text)


def unknown_compression(encoding: str, known: str) -> ClickHouseError:
    return ClickHouseError(
        89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method '{encoding}' of the body; known are {known}"
    )


def cannot_decompress(encoding: str, reason: str) -> ClickHouseError:
    return ClickHouseError(271, "CANNOT_DECOMPRESS", f"The body is not whole, valid {encoding}: {reason}")

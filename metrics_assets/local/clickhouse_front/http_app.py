"""ClickHouse's HTTP interface as an ASGI application.

The event loop only moves bytes; everything that may wait (the engine, files, compression) runs on worker
threads. An answer starts when the result has ended or has outgrown the buffer, so that most errors still
become an HTTP status. Not here: what a request means (`request`) and how it is run (`execution`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

from starlette.datastructures import Headers, QueryParams

from metrics_assets.local.clickhouse_front.answer import Answer, content_type
from metrics_assets.local.clickhouse_front.body import Body, ClientGone, Receive, receive_body
from metrics_assets.local.clickhouse_front.compression import choose_encoding
from metrics_assets.local.clickhouse_front.engine import Engine
from metrics_assets.local.clickhouse_front.errors import ClickHouseError
from metrics_assets.local.clickhouse_front.execution import Execution, RunningQueries
from metrics_assets.local.clickhouse_front.multipart import Form, parse_form
from metrics_assets.local.clickhouse_front.request import Request, check_credentials, parse_request
from metrics_assets.local.clickhouse_front.sessions import Sessions

Send = Callable[[dict[str, Any]], Awaitable[None]]

_T = TypeVar("_T")

# A query that is being started cannot be found yet, so cancelling is repeated until it has worked.
_CANCEL_AGAIN_SECONDS = 0.3


class AnswerCutShort(Exception):
    """Makes the HTTP server break the connection, so that a failed result cannot pass for a whole one."""


# The server reports what its application raises; this one is how it is told to hang up.
logging.getLogger("uvicorn.error").addFilter(
    lambda record: not (record.exc_info and isinstance(record.exc_info[1], AnswerCutShort))
)


class HttpApp:
    """The ASGI application; `workers` run what blocks, `temporary` holds large bodies and answers."""

    def __init__(self, engine: Engine, password: str, workers: Executor, temporary: Path) -> None:
        self._engine = engine
        self._password = password
        self._workers = workers
        self._temporary = temporary
        self._sessions = Sessions(engine)
        self._running = RunningQueries(engine)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        headers = Headers(scope=dict(scope))
        url = dict(QueryParams(scope["query_string"]))
        if path in ("/ping", "/replicas_status") or (path == "/" and method in ("GET", "HEAD") and "query" not in url):
            await _send_whole(send, 200, {"content-type": "text/plain; charset=UTF-8"}, b"Ok.\n")
        elif path != "/":
            text = f"There is no handle {path}\n\nUse / or /ping for health checks, and POST queries to /\n"
            await _send_whole(send, 404, {"content-type": "text/plain; charset=UTF-8"}, text.encode())
        elif method not in ("GET", "HEAD", "POST"):
            await _send_whole(send, 501, {"content-type": "text/plain; charset=UTF-8"}, b"Use GET or POST\n")
        else:
            await self._answer_query(method, headers, url, receive, send)

    def close(self) -> None:
        """Give back what the sessions hold; after the last request."""
        self._sessions.close()

    async def _answer_query(
        self, method: str, headers: Headers, url: dict[str, str], receive: Receive, send: Send
    ) -> None:
        common = self._headers(url.get("query_id") or str(uuid.uuid4()), url)
        try:
            check_credentials(headers, url, self._password)
            body = await receive_body(receive, headers.get("content-encoding", ""), self._temporary, self._workers)
        except ClientGone:
            return
        except ClickHouseError as error:
            await self._send_error(send, error, common)
            return
        gone = asyncio.ensure_future(_until_disconnected(receive))
        try:
            request, body = self._read_request(method, headers, url, body)
            common = self._headers(request.query_id, request.settings)
            await self._execute(request, body, headers, common, gone, send)
        except ClickHouseError as error:
            await self._send_error(send, error, common)
        finally:
            gone.cancel()
            body.close()

    def _read_request(self, method: str, headers: Headers, url: dict[str, str], body: Body) -> tuple[Request, Body]:
        """Read the request; the fields of a form stand beside the URL's, and nothing of its body is query text."""
        sent_type = headers.get("content-type", "")
        if not sent_type.startswith("multipart/form-data"):
            return parse_request(method, headers, url, {}, {}), body
        form: Form = parse_form(sent_type, body.read())
        body.close()
        return parse_request(method, headers, url, form.fields, form.files), Body(self._temporary)

    async def _execute(
        self,
        request: Request,
        body: Body,
        headers: Headers,
        common: dict[str, str],
        gone: asyncio.Future[None],
        send: Send,
    ) -> None:
        encoding = choose_encoding(headers.get("accept-encoding", "")) if request.compress_answer else None
        execution = Execution(self._engine, self._sessions, self._running, request, body, self._temporary)
        answer = Answer(
            execution,
            whole_first=request.whole_result_first,
            buffer_bytes=request.buffer_bytes,
            encoding=encoding,
            directory=self._temporary,
        )
        try:
            await self._in_worker(answer.begin, execution, gone)
            await self._send_answer(send, answer, encoding, common, execution, gone)
        finally:
            # The task may be cancelled by a stopping server; what runs in the engine is ended all the same.
            if execution.closed:
                answer.close()
            else:
                await asyncio.shield(asyncio.to_thread(answer.close))

    async def _send_answer(
        self,
        send: Send,
        answer: Answer,
        encoding: str | None,
        common: dict[str, str],
        execution: Execution,
        gone: asyncio.Future[None],
    ) -> None:
        headers = common | {
            "content-type": content_type(answer.output_format),
            "x-clickhouse-summary": json.dumps(answer.summary(), separators=(",", ":")),
            "x-clickhouse-exception-tag": answer.exception_tag,
        }
        if answer.output_format is not None:
            headers["x-clickhouse-format"] = answer.output_format
        if encoding and answer.bytes != 0:
            headers["content-encoding"] = encoding
        if answer.bytes is not None:
            headers["content-length"] = str(answer.bytes)
        await _send_start(send, 200, headers)
        try:
            # What is already here needs no trip to a worker.
            first = answer.next()
            await _send_piece(send, first, more=bool(first) and len(first) != answer.bytes)
            while first and len(first) != answer.bytes:
                piece = await self._in_worker(answer.next, execution, gone)
                await _send_piece(send, piece, more=bool(piece))
                if not piece or gone.done():
                    return
        except ClickHouseError as error:
            await _send_piece(send, answer.failed_piece(error, self._engine.version), more=True)
            raise AnswerCutShort from None

    async def _in_worker(self, call: Callable[[], _T], execution: Execution, gone: asyncio.Future[None]) -> _T:
        """Run a blocking step of `execution`; when the client goes away, cancel what only reads and wait for it."""
        work: asyncio.Future[_T] = asyncio.get_running_loop().run_in_executor(self._workers, call)
        either: list[asyncio.Future[Any]] = [work, gone]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            await _cancel_until_done(work, execution)
        except asyncio.CancelledError:
            # The server stops, and has waited long enough.
            await _cancel_until_done(work, execution, even_if_it_writes=True)
            raise
        return work.result()

    def _headers(self, query_id: str, settings: Mapping[str, str]) -> dict[str, str]:
        return {
            "x-clickhouse-server-display-name": self._engine.display_name,
            "x-clickhouse-query-id": query_id,
            "x-clickhouse-timezone": settings.get("session_timezone") or self._engine.timezone,
        }

    async def _send_error(self, send: Send, error: ClickHouseError, common: Mapping[str, str]) -> None:
        headers = {
            **common,
            "content-type": "text/plain; charset=UTF-8",
            "x-clickhouse-exception-code": str(error.code),
        }
        await _send_whole(send, error.status, headers, error.body(self._engine.version).encode())


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel_until_done(
    work: asyncio.Future[Any], execution: Execution, *, even_if_it_writes: bool = False
) -> None:
    while not work.done():
        await asyncio.to_thread(execution.cancel, even_if_it_writes=even_if_it_writes)
        await asyncio.wait({work}, timeout=_CANCEL_AGAIN_SECONDS)


async def _send_start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    # Some values are a client's own words, which must not end the header and begin another.
    clean = {name: "".join(c if c.isprintable() else "?" for c in value) for name, value in headers.items()}
    encoded = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in clean.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": encoded})


async def _send_piece(send: Send, piece: bytes, *, more: bool) -> None:
    await send({"type": "http.response.body", "body": piece, "more_body": more})


async def _send_whole(send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
    await _send_start(send, status, {**headers, "content-length": str(len(body))})
    await _send_piece(send, body, more=False)

"""Responses: bytes, status and headers on their way out.

Every answer carries the same headers: nothing is cached, framed, sniffed or read by a page
of another origin (there is no CORS header at all).
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from weft.api.idempotency import Answer
from weft.api.operation import JSON, Call, Operation, Receive, Reply
from weft.api.problems import MEDIA_TYPE, encode_problem, headers_of, problem_of

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")  # on TLS only

LAST_WORD_S = 0.5  # for the reason of a cut to reach a caller that reads

_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", JSON.encode())


def answer_of(operation: Operation, call: Call, result: Any) -> Answer:
    """Turn what a handler returned into the response that goes out."""
    if type(result) is not Reply:
        if operation.result is None:
            return Answer(204, (), b"")
        return Answer(operation.status, (_JSON,), _encode(result))
    headers = result.headers
    status = result.status or operation.status
    if result.version is not None:
        etag = f'"{result.version}"'.encode()
        headers = (*headers, (b"etag", etag))
        if operation.method == "GET" and call.headers.get(b"if-none-match") == etag:
            return Answer(304, headers, b"")
    if result.content is not None:
        media_type = (b"content-type", result.media_type.encode())
        return Answer(status, (media_type, *headers), result.content)
    if operation.result is None:
        return Answer(204, headers, b"")
    return Answer(status, (_JSON, *headers), _encode(result.value))


def problem_answer(error: BaseException, request_id: str) -> Answer:
    """Turn an error into the problem that answers it."""
    problem = problem_of(error, request_id)
    headers = ((b"content-type", MEDIA_TYPE.encode()), *headers_of(error))
    return Answer(problem.status, headers, encode_problem(problem))


def head_of(request_id: str, *, tls: bool) -> Headers:
    """Return the headers that every answer carries."""
    head: Headers = [*SECURITY_HEADERS, (b"x-request-id", request_id.encode())]
    if tls:
        head.append(STRICT_TRANSPORT)
    return head


async def send_answer(send: Send, answer: Answer, head: Headers) -> None:
    """Send a whole answer."""
    headers = [*head, *answer.headers]
    if answer.status not in (204, 304):
        headers.append((b"content-length", str(len(answer.content)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})


async def send_stream(
    reply: Reply, head: Headers, receive: Receive, send: Send, abort: Callable[[], None] | None
) -> None:
    """Send a stream until it ends, is cut, or the caller hangs up.

    A caller that does not read must not outlive a cut (RV-1): when the stream has ended and
    its last bytes cannot be sent at once, the connection is aborted.
    """
    assert reply.stream is not None
    stream, ended = reply.stream, reply.ended
    headers = [*head, (b"content-type", reply.media_type.encode()), *reply.headers]
    # Closing runs the end of a stream only when it has begun: what it holds would stay held.
    first = await anext(stream, b"")

    async def pump() -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        async for chunk in stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            continue

    async def cut() -> None:
        if ended is None:
            await asyncio.Event().wait()
        else:
            await ended.wait()
            await asyncio.sleep(LAST_WORD_S)
            if abort is not None:
                abort()

    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work()) for work in (pump, watch, cut)]
            try:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in running:
                    task.cancel()
    finally:
        await stream.aclose()

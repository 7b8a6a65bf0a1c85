"""Streams on their way out: cut, hung up, or at their end."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest

from weft.api import responses
from weft.api.operation import Reply
from weft.api.responses import head_of, send_stream


async def forever() -> AsyncGenerator[bytes, None]:
    while True:
        yield b"x"
        await asyncio.sleep(0)


async def never() -> MutableMapping[str, Any]:
    await asyncio.Event().wait()
    return {}


async def test_a_reader_that_does_not_read_is_aborted_when_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its socket is full, so nothing more can be said (RV-1)."""
    monkeypatch.setattr(responses, "LAST_WORD_S", 0)
    ended, aborted = asyncio.Event(), asyncio.Event()

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            ended.set()
            await asyncio.Event().wait()

    reply = Reply(stream=forever(), ended=ended, media_type="text/event-stream")
    async with asyncio.timeout(5):
        await send_stream(reply, [], never, send, aborted.set)
    assert aborted.is_set()


async def test_a_caller_that_hangs_up_ends_the_stream() -> None:
    """And the stream is closed, so that it is forgotten."""
    closed = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in forever():
                yield chunk
        finally:
            closed.set()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: MutableMapping[str, Any]) -> None:
        await asyncio.sleep(0)

    async with asyncio.timeout(5):
        await send_stream(Reply(stream=chunks()), [], receive, send, None)
    assert closed.is_set()


async def test_a_request_that_ends_before_its_first_byte_forgets_the_stream() -> None:
    """The place of a stream is taken before it begins; eight lost ones would lock a user out."""
    closed = asyncio.Event()

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            yield b"x"
        finally:
            closed.set()

    async def send(_message: MutableMapping[str, Any]) -> None:
        raise ConnectionResetError

    with pytest.raises(ExceptionGroup):
        await send_stream(Reply(stream=chunks()), [], never, send, None)
    assert closed.is_set()


def test_strict_transport_is_for_tls_only() -> None:
    """On plain loopback the header would lock the browser out."""
    assert (b"strict-transport-security" in dict(head_of("r", tls=True))) is True
    assert (b"strict-transport-security" in dict(head_of("r", tls=False))) is False

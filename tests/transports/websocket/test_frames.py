"""Frames: bytes in both directions, held back in both, and every way to end."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from weft.transports.websocket.frames import FRAME_BYTES, FrameTransport

SCOPE = {"scheme": "wss", "client": ("192.0.2.7", 40001), "client_certificate": b"der"}


class Recorder(asyncio.Protocol):
    """Notes what a transport tells it."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.told: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, _error: Exception | None) -> None:
        self.told.append("lost")


class Peer:
    """The other end, as ASGI shows it: it takes frames only while `taking`."""

    def __init__(self, **scope: Any) -> None:
        self.protocol = Recorder()
        self.aborted = 0
        self.transport = FrameTransport({**SCOPE, "abort": self.abort} | scope, self.protocol)
        self.incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.sent: list[MutableMapping[str, Any]] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.is_gone = False
        self.task = asyncio.ensure_future(self.transport.serve(self.incoming.get, self.send))

    def abort(self) -> None:
        self.aborted += 1

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.taking.wait()
        if self.is_gone:
            raise OSError("The peer is gone.")
        self.sent.append(message)

    def say(self, **message: Any) -> None:
        self.incoming.put_nowait({"type": "websocket.receive"} | message)

    def leave(self) -> None:
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})

    @property
    def bytes(self) -> bytes:
        return b"".join(one["bytes"] for one in self.sent if one["type"] == "websocket.send")

    async def end(self) -> None:
        async with asyncio.timeout(10):
            await self.task


async def turn(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_bytes_go_both_ways_in_order() -> None:
    """Frames and packets need not begin together."""
    peer = Peer()
    peer.say(bytes=b"ab")
    peer.say(bytes=b"c")
    peer.transport.write(b"12")
    peer.transport.write(b"3")
    await turn()
    assert peer.protocol.received == [b"ab", b"c"]
    assert peer.bytes == b"123"
    peer.leave()
    await peer.end()
    assert peer.protocol.told == ["lost"]


async def test_no_frame_is_larger_than_a_slow_reader_takes() -> None:
    peer = Peer()
    whole = bytes(range(256)) * 200
    peer.transport.write(whole)
    peer.transport.close()
    await peer.end()
    assert peer.bytes == whole
    assert max(len(one.get("bytes", b"")) for one in peer.sent) == FRAME_BYTES


async def test_what_piles_up_stops_the_writer_until_it_has_left() -> None:
    peer = Peer()
    peer.transport.set_write_buffer_limits(high=10)
    peer.taking.clear()
    peer.transport.write(b"x" * 10)
    assert not peer.protocol.told
    peer.transport.write(b"x")
    assert peer.protocol.told == ["pause"]
    assert peer.transport.get_write_buffer_size() == 11
    peer.taking.set()
    await turn()
    assert peer.protocol.told == ["pause", "resume"]
    assert peer.transport.get_write_buffer_size() == 0
    peer.leave()
    await peer.end()


async def test_while_reading_is_paused_no_frame_is_taken() -> None:
    peer = Peer()
    peer.transport.pause_reading()
    await turn()
    peer.say(bytes=b"1")
    peer.say(bytes=b"2")
    await turn()
    assert len(peer.protocol.received) <= 1  # one may have been asked for before
    peer.transport.resume_reading()
    await turn()
    assert peer.protocol.received == [b"1", b"2"]
    peer.leave()
    await peer.end()


async def test_a_text_frame_ends_it_with_1003() -> None:
    """[MQTT-6.0.0-1]; what was written before still leaves."""
    peer = Peer()
    peer.transport.write(b"1")
    peer.say(text="hello")
    await peer.end()
    assert peer.bytes == b"1"
    assert (peer.sent[-1]["type"], peer.sent[-1]["code"]) == ("websocket.close", 1003)
    assert peer.protocol.told == ["lost"]


async def test_closing_lets_everything_leave_and_takes_nothing_more() -> None:
    peer = Peer()
    peer.transport.write(b"last")
    peer.transport.close()
    peer.transport.write(b"too late")
    assert peer.transport.is_closing()
    await peer.end()
    assert peer.bytes == b"last"
    assert peer.sent[-1]["code"] == 1000


async def test_aborting_waits_for_nobody() -> None:
    """RV-1: a peer that takes nothing cannot hold the connection."""
    peer = Peer()
    peer.taking.clear()
    peer.transport.write(b"never")
    await turn()
    peer.transport.abort()
    await peer.end()
    assert (peer.sent, peer.aborted, peer.protocol.told) == ([], 1, ["lost"])


async def test_a_peer_that_is_gone_ends_it() -> None:
    peer = Peer()
    peer.is_gone = True
    peer.transport.write(b"1")
    await peer.end()
    assert peer.protocol.told == ["lost"]


@pytest.mark.parametrize(
    ("scope", "certificate"),
    [({}, b"der"), ({"client_certificate": None}, None)],
)
async def test_the_certificate_is_the_one_that_tls_has_verified(
    scope: dict[str, Any], certificate: bytes | None
) -> None:
    peer = Peer(**scope)
    found = peer.transport.get_extra_info("ssl_object")
    assert found.getpeercert(binary_form=True) == certificate
    assert peer.transport.get_extra_info("peername") == ("192.0.2.7", 40001)
    peer.leave()
    await peer.end()


async def test_in_the_clear_there_is_no_certificate() -> None:
    peer = Peer(scheme="ws")
    assert peer.transport.get_extra_info("ssl_object") is None
    assert not peer.transport.can_write_eof()
    peer.leave()
    await peer.end()

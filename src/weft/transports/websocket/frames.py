"""Frames: a WebSocket as the transport of a byte stream, with pressure in both directions.

What is written goes out in binary frames of bounded size, one after the other; what piles
up beyond the mark makes the protocol stop writing. While the protocol does not read, no
frame is taken, and so none is read from the socket. MQTT packets and frames need not begin
or end together [MQTT-6.0.0-2].
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FRAME_BYTES = 16 * 1024  # what a slow reader takes at once: so it is told from one that is stuck

# Close codes (RFC 6455, 7.4.1).
NORMAL, UNSUPPORTED_DATA = 1000, 1003


class PeerCertificate:
    """What TLS has verified of the peer, as its own object tells it."""

    def __init__(self, der: bytes | None) -> None:
        self._der = der

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        """Return the certificate as DER, or None where there is none."""
        assert binary_form
        return self._der


class FrameTransport(asyncio.Transport):
    """One WebSocket, as an asyncio protocol sees its socket."""

    def __init__(self, scope: Message, protocol: asyncio.Protocol) -> None:
        secure = scope["scheme"] == "wss"
        super().__init__(
            {
                "peername": scope["client"],
                "ssl_object": PeerCertificate(scope.get("client_certificate")) if secure else None,
                "protocol": scope["scheme"],
            }
        )
        self._protocol = protocol
        self._abort_socket: Callable[[], None] | None = scope.get("abort")
        self._is_serving = False
        self._out: deque[bytes] = deque()
        self._unsent = 0
        self._high = 64 * 1024
        self._held_back = False
        self._more = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._gone = asyncio.Event()
        self._closing: tuple[int, str] | None = None

    # --- as a transport ---

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the mark beyond which the protocol is asked to stop writing."""
        del low  # a quarter of it, as usual
        self._high = high or self._high

    def get_write_buffer_size(self) -> int:
        """Return how much has not left yet."""
        return self._unsent

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, behind all before; nothing once it closes."""
        if not data or self._closing is not None or self._gone.is_set():
            return
        whole = bytes(data)
        for start in range(0, len(whole), FRAME_BYTES):
            self._out.append(whole[start : start + FRAME_BYTES])
        self._unsent += len(whole)
        self._more.set()
        if self._unsent > self._high and not self._held_back:
            self._held_back = True
            self._protocol.pause_writing()

    def can_write_eof(self) -> bool:
        """Whether one direction can be closed alone: not here."""
        return False

    def is_reading(self) -> bool:
        """Whether frames are taken."""
        return self._reading.is_set()

    def pause_reading(self) -> None:
        """Take no more frames."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Take frames again."""
        self._reading.set()

    def is_closing(self) -> bool:
        """Whether it was closed, by us or by the peer."""
        return self._closing is not None or self._gone.is_set()

    def close(self) -> None:
        """Close behind what was written."""
        self.close_with(NORMAL, "")

    def close_with(self, code: int, reason: str) -> None:
        """Close behind what was written, with a code of RFC 6455."""
        if self._closing is None:
            self._closing = (code, reason)
            self._more.set()

    def abort(self) -> None:
        """Close at once; what was not sent by now is not sent."""
        self._gone.set()
        if self._is_serving and self._abort_socket is not None:
            self._abort_socket()

    # --- as an application ---

    async def serve(self, receive: Receive, send: Send) -> None:
        """Carry bytes both ways until either side ends; then tell the protocol."""
        self._is_serving = True
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(receive))
                ends = [tasks.create_task(self._write(send)), tasks.create_task(self._gone.wait())]
                try:
                    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in (reading, *ends):
                        task.cancel()
        finally:
            self._gone.set()
            self._protocol.connection_lost(None)

    async def _read(self, receive: Receive) -> None:
        while True:
            await self._reading.wait()
            message = await receive()
            if message["type"] == "websocket.disconnect":
                self._gone.set()
                return
            data = message.get("bytes")
            if data is None:  # [MQTT-6.0.0-1]
                self.close_with(UNSUPPORTED_DATA, "MQTT is sent in binary frames.")
                return
            self._protocol.data_received(data)

    async def _write(self, send: Send) -> None:
        """Send what is written, a frame at a time; return when it was closed, or cannot go on."""
        try:
            while True:
                await self._more.wait()
                self._more.clear()
                while self._out:
                    data = self._out.popleft()
                    await send({"type": "websocket.send", "bytes": data})
                    self._took(len(data))
                if self._closing is not None:
                    code, reason = self._closing
                    await send({"type": "websocket.close", "code": code, "reason": reason})
                    return
        except OSError:  # the peer is gone, as ASGI tells it
            return

    def _took(self, size: int) -> None:
        self._unsent -= size
        if self._held_back and self._unsent <= self._high // 4:
            self._held_back = False
            self._protocol.resume_writing()

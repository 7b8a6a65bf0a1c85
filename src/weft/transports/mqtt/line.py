"""The line to one peer: a socket and the wire's machine, read as fast as we can follow.

Reading pauses while something has to wait, so that order is kept and nothing piles up. A
peer that is silent, takes nothing or will not close is let go; one that is told why it is
let go hears it, because no reset overtakes the last bytes.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from weft.observability.log import get_logger
from weft.transports.addresses import write_address
from weft.transports.mqtt.settings import Given
from weft.wire.mqtt.reasons import Reason
from weft.wire.mqtt.server import ServerConnection
from weft.wire.mqtt.stream import State

log = get_logger(__name__)

# Why reading is paused; reading goes on when no reason is left.
WAITING, FULL, OVER_RATE, CLOSING = 1, 2, 4, 8

Work = Coroutine[Any, Any, None]


class Host(Protocol):
    """The door, as a line sees it."""

    def start(self, work: Work) -> None:
        """Run something in the listener's task group."""
        ...

    def came(self, line: "Line") -> bool:
        """A stranger came; False when there are too many from its address."""
        ...

    def known(self, line: "Line") -> None:
        """It is no stranger any more."""
        ...

    def gone(self, line: "Line") -> None:
        """It left."""
        ...


class Line(asyncio.Protocol):
    """The socket of a connection; what is said over it is for those who derive from it."""

    def __init__(self, given: Given, host: Host) -> None:
        self.address = ""
        self.writable = True
        self.closing_at = 0.0
        self.stalled_at = 0.0
        self._unsent_bytes = 0
        self._given = given
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._machine = ServerConnection(given.settings.limits, self._loop.time())
        self._transport: asyncio.Transport
        self._paused = 0
        self._will_wanted: bool | None = False  # no CONNECT was accepted yet
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._given.settings.write_buffer_bytes)
        self.address = write_address(self._transport.get_extra_info("peername"))
        if not self._host.came(self):
            self._transport.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """It has ended, by either side."""
        self._closed = True
        self._host.gone(self)

    @property
    def _is_over(self) -> bool:
        return self._closed or self.closing_at > 0

    # --- reading and writing ---

    def pause_writing(self) -> None:
        """The peer reads slower than we write: the broker queues."""
        self.writable = False
        self.stalled_at = self._loop.time()
        self._unsent_bytes = self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """The peer keeps up again."""
        self.writable = True
        self.stalled_at = 0.0

    def _pause(self, why: int) -> None:
        if not self._paused and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= why

    def _unpause(self, why: int) -> None:
        if self._paused & why:
            self._paused &= ~why
            if not self._paused and not self._closed and not self._transport.is_closing():
                self._machine.heard_at = self._loop.time()  # the silence was ours
                self._transport.resume_reading()

    # --- endings ---

    def cut(self, reason: str) -> None:
        """End at once: a right has ended (RV-1); what was not sent by now is not sent."""
        unsent = self._transport.get_write_buffer_size()
        self._will_wanted = False
        self._end(Reason.ADMINISTRATIVE_ACTION, reason)
        if unsent and not self._closed:
            self._transport.abort()

    def shut_down(self) -> None:
        """End because the server stops; the session stays, its will too."""
        if self._will_wanted:
            self._will_wanted = None
        self._end(Reason.SERVER_SHUTTING_DOWN)

    def abort(self) -> None:
        """End without a word."""
        self._transport.abort()

    def check(self, now: float) -> None:
        """Once a second: end what is silent, stalled or will not close."""
        settings = self._given.settings
        if self.closing_at:
            if now - self.closing_at > settings.close_wait_s:
                self._transport.abort()
            return
        if self.stalled_at and self._has_stalled(now):
            log.warning("mqtt_peer_stalled", peer=self.address)
            self._transport.abort()
            return
        if not self._paused:  # else it may have spoken, and we do not listen
            error = self._machine.overdue(now)
            if error is not None:
                self._end(error.reason, error.detail)

    def _has_stalled(self, now: float) -> bool:
        """Whether the peer has taken nothing for too long; a slow one is let be."""
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent_bytes:
            self.stalled_at = now
        self._unsent_bytes = unsent
        return now - self.stalled_at > self._given.settings.write_stall_s

    def _break_off(self) -> None:
        error = self._machine.error
        assert error is not None
        log.debug("mqtt_protocol_error", peer=self.address, error=error.detail)
        self._write_last(self._machine.disconnect(error.reason, error.detail))

    def _end(self, reason: Reason, text: str = "") -> None:
        if not self._closed and not self.closing_at:
            self._write_last(self._machine.disconnect(reason, text))

    def _end_for_now(self, text: str) -> None:
        """End because we cannot go on: the peer did nothing wrong and may come back."""
        is_open = self._machine.state is State.OPEN
        self._end(Reason.SERVER_BUSY if is_open else Reason.SERVER_UNAVAILABLE, text)

    def _write_last(self, data: bytes) -> None:
        """Close behind these bytes, so that they arrive: no reset may overtake them."""
        if self.closing_at or self._closed:
            return
        if not data or not self._transport.can_write_eof():
            self._transport.write(data)
            self._close()
            return
        self.closing_at = self._loop.time()
        self._transport.write(data)
        self._transport.write_eof()
        if self._paused:
            self._transport.resume_reading()  # what comes now is thrown away, up to its end

    def _close(self) -> None:
        if not self.closing_at:
            self.closing_at = self._loop.time()
            self._pause(CLOSING)
            self._transport.close()

"""TLS over any transport: a connection that is idle costs kilobytes, not hundreds of them.

asyncio and uvloop keep a 256 KiB buffer for each TLS connection; OpenSSL needs none while
nothing is under way. Here two memory BIOs stand between the socket and the protocol inside,
which gets `connection_made` once the handshake has succeeded and never sees a peer that
failed it. Who does not finish in time, or sends what is not TLS, is gone, and the reason
is told to the owner in words.
"""

import asyncio
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from msgspec import Struct

from weft.errors import ProtocolError
from weft.observability.log import get_logger
from weft.security.throttle import network_of
from weft.transports.addresses import write_address
from weft.transports.tls_reasons import explain

log = get_logger(__name__)

RECORD = 16 * 1024  # the most plaintext of one record [RFC 8446 5.1]
SLICE = 16 * 1024  # BIOs keep the size they once had, so nothing larger is put into one
DISTRUST = "It may not trust Weft's certificate: give it certificates/root.pem."
UNASKED_MAX = 16  # answers of TLS itself (key updates) to a peer that reads nothing


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[transports.mqtt.tls]`: what a peer may cost before its handshake is done."""

    handshake_s: float = 10.0  # a modem on a slow link needs five
    handshake_max_bytes: int = 64 * 1024  # a chain of certificates fits, a flood does not
    handshakes_per_address: int = 100  # under way at once; an IPv6 /64 counts as one address
    handshakes: int = 5_000  # under way at once, all addresses: a fleet comes back together
    close_s: float = 2.0  # how long the reason of a failure may take to leave


Refused = Callable[[str, str], None]  # peer, reason
Inner = Callable[[], asyncio.Protocol]


class TlsDoor:
    """What the connections of one listener share: the context, limits, and who is told."""

    def __init__(
        self,
        context: ssl.SSLContext,
        inner: Inner,
        settings: TlsSettings,
        refused: Refused,
    ) -> None:
        self.context = context
        self.inner = inner
        self.settings = settings
        self.refused = refused
        self.plaintext = memoryview(bytearray(RECORD))  # decrypted into, one record at a time
        self._under_way: dict[TlsProtocol, str] = {}
        self._per_address: Counter[str] = Counter()

    def protocol(self) -> "TlsProtocol":
        """Make the protocol of one connection."""
        return TlsProtocol(self)

    def __len__(self) -> int:
        return len(self._under_way)

    def came(self, protocol: "TlsProtocol", address: str) -> bool:
        """Take note of a handshake; False when there are too many."""
        settings = self.settings
        address = network_of(address)
        if (
            len(self._under_way) >= settings.handshakes
            or self._per_address[address] >= settings.handshakes_per_address
        ):
            return False
        self._under_way[protocol] = address
        self._per_address[address] += 1
        return True

    def done(self, protocol: "TlsProtocol") -> None:
        """Forget a handshake that has succeeded, failed or gone; twice changes nothing."""
        address = self._under_way.pop(protocol, None)
        if address is not None:
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]

    def close(self) -> None:
        """End the handshakes that are under way; connections end with what they carry."""
        for protocol in list(self._under_way):
            protocol.abort()


class _State(Enum):
    SHAKING, OPEN, ENDED = range(3)


class TlsProtocol(asyncio.Protocol):
    """The server's end of TLS on one socket."""

    def __init__(self, door: TlsDoor) -> None:
        self._door = door
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = door.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.socket: asyncio.Transport
        self.peer = "unknown"
        self._state = _State.SHAKING
        self._inner: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._error: ProtocolError | None = None
        self._received = 0
        self._unasked = 0
        self._stalled = False
        self._paused = False
        self._held: bytes | None = None  # ciphertext that came before the protocol wants it

    # --- the socket ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket; the time for the handshake begins to run."""
        self.socket = cast("asyncio.Transport", transport)
        name = self.socket.get_extra_info("peername")
        address = name[0] if name else "unknown"
        self.peer = write_address(name)
        if not self._door.came(self, address):
            log.debug("tls_refused", peer=self.peer, reason="too many handshakes")
            self.socket.abort()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._door.settings.handshake_s, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Take bytes: a part of the handshake, or records to decrypt."""
        if self._state is _State.SHAKING:
            data = self._shake(data)
        if self._state is not _State.OPEN:
            return
        if self._paused:
            self._held = data
            self.socket.pause_reading()
        else:
            self._decrypt(data)

    def eof_received(self) -> bool:
        """Take the end of the socket's bytes; without a close_notify it may be forged."""
        if self._state is _State.SHAKING:
            self._fail("The peer left in the middle of the handshake.", DISTRUST)
        elif self._state is _State.OPEN and not self._held:
            self._fail("The peer left without closing TLS.", "")
        return self._held is not None

    def connection_lost(self, error: Exception | None) -> None:
        """Let go of the socket, and tell the protocol inside if there is one."""
        self._state = _State.ENDED
        self._stop_timer()
        self._door.done(self)
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.connection_lost(self._error or error)

    def pause_writing(self) -> None:
        """The peer reads slower than is written."""
        self._stalled = True
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The peer keeps up again."""
        self._stalled = False
        self._unasked = 0
        if self._inner is not None:
            self._inner.resume_writing()

    # --- the handshake ---

    def _shake(self, data: bytes) -> bytes:
        """Go on with the handshake; return what was not needed for it."""
        view = memoryview(data)
        for start in range(0, len(data), SLICE):
            self._incoming.write(view[start : start + SLICE])
            self._received += min(SLICE, len(data) - start)
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                if self._received > self._door.settings.handshake_max_bytes:
                    self._fail("The handshake is too large.", "Send a shorter chain.")
                    return b""
            except ssl.SSLError as error:
                self._fail(*explain(error))
                return b""
            else:
                self._flush()
                self._open()
                return bytes(view[start + SLICE :])
        return b""

    def _open(self) -> None:
        self._stop_timer()
        self._door.done(self)
        self._state = _State.OPEN
        self._acknowledge_now()
        self._inner = self._door.inner()
        self._inner.connection_made(TlsTransport(self))

    def _acknowledge_now(self) -> None:
        """Spare a client 40 ms: with TLS 1.3 its first packet waits for the ACK of its Finished.

        The client's kernel holds it back (Nagle) and ours delays the ACK, having nothing to say.
        """
        found = self.socket.get_extra_info("socket")
        if found is not None and sys.platform.startswith("linux"):
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _too_slow(self) -> None:
        self._timer = None
        self._note("The handshake took too long.", "")
        self.socket.abort()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- records ---

    def _decrypt(self, data: bytes) -> None:
        """Decrypt what came and hand it on in one piece."""
        parts: list[bytes] = []
        view = memoryview(data)
        fault: ssl.SSLError | None = None
        ended = False
        for start in range(0, max(len(data), 1), SLICE):
            self._incoming.write(view[start : start + SLICE])
            try:
                ended = self._read(parts)
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                fault = error
            if ended or fault is not None:
                break
        if self._outgoing.pending:
            self._answer()
        if parts and self._inner is not None:
            self._inner.data_received(parts[0] if len(parts) == 1 else b"".join(parts))
        if fault is not None:
            self._fail(*explain(fault))
        elif ended:
            self._ended()

    def _read(self, parts: list[bytes]) -> bool:
        """Read the records that are there; return whether the peer has closed TLS."""
        plaintext, read = self._door.plaintext, self.tls.read
        while self._incoming.pending:
            size = cast("int", read(RECORD, plaintext))  # with a buffer, it returns how much
            if not size:
                return True
            parts.append(bytes(plaintext[:size]))
        return False

    def _answer(self) -> None:
        """Write what TLS itself answers; a peer that asks and does not read is cut."""
        self._unasked += 1
        if self._stalled and self._unasked > UNASKED_MAX:
            self._note("The peer asks for keys and reads nothing.", "")
            self.socket.abort()
        else:
            self._flush()

    def _ended(self) -> None:
        if self._state is _State.OPEN and self._inner is not None:
            stays_open = self._inner.eof_received()
            if not stays_open:
                self.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.socket.write(self._outgoing.read())

    # --- what the protocol inside asks for ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send, a record at a time."""
        if self._state is not _State.OPEN:
            return
        view = memoryview(data)
        try:
            while view:
                sent = self.tls.write(view[:RECORD])
                view = view[sent:]
                self.socket.write(self._outgoing.read())
        except ssl.SSLError as error:
            self._fail(*explain(error))

    def pause_reading(self) -> None:
        """Stop handing on."""
        self._paused = True
        self.socket.pause_reading()

    def resume_reading(self) -> None:
        """Hand on again, first what was held back."""
        self._paused = False
        if self._held is None:
            self._read_on()
        else:
            asyncio.get_running_loop().call_soon(self._release)

    def _release(self) -> None:
        if self._paused or self._held is None:
            return
        held, self._held = self._held, None
        if self._state is _State.OPEN:
            self._decrypt(held)
        self._read_on()

    def _read_on(self) -> None:
        if not self._paused and not self.socket.is_closing():
            self.socket.resume_reading()

    def close(self) -> None:
        """Say good-bye and close once all is written. The peer's good-bye is not waited for."""
        if self._state is _State.OPEN:
            self._state = _State.ENDED
            self._say_goodbye()
        self.socket.close()

    def _say_goodbye(self) -> None:
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            log.debug("tls_not_closed", peer=self.peer, reason=error.reason)
        else:
            self._flush()

    def abort(self) -> None:
        """End at once; what is not written is dropped."""
        self._state = _State.ENDED
        self.socket.abort()

    # --- the peer's faults ---

    def _fail(self, detail: str, remedy: str) -> None:
        """End the connection; the alert may still leave, if it does so soon."""
        if self._state is _State.ENDED:
            return
        self._note(detail, remedy)
        self._error = ProtocolError(detail, remedy=remedy)
        self._state = _State.ENDED
        self._flush()
        self.socket.close()
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._door.settings.close_s, self.socket.abort)

    def _note(self, detail: str, remedy: str) -> None:
        log.debug("tls_failed", peer=self.peer, reason=detail)
        if self._inner is None:
            self._door.refused(self.peer, f"{detail} {remedy}".strip())


class TlsTransport(asyncio.Transport):
    """What the protocol inside holds in place of the socket."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: TlsProtocol) -> None:
        super().__init__()
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, encrypted."""
        self._protocol.write(data)

    def close(self) -> None:
        """Close once all is written."""
        self._protocol.close()

    def abort(self) -> None:
        """Close at once."""
        self._protocol.abort()

    def is_closing(self) -> bool:
        """Whether it is closing or closed."""
        return self._protocol.socket.is_closing()

    def pause_reading(self) -> None:
        """Let the peer wait."""
        self._protocol.pause_reading()

    def resume_reading(self) -> None:
        """Let the peer go on."""
        self._protocol.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say from how many unsent bytes on the protocol inside is asked to pause."""
        self._protocol.socket.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._protocol.socket.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        """TLS 1.2 has no half-close for the one who begins it."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return `ssl_object` for who the peer is; other names are the socket's."""
        if name == "ssl_object":
            return self._protocol.tls
        return self._protocol.socket.get_extra_info(name, default)

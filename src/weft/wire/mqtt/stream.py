"""Cutting a stream of bytes into packets: what both ends of a connection share.

All packets of one read are taken in one loop over the bytes; only an unfinished
last packet is copied, once, into a buffer that never holds more than the largest
packet and one read. A packet is refused from its header, before its body is
buffered: by its type, and by its length.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from typing import Any

from weft.wire.mqtt.kinds import PacketType
from weft.wire.mqtt.packets import Packet
from weft.wire.mqtt.reasons import MqttError, Reason
from weft.wire.mqtt.varint import read_long_length


class State(Enum):
    """Where a connection stands."""

    START = "start"  # nothing has been said
    CONNECTING = "connecting"  # CONNECT has been said and not yet answered
    OPEN = "open"
    CLOSED = "closed"


# What to do with a packet of each type: (machine, first byte, data, start, end).
Handler = Callable[[Any, int, bytes, int, int], Packet | None]
Row = tuple[Handler | None, ...]  # by packet type; None: it may not come in this state


def row(handlers: dict[PacketType, Handler]) -> Row:
    """One row of a state table."""
    by_number: dict[int, Handler] = {kind.value: handler for kind, handler in handlers.items()}
    return tuple(by_number.get(number) for number in range(16))


class Stream(ABC):
    """One direction of bytes. `error` is set once the peer has broken the protocol."""

    __slots__ = (
        "_held",
        "_limit",
        "_needed",
        "_now",
        "_output",
        "_parsing",
        "_row",
        "_waiting",
        "error",
        "heard_at",
    )

    def __init__(self, row: Row, limit: int, now: float) -> None:
        self.error: MqttError | None = None
        self.heard_at = now  # when the last whole packet came
        self._now = now
        self._row = row  # the state: which handler each packet type has now
        self._limit = limit
        self._parsing = True
        self._waiting = False  # not parsing, but only until a decision of ours
        self._held: bytearray | None = None  # an unfinished packet, or what waits
        self._needed = 0  # bytes that finish it, as far as its header tells
        self._output: list[bytes] = []

    @property
    def buffered_bytes(self) -> int:
        """How much is held back for an unfinished packet."""
        return len(self._held) if self._held is not None else 0

    @property
    def has_output(self) -> bool:
        """Whether the machine has answered something by itself."""
        return bool(self._output)

    def take_output(self) -> bytes:
        """What the machine answered by itself; the caller sends it."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    def receive_data(self, data: bytes, now: float = 0.0) -> list[Packet]:
        """All packets that these bytes complete, up to a breach, which is left in `error`."""
        self._now = now
        if self._held is not None:
            data = self._joined(data)
        packets: list[Packet] = []
        at = 0
        end = len(data)
        needed = 0
        try:
            while end - at > 1 and self._parsing:
                first = data[at]
                handler = self._row[first >> 4]
                if handler is None:
                    raise self._out_of_place(first >> 4)
                length = data[at + 1]
                start = at + 2
                if length > 0x7F:
                    length, start = read_long_length(data, at + 1, end)
                    if start == 0:
                        break
                stop = start + length
                if stop - at > self._limit:
                    raise _too_large(stop - at, self._limit)
                if stop > end:
                    needed = stop - at
                    break
                packet = handler(self, first, data, start, stop)
                if packet is not None:
                    packets.append(packet)
                at = stop
        except MqttError as error:
            self._fail(error)
        if at:
            self.heard_at = now
        if at < end:
            self._hold(data, at, needed)
        return packets

    @abstractmethod
    def _out_of_place(self, kind: int) -> MqttError:
        """Why a packet of this type may not come now."""

    def _joined(self, data: bytes) -> bytes:
        held = self._held
        assert held is not None
        held += data
        if len(held) < self._needed:
            return b""
        self._held = None
        return bytes(held)

    def _hold(self, data: bytes, at: int, needed: int) -> None:
        if self._parsing or self._waiting:
            self._held = bytearray(data[at:] if at else data)
            self._needed = needed

    def _fail(self, error: MqttError) -> None:
        self.error = error
        self._end()

    def _end(self) -> None:
        """Read no more, and keep nothing."""
        self._parsing = self._waiting = False
        self._held = None


def _too_large(size: int, limit: int) -> MqttError:
    # [MQTT-3.2.2-15]
    return MqttError(
        f"a packet of {size} bytes; the limit is {limit}", Reason.PACKET_TOO_LARGE, "MQTT-3.2.2-15"
    )

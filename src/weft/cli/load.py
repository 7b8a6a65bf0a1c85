"""A load generator: many MQTT connections, telemetry at a steady rate, every answer timed.

It runs in a process of its own, so that what it costs is not counted as the server's. Each
connection publishes to its own topic and never has more than a window of messages
unacknowledged, as a device would.
"""

import asyncio
import json
import random
import resource
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from weft.errors import Unavailable
from weft.wire.mqtt.encode import encode_connect
from weft.wire.mqtt.kinds import V311
from weft.wire.mqtt.packets import Connect
from weft.wire.mqtt.varint import encode_varint

TICK_S = 0.005
WINDOW = 20  # unacknowledged messages of one connection
CONNECT_AT_ONCE = 50
ANSWER_S = 30.0  # a server that takes longer to let a device in is no server
PAYLOADS = 512
SETTLE_TICKS = 2_000  # ten seconds for the last answers
PUBACK_BYTES = 4  # always, in v3.1.1
CONNACK_BYTES = 4


@dataclass(frozen=True)
class Load:
    """What to do. `rate` is messages a second over all connections."""

    host: str
    port: int
    credentials: Sequence[tuple[str, str]]  # user name and password of each connection
    topic: str  # {id} stands for the user name
    rate: float
    seconds: float
    qos: int = 1
    warm_up_s: float = 2.0


@dataclass
class LoadResult:
    """What came of it; latencies are from PUBLISH to PUBACK, in milliseconds."""

    connections: int = 0
    sent: int = 0
    acknowledged: int = 0
    seconds: float = 0.0
    lost_connections: int = 0
    cpu_s: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Messages a second that were acknowledged (at QoS 0: sent)."""
        return (self.acknowledged or self.sent) / self.seconds if self.seconds else 0.0

    def percentile_ms(self, share: float) -> float:
        """Latency that `share` of the acknowledgements stayed below."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def to_json(self) -> str:
        """One line for the process that asked."""
        return json.dumps(
            {
                "connections": self.connections,
                "sent": self.sent,
                "acknowledged": self.acknowledged,
                "seconds": round(self.seconds, 3),
                "rate": round(self.rate, 1),
                "lost_connections": self.lost_connections,
                "generator_cpu_s": round(self.cpu_s, 3),
                "ack_p50_ms": round(self.percentile_ms(0.5), 2),
                "ack_p99_ms": round(self.percentile_ms(0.99), 2),
            }
        )


class LoadConnection(asyncio.Protocol):
    """One device of the load."""

    def __init__(self, load: Load, username: str, password: str, result: LoadResult) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.in_flight: deque[float] = deque()
        self.alive = False
        self._load = load
        self._username = username
        self._password = password
        self._result = result
        self._packet_id = 0
        self._rest = b""  # of an answer that came in two pieces
        self._topic = load.topic.replace("{id}", username).encode()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the device."""
        self._transport = cast("asyncio.Transport", transport)
        connect = Connect(
            self._username, V311, username=self._username, password=self._password.encode()
        )
        self._transport.write(encode_connect(connect, V311))

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements; the first answer is CONNACK."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not self.alive:
            if len(data) < CONNACK_BYTES:
                self._rest = data
                return
            if data[3]:
                refused = Unavailable(f"{self._username} was refused: return code {data[3]}.")
                self.ready.set_exception(refused)
                return
            self.alive = True
            self.ready.set_result(None)
            data = data[CONNACK_BYTES:]
        now = time.perf_counter()
        result, in_flight = self._result, self.in_flight
        for _ in range(len(data) // PUBACK_BYTES):
            sent_at = in_flight.popleft()
            result.acknowledged += 1
            if not result.acknowledged % 16:
                result.latencies_ms.append((now - sent_at) * 1000)
        if len(data) % PUBACK_BYTES:
            self._rest = data[-(len(data) % PUBACK_BYTES) :]

    def connection_lost(self, _error: Exception | None) -> None:
        """Count it."""
        if self.alive:
            self.alive = False
            self._result.lost_connections += 1
        if not self.ready.done():
            self.ready.set_exception(Unavailable("The connection was closed before CONNACK."))

    def publish(self, payload: bytes, now: float) -> None:
        """Send one message."""
        topic = self._topic
        if self._load.qos:
            self._packet_id = self._packet_id % 65_535 + 1
            tail = self._packet_id.to_bytes(2, "big") + payload
            self.in_flight.append(now)
        else:
            tail = payload
        length = 2 + len(topic) + len(tail)
        head = b"\x32" if self._load.qos else b"\x30"
        self._transport.write(
            head + encode_varint(length) + len(topic).to_bytes(2, "big") + topic + tail
        )

    def close(self) -> None:
        """Say good-bye."""
        if self.alive:
            self.alive = False
            self._transport.write(b"\xe0\x00")
            self._transport.close()


async def run_load(load: Load, device: type[LoadConnection] = LoadConnection) -> LoadResult:
    """Connect all, publish at the rate, wait for the last answers; return what was measured.

    A `device` of another class may send what it likes instead of three values.
    """
    result = LoadResult()
    connections = await _connect_all(load, device, result)
    result.connections = len(connections)
    await _publish(load, connections, result, load.warm_up_s)
    result.sent = result.acknowledged = 0
    result.latencies_ms.clear()
    started, cpu = time.perf_counter(), _cpu_s()
    await _publish(load, connections, result, load.seconds)
    result.seconds = time.perf_counter() - started
    result.cpu_s = _cpu_s() - cpu
    await _settle(connections)
    for connection in connections:
        connection.close()
    return result


async def _connect_all(
    load: Load, device: type[LoadConnection], result: LoadResult
) -> list[LoadConnection]:
    loop = asyncio.get_running_loop()
    connections: list[LoadConnection] = []
    for start in range(0, len(load.credentials), CONNECT_AT_ONCE):
        fresh: list[LoadConnection] = []
        for username, password in load.credentials[start : start + CONNECT_AT_ONCE]:
            connection = device(load, username, password, result)
            async with asyncio.timeout(ANSWER_S):
                await loop.create_connection(lambda made=connection: made, load.host, load.port)  # type: ignore[misc]  # mypy cannot see the default
            fresh.append(connection)
        async with asyncio.timeout(ANSWER_S):
            await asyncio.wait([connection.ready for connection in fresh])
        for connection in fresh:
            connection.ready.result()
        connections += fresh
    return connections


async def _publish(
    load: Load, connections: list[LoadConnection], result: LoadResult, seconds: float
) -> None:
    payloads = _payloads()
    started = time.perf_counter()
    due = sent = turn = 0
    held_s = 0.0
    while (now := time.perf_counter()) - started < seconds:
        due = int((now - started - held_s) * load.rate)
        tries = 0
        while sent < due and tries < len(connections):
            connection = connections[turn % len(connections)]
            turn += 1
            if connection.alive and len(connection.in_flight) < WINDOW:
                connection.publish(payloads[turn % PAYLOADS], now)
                sent += 1
                tries = 0
            else:
                tries += 1
        if tries:
            held_s += (due - sent) / load.rate  # what the server holds back is not owed later
        await asyncio.sleep(TICK_S)
    result.sent += sent


async def _settle(connections: list[LoadConnection]) -> None:
    for _ in range(SETTLE_TICKS):
        if not any(connection.in_flight for connection in connections if connection.alive):
            return
        await asyncio.sleep(TICK_S)


def _payloads() -> list[bytes]:
    """Three values in about 90 bytes, none twice the same."""
    chance = random.Random(7)  # noqa: S311  the same load in every run
    return [
        json.dumps(
            {
                "temperature": round(chance.gauss(61.2, 3.0), 9),
                "vibration": round(chance.gauss(0.56, 0.05), 12),
                "rotations": round(chance.gauss(1480.0, 20.0), 8),
            }
        ).encode()
        for _ in range(PAYLOADS)
    ]


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

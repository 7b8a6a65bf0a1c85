"""Mutated MQTT against both ends of a connection: `python fuzz/fuzz_mqtt.py --inputs 10000000`.

Each input meets, in turn, a server before CONNECT, a server with an open connection of
either version, and a client of either version, whole or in two reads. What comes out are
packets and `MqttError`; what is held never exceeds the largest packet and one read.
What a server accepts is written again and must read as the same packet.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.harness import main

from weft.wire.mqtt.client import ClientConnection
from weft.wire.mqtt.decode import decode
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.packets import Connack, Connect, Packet, Properties, Publish, Pubrel
from weft.wire.mqtt.server import ServerConnection
from weft.wire.mqtt.stream import Stream

VECTORS = Path(__file__).parents[1] / "tests" / "vectors" / "mqtt"
_ROOM = DEFAULT_LIMITS.max_packet_bytes + 2 * 4096
_GRANTS = Properties(topic_alias_maximum=10)


def load_corpus() -> list[bytes]:
    """The named packets of the tests, legal and illegal, and a few conversations."""
    corpus = [
        bytes.fromhex(row["hex"])
        for path in sorted(VECTORS.glob("*.json"))
        for row in json.loads(path.read_text())
    ]
    short = [one for one in corpus if len(one) < 2048]
    for version in (4, 5):
        hello = encode(Connect("c1", version=version), version)
        talk = [encode(Publish("a/b", b"{}", qos, packet_id=qos), version) for qos in (0, 1, 2)]
        short.append(hello + b"".join(talk) + encode(Pubrel(2), version))
    return short


def _server(version: int) -> ServerConnection:
    machine = ServerConnection()
    machine.receive_data(encode(Connect("c1", version=version, properties=_GRANTS), version))
    machine.accept()
    return machine


def _client(version: int) -> ClientConnection:
    machine = ClientConnection()
    machine.connect(Connect("c1", version=version, properties=_GRANTS))
    machine.receive_data(encode(Connack(), version))
    return machine


MAKERS: tuple[tuple[Callable[[], Stream], int], ...] = (
    (ServerConnection, 0),
    (lambda: _server(4), 4),
    (lambda: _server(5), 5),
    (lambda: _client(4), 4),
    (lambda: _client(5), 5),
)


class Mqtt:
    """The target: each input meets the next of the ends."""

    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, data: bytes) -> int:
        self._turn += 1
        make, version = MAKERS[self._turn % len(MAKERS)]
        machine = make()
        if self._turn % 3:
            packets = machine.receive_data(data)
        else:
            cut = len(data) // 2
            packets = machine.receive_data(data[:cut]) + machine.receive_data(data[cut:])
        machine.take_output()
        held = machine.buffered_bytes
        if isinstance(machine, ServerConnection):
            _check(machine, packets, version or machine.version)
        if machine.error is not None:
            raise machine.error
        return held


def _check(machine: ServerConnection, packets: list[Packet], version: int) -> None:
    for packet in packets:
        again = decode(encode(packet, version), version, from_client=True)
        # A repeated packet id is known to the connection only, so it is not compared.
        if again != packet and not getattr(packet, "repeated", False):
            raise AssertionError(f"{packet} became {again}")
    if len(machine.unreleased) > DEFAULT_LIMITS.unreleased:
        raise AssertionError("more QoS 2 state than allowed")
    if machine.error is not None:
        machine.disconnect(machine.error.reason)
        if machine.receive_data(b"\xc0\x00") or machine.buffered_bytes:
            raise AssertionError("a closed connection reads on")


if __name__ == "__main__":
    sys.exit(main("mqtt", Mqtt(), load_corpus(), held_bytes=_ROOM))

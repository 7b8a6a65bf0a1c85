"""Mutated messages through the wire and the gate: `python fuzz/fuzz_gate.py --inputs 10000000`.

Each input is what one read brings on an open connection of a device, whose PUBLISHes then
go through the gate as in the transport: mapped, decided, decoded, checked, admitted or
kept as rejected. What comes out is a batch; every rejection has a reason and a remedy, every
admitted telemetry decodes again to the same values, what is admitted can be stored, and
nothing is held after the read.
"""

import json
import sys
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from fuzz.harness import main

from weft.backends.memory.journal import MemoryJournal
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline, PipelineSettings
from weft.model.device import Device, DeviceType, Field, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId, TypeName
from weft.model.message import Batch, Decoded, Envelope, Operation
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import items_of
from weft.ports import Decision
from weft.transports.mqtt.translate import relayed
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.limits import DEFAULT_LIMITS
from weft.wire.mqtt.packets import Connect, Publish
from weft.wire.mqtt.server import ServerConnection

TENANT = TenantId("main")
NOW = 1_772_366_400_000_000_000
PUMP = Principal(TENANT, PrincipalKind.DEVICE, "pump", "uid-1")
FREE = Principal(TENANT, PrincipalKind.DEVICE, "free", "uid-2")
TYPE = DeviceType(
    TENANT,
    TypeName("pump"),
    1,
    "Pump",
    {
        "temperature": Field("number", minimum=-40, maximum=200),
        "rpm": Field("integer"),
        "on": Field("boolean"),
        "mode": Field("string", enum=("auto", "manual")),
        "air.temp": Field("number"),
        "detail": Field("object"),
    },
    {"interval": Field("integer"), "name": Field("string", max_length=20)},
    {},
    {"leak": {"litres": Field("number", required=True)}},
    {},
    0,
)
DEVICES = {
    name: Device(TENANT, DeviceId(name), DeviceUid(name), kind, Lifecycle.ACTIVE, 0)
    for name, kind in (("pump", TypeName("pump")), ("free", None))
}


class Policy:
    """A device may use its own topics."""

    version = 1

    def decide(self, principal: Principal, _action: str, target: str) -> Decision:
        """Decide."""
        return Decision(target.startswith(f"topic:devices/{principal.id}/"), "fuzz", 1)


class Registry:
    """One type, two devices."""

    def find(self, _tenant: TenantId, name: str, version: int | None = None) -> object:  # noqa: ARG002
        """Find a type, or a device."""
        return TYPE if name == "pump" else None

    def followed_by(self, device: Device) -> object:
        """Find the type of a device."""
        return TYPE if device.type_name == "pump" else None


class Known:
    """The devices."""

    def find(self, _tenant: TenantId, device_id: DeviceId) -> Device | None:
        """Find a device."""
        return DEVICES.get(device_id)


class Harness:
    """A gate whose batch is looked at and thrown away after each input."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(MemoryJournal(), [], PipelineSettings(), self._decode_again)
        self.gate = Gate(
            self.pipeline,
            Policy(),
            Known(),
            Registry(),
            lambda *_given: None,  # type: ignore[arg-type]
        )

    def _decode_again(self, envelope: Envelope) -> Decoded:
        return self.gate.decode_again(envelope)

    def __call__(self, data: bytes) -> int:
        """Feed one read to a device of some kind; return the bytes held."""
        chosen = zlib.crc32(data)  # one of four, the same for the same input
        principal = (PUMP, FREE)[chosen & 1]
        version = 4 + (chosen >> 1 & 1)
        machine = ServerConnection()
        machine.receive_data(encode(Connect(principal.id, version=version), version))
        machine.accept()
        self._admit(machine, principal, data)
        return machine.buffered_bytes

    def _admit(self, machine: ServerConnection, principal: Principal, data: bytes) -> None:
        session = self.gate.open(principal, "fuzz", "client")
        for packet in machine.receive_data(data):
            if isinstance(packet, Publish):
                self.gate.admit(session, packet, NOW, relayed(packet.properties))
        batch, self.pipeline._batch = self.pipeline._batch, Batch()  # noqa: SLF001
        for envelope, decoded in zip(batch.envelopes, batch.decoded, strict=True):
            if envelope.route.operation in (Operation.REPORTED, Operation.EVENT):
                msgspec.msgpack.encode(decoded)  # what is admitted can be stored
            elif envelope.route.operation is Operation.REJECTED:
                assert envelope.rejection is not None
                assert envelope.rejection.detail, envelope
            elif envelope.route.operation is Operation.TELEMETRY:
                again = self.gate.decode_again(envelope)
                msgspec.msgpack.encode([dict(items_of(one.values)) for one in decoded])
                assert [dict(items_of(one.values)) for one in again] == [
                    dict(items_of(one.values)) for one in decoded
                ]


def load_corpus() -> list[bytes]:
    """Messages that are right, and some that are nearly so, in both versions."""
    documents = [
        {"temperature": 21.4, "rpm": 900, "on": True, "mode": "auto", "air.temp": 1.5},
        {"ts": 1772366300000, "values": {"temperature": 21.4}},
        {"ts": "2026-03-01T11:00:00Z", "values": {"rpm": 1}},
        [{"rpm": 1}, {"ts": 1772366300000, "values": {"rpm": 2}}],
        {"interval": 5, "name": None},
        {"litres": 2.5},
        {"detail": {"a": [1, {"b": None}]}},
        {"temperature": 1e308},
        {"tempp": 1},
        {"ts": 1e308, "values": {"rpm": 1}},
        {"detail": {"serial": 2**70}},
        {"interval": -(2**70)},
        {"x" * 300: 1},
    ]
    odd = [b"", b"21.4", b"\xff\xfe", b"[", b'{"detail":' + b'{"a":' * 60 + b"1" + b"}" * 61]
    payloads = [json.dumps(one).encode() for one in documents] + odd
    topics = [
        "devices/me/telemetry",
        "devices/pump/telemetry",
        "devices/free/telemetry",
        "devices/me/properties/reported",
        "devices/me/events/leak",
        "devices/me/commands/r1/result",
        "devices/me/telemtry",
        "plain/topic",
    ]
    return [
        encode(Publish(topic, payload, 1, packet_id=7), version)
        for topic in topics
        for payload in payloads
        for version in (4, 5)
    ]


if __name__ == "__main__":
    room = DEFAULT_LIMITS.max_packet_bytes + 2 * 4096
    sys.exit(main("gate", Harness(), load_corpus(), held_bytes=room))

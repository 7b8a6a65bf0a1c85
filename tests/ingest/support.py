"""Fakes for the stations around the one door."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec.structs import replace

from weft.backends.memory.journal import MemoryJournal
from weft.errors import Invalid, PayloadInvalid, QuotaExceeded, StorageError
from weft.ingest.dialects.dialect import Said, Speaker, asked, private_rest, private_topic
from weft.ingest.dialects.table import NATIVE_ONLY, Dialects
from weft.ingest.gate import Gate
from weft.ingest.pipeline import Pipeline, PipelineSettings
from weft.ingest.submit import Ingest
from weft.model.device import Device, DeviceType, Field, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId, TypeName
from weft.model.message import Committed, Decoded, Envelope, PublishProperties
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Decision, Projection
from weft.supervision import FakeClock

ACME = TenantId("acme")
PUMP_7 = Principal(ACME, PrincipalKind.DEVICE, "pump-7", "uid-7")
ERP = Principal(ACME, PrincipalKind.KEY, "erp", "uid-erp")


def pump_type(version: int = 1, **telemetry: Field) -> DeviceType:
    fields = telemetry or {
        "temperature": Field("number", minimum=-40, maximum=200),
        "rpm": Field("integer"),
    }
    return DeviceType(
        ACME,
        TypeName("pump"),
        version,
        "Pump",
        fields,
        {"interval": Field("integer")},
        {},
        {"leak": {"litres": Field("number", required=True)}},
        {},
        0,
    )


class Policy:
    """Allows what is listed: (principal id, topic prefix)."""

    def __init__(self, *allowed: tuple[str, str]) -> None:
        self.version = 1
        self.allowed = list(allowed) or [("pump-7", "topic:devices/pump-7/"), ("erp", "topic:")]
        self.asked = 0

    def decide(self, principal: Principal, _action: str, target: str) -> Decision:
        self.asked += 1
        yes = any(principal.id == who and target.startswith(what) for who, what in self.allowed)
        return Decision(yes, "granted" if yes else "not granted", self.version)


class Devices:
    def __init__(self, *devices: Device) -> None:
        self.known = {(d.tenant, d.device_id): d for d in devices}

    def find(self, tenant: TenantId, device_id: DeviceId) -> Device | None:
        return self.known.get((tenant, device_id))

    def find_child(self, gateway: Device, alias: str) -> Device | None:
        found = [d for d in self.known.values() if (d.gateway, d.alias) == (gateway.uid, alias)]
        return found[0] if found else None


class Types:
    def __init__(self, *types: DeviceType) -> None:
        self.known = list(types)

    def find(
        self, tenant: TenantId, name: TypeName, version: int | None = None
    ) -> DeviceType | None:
        found = [
            t
            for t in self.known
            if (t.tenant, t.name) == (tenant, name) and version in (None, t.version)
        ]
        return found[-1] if found else None

    def followed_by(self, device: Device) -> DeviceType | None:
        return self.find(device.tenant, device.type_name) if device.type_name else None


def device(
    name: str = "pump-7", type_name: str | None = "pump", state: Lifecycle = Lifecycle.ACTIVE
) -> Device:
    kind = TypeName(type_name) if type_name else None
    return Device(ACME, DeviceId(name), DeviceUid("uid-" + name), kind, state, 0)


class Toy:
    """A dialect with two topics: a gateway's telemetry by child, and a question."""

    name = "toy"
    prefixes = ("toy/",)

    def read(self, speaker: Speaker, topic: str, payload: bytes) -> Sequence[Said]:
        if topic == "toy/ask":
            return [asked("toy", "ask", payload)]
        if topic != "toy/telemetry":
            raise Invalid(f"{topic!r} is no topic of the toy.", remedy="Use toy/telemetry.")
        try:
            said = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        except msgspec.MsgspecError as error:
            raise PayloadInvalid(f"The payload is not JSON: {error}.") from None
        ids = speaker.child_ids(list(said))
        return [
            Said(f"devices/{child}/telemetry", bytes(values))
            for child, values in zip(ids, said.values(), strict=True)
        ]

    def native_filter(self, text: str, device_id: str) -> str | None:
        return private_topic(device_id, "toy", text[4:]) if text.startswith("toy/") else None

    def own_topic(self, topic: str, device_id: str) -> str | None:
        rest = private_rest(topic, device_id, "toy")
        return None if rest is None else f"toy/{rest}"


class Recorder:
    """A projection that remembers; fails on request."""

    name = "recorder"

    def __init__(self, position: int = 0) -> None:
        self.position = position
        self.backlog = 0
        self.seen: list[tuple[int, str, bytes, Any]] = []
        self.fail_on: bytes | None = None
        self.checkpoints = 0

    def apply(self, batch: Committed) -> None:
        for envelope in batch.envelopes:
            if self.fail_on is not None and envelope.payload == self.fail_on:
                raise RuntimeError("a bug of ours")
        for number, envelope in enumerate(batch.envelopes):
            self.seen.append(
                (
                    batch.first + number,
                    envelope.route.operation.name,
                    envelope.payload,
                    batch.decoded[number],
                )
            )

    async def checkpoint(self) -> None:
        self.checkpoints += 1
        self.position = self.seen[-1][0] if self.seen else self.position


class FailingJournal(MemoryJournal):
    """Fails as many appends as it is told to."""

    failures = 0

    async def append(self, batch: Any) -> int:
        if self.failures:
            self.failures -= 1
            raise StorageError("The disk is full.", remedy="Make room.")
        return await super().append(batch)


class Door:
    """A gate, a pipeline and their fakes."""

    def __init__(
        self, *, projections: Sequence[Projection] = (), dialects: Dialects = NATIVE_ONLY
    ) -> None:
        self.clock = FakeClock()
        self.journal = FailingJournal()
        self.recorder = Recorder()
        self.policy = Policy()
        self.devices = Devices(
            device(), device("free-1", None), device("new-1", "pump", Lifecycle.PENDING)
        )
        self.types = Types(pump_type())
        self.retained_full = False
        self.pipeline = Pipeline(
            self.journal,
            [self.recorder, *projections],
            PipelineSettings(gather_ms=0.1, storage_pause_s=0.001),
            self._decode_again,
        )
        self.gate = Gate(
            self.pipeline, self.policy, self.devices, self.types, self.check_retained, dialects
        )
        self.ingest = Ingest(self.gate, self.pipeline, self.clock)

    def _decode_again(self, envelope: Envelope) -> Decoded:
        return self.gate.decode_again(envelope)

    def check_retained(self, _tenant: TenantId, _topic: str, _payload: bytes) -> None:
        if self.retained_full:
            raise QuotaExceeded("No room for another retained message.", remedy="Remove one.")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Door"]:
        async with asyncio.TaskGroup() as tasks:
            loop = tasks.create_task(self.pipeline.run())
            yield self
            loop.cancel()


def admitted(door: Door) -> list[str]:
    return [e.route.operation.name for e in door.pipeline._batch.envelopes]


CHILD = replace(device("room-1", None), gateway=DeviceUid("uid-pump-7"), alias="Room 1")


def toy_door(*, adds: bool = False) -> Door:
    """pump-7 is a gateway that speaks the toy dialect, and room-1 is its device."""
    door = Door(dialects=Dialects([Toy()]))
    door.devices.known[PUMP_7.tenant, "pump-7"] = replace(device(), adds_children=adds)
    door.devices.known[PUMP_7.tenant, "room-1"] = CHILD
    door.policy.allowed.append(("pump-7", "topic:devices/room-1/"))
    door.policy.allowed.append(("pump-7", "device:pump-7"))
    return door


TOPIC = "devices/me/telemetry"


def stated(content_type: str) -> PublishProperties:
    return PublishProperties(content_type=content_type)

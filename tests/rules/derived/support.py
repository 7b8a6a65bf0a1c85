"""Shared by the tests of derived telemetry: a plant whose journal takes what is computed."""

from collections.abc import Sequence
from typing import Any

import msgspec
from tests.rules.support import MAIN, START, Plant, S, around

from weft.backends.memory.records import MemoryRecords
from weft.errors import StorageError
from weft.model.device import Device
from weft.model.message import Committed, Decoded, Envelope, Operation
from weft.model.telemetry import Reading
from weft.rules.derived.derivations import Derivations, DerivedKeysOf
from weft.rules.derived.deriver import Deriver
from weft.rules.derived.model import Derivation, DerivationDocument
from weft.rules.model import RuleScope, Selector

MACHINES = Selector(type_name="machine")


def document(
    key: str = "power", value: str = "temperature * pressure", **more: Any
) -> DerivationDocument:
    """How the usual key is computed."""
    return DerivationDocument(key, value, **{"selector": MACHINES, **more})


def derivation(name: str, key: str, inputs: Sequence[str], **more: Any) -> Derivation:
    """A derivation as it is kept; only what `order` looks at is true of it."""
    return Derivation(
        name=name,
        uid=f"uid-{name}",
        tenant=MAIN,
        version=1,
        document=DerivationDocument(key, " + ".join(inputs) or "1", **more),
        gives="double",
        inputs=tuple(inputs),
        created_at=0,
        created_by="user:alice",
        updated_at=0,
    )


class Works:
    """A plant in which derived telemetry is written to the line as well."""

    def __init__(self, *devices: Device, records: MemoryRecords | None = None) -> None:
        self.plant = Plant(*devices, records=records)
        found = around(*devices)
        self.known = DerivedKeysOf(found.devices.find)
        self.around = msgspec.structs.replace(found, derived=self.known)
        self.line = self.plant.line
        self._open()

    def _open(self) -> None:
        self.deriver = Deriver(self.plant.records, self.around, self.plant.clock)
        self.derivations = Derivations(
            self.plant.records,
            self.plant.audit,
            self.plant.clock,
            self.around,
            self.known,
            lambda: self.deriver.applied,
        )
        self.derivations.on_change(self.deriver.changed)
        self.waiting: list[tuple[Envelope, Decoded]] = []
        self.started = False

    document = staticmethod(document)

    def start(self) -> None:
        """Let what is computed be written."""
        self.started = True
        self.deriver.start(lambda *one: self.waiting.append(one), lambda _sender: None)

    def hear(self, seconds: float, values: Any, **more: Any) -> Committed:
        """Commit a message and have it taken in."""
        batch = self.line.say(seconds, values, **more)
        self.deriver.apply(batch)
        return batch

    def write(self) -> None:
        """Commit what was computed, and have that taken in."""
        self.deriver.send_lost()
        while self.waiting:
            taken, self.waiting = self.waiting, []
            envelopes, decoded = [one[0] for one in taken], [one[1] for one in taken]
            batch = Committed(self.line.head + 1, envelopes, decoded)
            self.line.head = batch.last
            self.line.batches.append(batch)
            self.deriver.apply(batch)

    def lose(self) -> None:
        """Fail the commit of what was computed."""
        self.waiting.clear()
        self.deriver.commit_failed([0], StorageError("The disk is full."))

    async def restart(self) -> None:
        """Kill the process and start again: what was not on disk is gone, the line is not."""
        self.deriver.deriving.dirty = []
        self._open()
        await self.deriver.load(self.line.head)
        for batch in self.line.batches:
            if batch.last > self.deriver.position:
                self.deriver.apply(batch)
        self.start()

    def told(self) -> list[tuple[float, dict[str, Any]]]:
        """Return the derived telemetry of the line: seconds after START, and values."""
        return [((reading.at - START) / S, dict(reading.values)) for reading in self.readings()]

    def readings(self) -> list[Reading]:
        """Return the derived readings of the line, in its order."""
        return [
            reading
            for batch in self.line.batches
            for envelope, decoded in zip(batch.envelopes, batch.decoded, strict=True)
            if envelope.session == "derived" and envelope.route.operation is Operation.TELEMETRY
            for reading in decoded
        ]


def roll_up(
    value: str = "sum_of(temperature)", key: str = "total", **more: Any
) -> DerivationDocument:
    """How the usual key of a line is computed of its machines."""
    stale_after_ns = more.pop("stale_after_ns", 0)
    scope = RuleScope(asset="line-1", stale_after_ns=stale_after_ns)
    given = {"scope": scope, "device": "line", "selector": MACHINES, **more}
    return DerivationDocument(key, value, **{k: v for k, v in given.items() if v is not None})

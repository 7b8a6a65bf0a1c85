"""Devices and their types: who is out there, and what each has agreed to say."""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from weft.errors import Conflict
from weft.model.ids import DeviceId, DeviceUid, TenantId, TypeName
from weft.model.mapping import Mapping


class Lifecycle(StrEnum):
    """The state of a device's admission (PR-6)."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    DECOMMISSIONED = "decommissioned"


# Only these moves exist; decommissioned is the end.
MOVES: dict[Lifecycle, frozenset[Lifecycle]] = {
    Lifecycle.PENDING: frozenset({Lifecycle.ACTIVE, Lifecycle.REVOKED, Lifecycle.DECOMMISSIONED}),
    Lifecycle.ACTIVE: frozenset({Lifecycle.SUSPENDED, Lifecycle.REVOKED, Lifecycle.DECOMMISSIONED}),
    Lifecycle.SUSPENDED: frozenset({Lifecycle.ACTIVE, Lifecycle.REVOKED, Lifecycle.DECOMMISSIONED}),
    Lifecycle.REVOKED: frozenset({Lifecycle.DECOMMISSIONED}),
    Lifecycle.DECOMMISSIONED: frozenset(),
}


def require_move(old: Lifecycle, new: Lifecycle) -> None:
    """Raise `Conflict` unless a device may go from `old` to `new`."""
    if new not in MOVES[old]:
        allowed = ", ".join(sorted(MOVES[old])) or "nothing"
        raise Conflict(
            f"A device that is {old} cannot become {new}.", remedy=f"It can become: {allowed}."
        )


class Device(Struct, frozen=True):
    """A unit with its own identity and credential."""

    tenant: TenantId
    device_id: DeviceId
    uid: DeviceUid
    type_name: TypeName | None
    lifecycle: Lifecycle
    created_at: int
    label: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)  # facts that operators keep
    version: int = 1
    # Of its type: where it began. It follows the newest version that breaks nothing since.
    type_version: int | None = None
    gateway: DeviceUid = DeviceUid("")  # uid of the gateway that speaks for it; a delete ends that
    alias: str = ""  # what its gateway calls it; not a name of ours, and never in a topic
    adds_children: bool = False  # a gateway that may introduce devices we do not know
    origin: str = ""  # how it came when nobody made it by hand: claim:ID, authority:ID
    tags: tuple[str, ...] = ()  # words that people find it by

    def came_by(self, kind: str) -> str:
        """Return the id of the `claim` or `authority` that it came by; empty if it did not."""
        found, _, origin_id = self.origin.partition(":")
        return origin_id if found == kind else ""

    @property
    def waits(self) -> bool:
        """Whether it came by itself and waits in the quarantine, where it is heard."""
        came = self.came_by("claim") or self.came_by("authority")
        return self.lifecycle is Lifecycle.PENDING and bool(came)


class Field(Struct, frozen=True, omit_defaults=True):
    """One declared value (W3C WoT Thing Model data schema, the part that we read)."""

    type: str  # number, integer, boolean, string, object, array
    unit: str = ""  # UCUM
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[Any, ...] = ()
    max_length: int | None = None
    description: str = ""
    required: bool = False
    read_only: bool = False


class Output(Struct, frozen=True, omit_defaults=True):
    """What a command gives back when it succeeds: an object of fields, or one plain value."""

    fields: dict[str, Field] = {}
    value: Field | None = None  # where it is no object, or one that may hold anything


class DeviceType(Struct, frozen=True):
    """The model that devices follow, at one version."""

    tenant: TenantId
    name: TypeName
    version: int
    title: str
    telemetry: dict[str, Field]
    properties: dict[str, Field]
    commands: dict[str, dict[str, Field]]  # name -> input fields
    events: dict[str, dict[str, Field]]  # name -> data fields
    document: dict[str, Any]  # the Thing Model as its owner wrote it
    created_at: int
    breaking: bool = False  # towards the version before: devices come here by migration only
    mapping: Mapping | None = None  # for payloads that do not speak our keys
    outputs: dict[str, Output] = field(default_factory=dict)  # of commands that declare one

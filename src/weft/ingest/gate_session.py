"""What goes through the gate: messages as they came, and the sessions that they came in.

A session remembers what its principal may do on each topic, so that the policy is asked
once and not for every message.
"""

from typing import NamedTuple, Protocol

from msgspec import Struct

from weft.errors import PeerError
from weft.ingest.decode import Decode
from weft.ingest.dialects.dialect import KnownChildren
from weft.ingest.duplicates import Recent
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId, TenantId, TypeName
from weft.model.message import Route
from weft.model.principal import Principal, PrincipalKind


class Incoming(Protocol):
    """A message as a transport received it."""

    @property
    def topic(self) -> str:
        """As the sender wrote it."""
        ...

    @property
    def payload(self) -> bytes:
        """As the sender wrote it."""
        ...

    @property
    def qos(self) -> int:
        """0, 1 or 2."""
        ...

    @property
    def retain(self) -> bool:
        """Whether it becomes the topic's retained message."""
        ...

    @property
    def dup(self) -> bool:
        """Whether the sender says that it sent this before."""
        ...

    @property
    def packet_id(self) -> int:
        """0 at QoS 0."""
        ...


class KnownDevices(KnownChildren, Protocol):
    """Devices by id, and a gateway's by what it calls them, from memory."""

    def find(self, tenant: TenantId, device_id: DeviceId) -> Device | None:
        """Return the device, or None."""
        ...


class KnownTypes(Protocol):
    """Device types by name, from memory; all versions, because old messages are read again."""

    def find(
        self, tenant: TenantId, name: TypeName, version: int | None = None
    ) -> DeviceType | None:
        """Return the newest version, or the one asked for."""
        ...

    def followed_by(self, device: Device) -> DeviceType | None:
        """Return the version that a device follows, or None."""
        ...


class Admission(NamedTuple):
    """What a session may do on one topic: looked up once, used for each message."""

    route: Route
    decode: Decode | None


class Message(Struct, frozen=True):
    """A message that comes by no wire protocol of its own."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    packet_id: int = 0


class Part(NamedTuple):
    """A native message that another one was put into words as; an `Incoming` of its own."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    retain: bool = False
    dup: bool = False
    content_type: str = ""
    refused: PeerError | None = None  # it could not be put into native words


class GateSession:
    """One principal's open way in."""

    __slots__ = (
        "address", "admissions", "key", "principal", "read_at", "read_with", "recent",
        "stamp", "translated",
    )  # fmt: skip

    def __init__(self, principal: Principal, address: str, key: str, recent: Recent) -> None:
        self.principal = principal
        self.address = address
        self.key = key
        self.recent = recent
        # By topic as written; with a content type, by both.
        self.admissions: dict[str | tuple[str, str], Admission] = {}
        # By native topic, dialect and content type.
        self.translated: dict[tuple[str, str, str], Admission] = {}
        self.stamp = (-1, -1)
        self.read_at = 0  # the moment given for the newest message,
        self.read_with = 0  # and how many came with it

    @property
    def device_id(self) -> DeviceId:
        """The device that this principal is; empty for people and keys."""
        own = self.principal.kind is PrincipalKind.DEVICE
        return DeviceId(self.principal.id if own else "")

"""Dialects: what devices of other platforms say, put into native words.

A dialect is a table from its own topics to messages in the native dialect: one message of
a gateway becomes one for each of its devices. What it makes is admitted like any other
message, so a right is decided on the mapped operation and never on the raw topic. What a
device asks in a dialect's own words travels below `devices/{id}/dialects/{name}/`, and so
do the answers: a client subscribes and receives in its words, the broker knows only ours.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from weft.errors import NotFound, PayloadInvalid, PeerError
from weft.model.device import Device, DeviceType
from weft.model.ids import DeviceId, TenantId
from weft.model.principal import Principal

PARTS_MAX = 1_000  # native messages that one message may become


class Said(NamedTuple):
    """One native message: `devices/me/telemetry`, or `devices/{child}/…` for a child.

    With `refused`, it is the part of the foreign message that cannot be put into native
    words: topic and payload are the foreign ones, and it goes to the inbox for that reason.
    """

    topic: str
    payload: bytes
    content_type: str = ""
    refused: PeerError | None = None


class UnknownChildren(NotFound):
    """A gateway speaks of devices that it has not introduced; they may be added first."""

    code = "unknown_children"

    def __init__(self, names: Sequence[str], types: Sequence[str] = ()) -> None:
        super().__init__(
            f"The gateway has no device called {', '.join(map(repr, names[:5]))}.",
            remedy="Let the gateway add devices (adds_children), or add them with its name as "
            "gateway and theirs as alias.",
        )
        self.names = tuple(names)
        self.types = tuple(types) or ("",) * len(self.names)


class KnownChildren(Protocol):
    """A gateway's devices by the names that it calls them, from memory."""

    def find_child(self, gateway: Device, alias: str) -> Device | None:
        """Return the device that the gateway calls `alias`, or None."""
        ...


class FollowedTypes(Protocol):
    """The types of devices, from memory."""

    def followed_by(self, device: Device) -> DeviceType | None:
        """Return the version that a device follows, or None."""
        ...


class Speaker(NamedTuple):
    """Who says something: the principal, its device if it is one, and the devices it may name."""

    principal: Principal
    device: Device | None
    children: KnownChildren
    types: FollowedTypes | None = None
    again: bool = False  # said before, or only to be judged: nothing may be learnt from it

    def type_of(self, device: Device) -> DeviceType | None:
        """Return the version of a type that a device follows, or None."""
        return None if self.types is None else self.types.followed_by(device)

    @property
    def tenant(self) -> TenantId:
        """The tenant of everything it says."""
        return self.principal.tenant

    def child_ids(self, names: Sequence[str], types: Sequence[str] = ()) -> list[DeviceId]:
        """Return the ids of a gateway's devices; raise `UnknownChildren` for those it has not.

        Raises `PayloadInvalid` for more than one message may be about.
        """
        if len(names) > PARTS_MAX:
            raise PayloadInvalid(
                f"The message is about {len(names)} devices; at most {PARTS_MAX} are taken.",
                remedy="Send it in several messages.",
            )
        found: list[DeviceId] = []
        missing: list[int] = []
        for number, name in enumerate(names):
            child = self.children.find_child(self.device, name) if self.device else None
            if child is None:
                missing.append(number)
            else:
                found.append(child.device_id)
        if missing:
            raise UnknownChildren(
                [names[number] for number in missing],
                [types[number] for number in missing] if types else (),
            )
        return found


class Dialect(Protocol):
    """One platform's words. No method waits or reads a clock; what one remembers is in memory."""

    @property
    def name(self) -> str:
        """As it stands in a topic and a route; a word of lower-case letters and digits."""
        ...

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What its topics begin with, `/` at the end, or whole topics; no other is shown to it."""
        ...

    def read(self, speaker: Speaker, topic: str, payload: bytes, /) -> Sequence[Said]:
        """Put a message into native words.

        Raises `Invalid` for a topic that is none of the dialect's, `PayloadInvalid` for what
        does not decode, `UnknownChildren` for devices that have to be added first.
        """
        ...

    def native_filter(self, text: str, device_id: str, /) -> str | None:
        """Return the native filter for one of its own, or None for one that it does not know."""
        ...

    def own_topic(self, topic: str, device_id: str, /) -> str | None:
        """Return its own topic for a native one below `devices/{id}/dialects/`, or None."""
        ...


def asked(dialect: str, rest: str, payload: bytes, device: str = "me") -> Said:
    """Return a question (or an act) that only the dialect itself understands."""
    return Said(private_topic(device, dialect, rest), payload)


def private_topic(device_id: str, dialect: str, rest: str) -> str:
    """Return the native topic that carries a dialect's own words to and from a device."""
    return f"devices/{device_id}/dialects/{dialect}/{rest}"


def private_rest(topic: str, device_id: str, dialect: str) -> str | None:
    """Return what stands behind the private prefix, or None for another topic."""
    prefix = private_topic(device_id, dialect, "")
    return topic[len(prefix) :] if topic.startswith(prefix) else None


class Private(NamedTuple):
    """A native topic, or a filter for some, that carries a dialect's own words."""

    device_id: str
    dialect: str
    rest: str


def parse_private(topic: str) -> Private | None:
    """Read a private topic or filter; None for all others."""
    match topic.split("/", 4):
        case ["devices", device_id, "dialects", dialect, rest]:
            return Private(device_id, dialect, rest)
        case _:
            return None

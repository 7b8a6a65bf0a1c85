"""What the MQTT tests share: vectors, packets as plain JSON, strategies."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from weft.wire.mqtt import packets as p
from weft.wire.mqtt.encode import encode
from weft.wire.mqtt.kinds import PacketType
from weft.wire.mqtt.limits import DEFAULT_LIMITS, Limits
from weft.wire.mqtt.properties import KINDS
from weft.wire.mqtt.reasons import LEGAL, LEGAL_FROM_CLIENT, LEGAL_FROM_SERVER, Reason
from weft.wire.mqtt.server import NEW_SESSION, Acceptance, ServerConnection

VECTORS = Path(__file__).parents[2] / "vectors" / "mqtt"
VERSIONS = {"3.1.1": 4, "5.0": 5}


def load_vectors() -> list[dict[str, Any]]:
    """Every named packet."""
    return [row for path in sorted(VECTORS.glob("*.json")) for row in json.loads(path.read_text())]


def plain(value: Any) -> Any:
    """A packet as JSON: its type, and the fields that are not at their default."""
    if isinstance(value, Struct):
        named = {"type": type(value).__name__}
        for one in fields(value):
            field = getattr(value, one.name)
            if one.required or field != one.default:
                named[one.name] = plain(field)
        return named
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Reason):
        return value.name
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value


def opened(
    version: int = 5,
    limits: Limits = DEFAULT_LIMITS,
    *,
    properties: p.Properties = p.NO_PROPERTIES,
    acceptance: Acceptance = NEW_SESSION,
    **connect: Any,
) -> ServerConnection:
    """A server's end whose client has been let in."""
    machine = ServerConnection(limits)
    connect.setdefault("client_id", "c1")
    packet = p.Connect(version=version, properties=properties, **connect)
    assert machine.receive_data(encode(packet, version)) == [packet], machine.error
    machine.accept(acceptance)
    return machine


# Strategies: any packet of a version and side, in the form in which it is decoded.

_NAME = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Cn"), exclude_characters="+#/"),
    min_size=1,
    max_size=8,
)
_TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)
_TOPIC = st.lists(_NAME | st.just(""), min_size=1, max_size=5).map("/".join).filter(bool)
_LEVEL = _NAME | st.just("+") | st.just("")
_OPEN_FILTER = st.builds(
    lambda levels, end: "/".join([*levels, *end]),
    st.lists(_LEVEL, max_size=4),
    st.just([]) | st.just(["#"]),
).filter(lambda name: bool(name) and not name.startswith("$share/"))
_FILTER = _OPEN_FILTER | st.builds("$share/{}/{}".format, _NAME, _OPEN_FILTER)
_ID = st.integers(1, 65_535)
_PAYLOAD = st.binary(max_size=200)
_FORMS: dict[str, Any] = {
    "text": _TEXT,
    "name": _NAME,
    "binary": st.binary(max_size=20),
}
_HIGHEST = {"byte": 0xFF, "two": 0xFFFF, "four": 0xFFFFFFFF}


def _values(name: str, form: str, low: int, high: int) -> Any:
    if name == "response_topic":
        return _TOPIC
    return _FORMS[form] if form in _FORMS else st.integers(low, min(high, _HIGHEST[form]))


def properties(packet: PacketType, *, from_client: bool) -> st.SearchStrategy[p.Properties]:
    """Any properties that the packet may have."""
    optional: dict[str, Any] = {
        kind.name: _values(kind.name, kind.form, kind.low, kind.high)
        for kind in KINDS
        if packet in kind.packets and kind.form not in ("pair", "varint")
    }
    optional["user_properties"] = st.lists(st.tuples(_TEXT, _TEXT), max_size=3).map(tuple)
    if packet is PacketType.SUBSCRIBE:
        optional["subscription_ids"] = st.tuples(st.integers(1, 268_435_455))
    if packet is PacketType.PUBLISH and not from_client:
        optional["subscription_ids"] = st.lists(st.integers(1, 268_435_455), max_size=3).map(tuple)
    if packet is PacketType.DISCONNECT and not from_client:
        del optional["session_expiry_s"]
    made = st.fixed_dictionaries({}, optional=optional)
    if packet is PacketType.CONNECT:
        made = made.filter(
            lambda one: "authentication_data" not in one or "authentication_method" in one
        )
    return made.map(lambda one: p.Properties(**one))


def _reasons(packet: PacketType, *, from_client: bool) -> st.SearchStrategy[Reason]:
    table = LEGAL_FROM_CLIENT if from_client else LEGAL_FROM_SERVER
    return st.sampled_from(sorted(table[packet]))


@st.composite
def publishes(draw: Any, version: int, *, from_client: bool) -> p.Publish:
    """Any PUBLISH."""
    held = p.NO_PROPERTIES
    if version == 5:
        held = draw(properties(PacketType.PUBLISH, from_client=from_client))
    topic = draw(_TOPIC | st.just("") if held.topic_alias else _TOPIC)
    qos = draw(st.integers(0, 2))
    return p.Publish(
        topic,
        draw(_PAYLOAD),
        qos,
        draw(st.booleans()),
        draw(st.booleans()) if qos else False,
        draw(_ID) if qos else 0,
        held,
    )


@st.composite
def connects(draw: Any, version: int) -> p.Connect:
    """Any CONNECT."""
    five = version == 5
    will = None
    if draw(st.booleans()):
        held = p.NO_PROPERTIES
        if five:
            held = draw(properties(PacketType.WILL, from_client=True))
        will = p.Will(
            draw(_TOPIC), draw(_PAYLOAD), draw(st.integers(0, 2)), draw(st.booleans()), held
        )
    username = draw(st.none() | _NAME)
    password = draw(st.none() | st.binary(max_size=20)) if five or username is not None else None
    clean = draw(st.booleans())
    held = draw(properties(PacketType.CONNECT, from_client=True)) if five else p.NO_PROPERTIES
    return p.Connect(
        draw(_NAME | st.just("") if clean or five else _NAME),
        version,
        clean,
        draw(st.integers(0, 65_535)),
        username,
        password,
        will,
        held,
    )


def _acknowledgements(
    kind: type[Any], packet: PacketType, version: int, *, from_client: bool
) -> Any:
    if version != 5:
        return st.builds(kind, _ID)
    return st.builds(
        kind,
        _ID,
        _reasons(packet, from_client=from_client),
        properties(packet, from_client=from_client),
    )


def _subscribes(version: int) -> Any:
    five = version == 5

    def one(name: str, qos: int, no_local: bool, as_published: bool, handling: int) -> p.Filter:
        if not five:
            return p.Filter(name, qos)
        return p.Filter(
            name, qos, no_local and not name.startswith("$share/"), as_published, handling
        )

    filters = st.lists(
        st.builds(one, _FILTER, st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 2)),
        min_size=1,
        max_size=4,
    ).map(tuple)
    held = properties(PacketType.SUBSCRIBE, from_client=True) if five else st.just(p.NO_PROPERTIES)
    return st.builds(p.Subscribe, _ID, filters, held)


def _lists(kind: type[Any], packet: PacketType, version: int) -> Any:
    if version == 5:
        reasons = st.lists(st.sampled_from(sorted(LEGAL[packet])), min_size=1, max_size=4)
        return st.builds(kind, _ID, reasons.map(tuple), properties(packet, from_client=False))
    if kind is p.Unsuback:
        return st.builds(kind, _ID)
    codes = st.sampled_from([Reason(code) for code in (0, 1, 2, 0x80)])
    return st.builds(kind, _ID, st.lists(codes, min_size=1, max_size=4).map(tuple))


def _endings(kind: type[Any], packet: PacketType, *, from_client: bool) -> Any:
    return st.builds(
        kind,
        _reasons(packet, from_client=from_client),
        properties(packet, from_client=from_client),
    )


def _is_whole(packet: p.Packet) -> bool:
    if isinstance(packet, p.Auth):
        return packet.reason == 0 or packet.properties.authentication_method is not None
    if isinstance(packet, p.Connack):
        return packet.reason == 0 or not packet.session_present
    return True


def client_packets(version: int) -> st.SearchStrategy[p.Packet]:
    """Any packet that a client may send."""
    held = properties(PacketType.UNSUBSCRIBE, from_client=True)
    choices = [
        connects(version),
        publishes(version, from_client=True),
        _subscribes(version),
        st.builds(
            p.Unsubscribe,
            _ID,
            st.lists(_FILTER, min_size=1, max_size=4).map(tuple),
            held if version == 5 else st.just(p.NO_PROPERTIES),
        ),
        st.just(p.Pingreq()),
        *_both_sides(version, from_client=True),
    ]
    if version == 5:
        choices.append(_endings(p.Disconnect, PacketType.DISCONNECT, from_client=True))
        choices.append(_endings(p.Auth, PacketType.AUTH, from_client=True))
    else:
        choices.append(st.just(p.Disconnect()))
    return st.one_of(choices).filter(_is_whole)


def _both_sides(version: int, *, from_client: bool) -> list[Any]:
    kinds = {
        p.Puback: PacketType.PUBACK,
        p.Pubrec: PacketType.PUBREC,
        p.Pubrel: PacketType.PUBREL,
        p.Pubcomp: PacketType.PUBCOMP,
    }
    return [
        _acknowledgements(kind, packet, version, from_client=from_client)
        for kind, packet in kinds.items()
    ]


def server_packets(version: int) -> st.SearchStrategy[p.Packet]:
    """Any packet that a server may send."""
    choices = [
        publishes(version, from_client=False),
        _lists(p.Suback, PacketType.SUBACK, version),
        _lists(p.Unsuback, PacketType.UNSUBACK, version),
        st.just(p.Pingresp()),
        *_both_sides(version, from_client=False),
    ]
    if version == 5:
        choices += [
            st.builds(
                p.Connack,
                st.booleans(),
                _reasons(PacketType.CONNACK, from_client=False),
                properties(PacketType.CONNACK, from_client=False),
            ),
            _endings(p.Disconnect, PacketType.DISCONNECT, from_client=False),
            _endings(p.Auth, PacketType.AUTH, from_client=False),
        ]
    else:
        codes = [0, 0x84, 0x85, 0x88, 0x86, 0x87]
        choices.append(
            st.builds(p.Connack, st.booleans(), st.sampled_from([Reason(one) for one in codes]))
        )
    return st.one_of(choices).filter(_is_whole)

"""Who may send what; what is remembered; what goes to the inbox."""

import cbor2
import pytest
from fuzz.fuzz_gate import Harness, load_corpus
from fuzz.harness import run
from msgspec.structs import replace
from tests.ingest.support import (
    CHILD,
    ERP,
    PUMP_7,
    TOPIC,
    Door,
    Toy,
    admitted,
    stated,
    toy_door,
)

from weft.errors import Forbidden
from weft.ingest.dialects.dialect import UnknownChildren
from weft.ingest.dialects.sparkplug import Sparkplug
from weft.ingest.dialects.table import Dialects
from weft.ingest.duplicates import DuplicateWindow
from weft.ingest.submit import Message
from weft.model.ids import DeviceId, TypeName
from weft.model.message import Committed, Operation
from weft.model.principal import Principal, PrincipalKind, client_key
from weft.registry.thing_models import read_type
from weft.wire.payload.sparkplug import DataType, Metric, Payload, encode


async def test_a_devices_message_is_admitted_under_its_own_name() -> None:
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    assert door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 1}'), 5) is None
    route = door.pipeline._batch.envelopes[0].route
    assert (route.topic, route.device_id) == ("devices/pump-7/telemetry", "pump-7")
    assert (route.type_name, route.type_version) == ("pump", 1)


async def test_id_4_no_topic_makes_a_device_another_one() -> None:
    """Identity comes from the credential: naming pump-8 in the topic is refused, and kept."""
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    reason = door.gate.admit(session, Message("devices/free-1/telemetry", b"{}"), 5)
    assert reason is not None
    assert reason.code == "forbidden"
    assert admitted(door) == ["REJECTED"]


async def test_a_message_sent_again_is_not_stored_twice() -> None:
    door = Door()
    session = door.gate.open(PUMP_7, "test", "client")
    first = Message("devices/me/telemetry", b'{"rpm": 1}', qos=1, packet_id=3)
    again = Message("devices/me/telemetry", b'{"rpm": 1}', qos=1, packet_id=3, dup=True)
    other = Message("devices/me/telemetry", b'{"rpm": 9}', qos=1, packet_id=3, dup=True)
    for message in (first, again, other):
        assert door.gate.admit(session, message, 5) is None
    assert len(admitted(door)) == 2


async def test_a_full_retained_quota_is_told_to_the_publisher() -> None:
    door = Door()
    door.retained_full = True
    session = door.gate.open(ERP, "test")
    reason = door.gate.admit(session, Message("plant/a", b"x", retain=True), 5)
    assert reason is not None
    assert reason.code == "quota_exceeded"


async def test_mq_2_a_session_belongs_to_tenant_principal_and_client_id() -> None:
    other = Principal(PUMP_7.tenant, PrincipalKind.DEVICE, "pump-7", "uid-8")
    keys = {client_key(PUMP_7, "c"), client_key(PUMP_7, "d"), client_key(other, "c")}
    assert len(keys) == 3


async def test_messages_of_one_read_are_kept_apart_by_their_moments() -> None:
    """Two readings without a time came in one packet of the network; history kept only one."""
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    for rpm in (b'{"rpm": 1}', b'{"rpm": 2}', b'{"rpm": 3}'):
        door.gate.admit(session, Message("devices/me/telemetry", rpm), 5)
    door.gate.admit(session, Message("devices/me/telemetry", b'{"rpm": 4}'), 9)
    moments = [envelope.received_at for envelope in door.pipeline._batch.envelopes]
    assert moments == [5, 6, 7, 9]
    assert [decoded[0].at for decoded in door.pipeline._batch.decoded] == moments


# --- dialects and gateways ---


async def test_a_dialects_message_is_admitted_in_native_words() -> None:
    """Decided on as what it means: the child's telemetry, sent by its gateway."""
    door = toy_door()
    session = door.gate.open(PUMP_7, "test")
    message = Message("toy/telemetry", b'{"Room 1": {"t": 21.5}}')
    assert door.gate.admit(session, message, 5) is None
    (envelope,) = door.pipeline._batch.envelopes
    route = envelope.route
    assert (route.topic, route.device_id) == ("devices/room-1/telemetry", "room-1")
    assert (route.principal_id, route.dialect) == ("pump-7", "toy")
    assert envelope.payload == b'{"t": 21.5}'
    assert door.pipeline._batch.decoded[0][0].values == {"t": 21.5}


async def test_what_only_the_dialect_understands_travels_below_the_device() -> None:
    door = toy_door()
    session = door.gate.open(PUMP_7, "test")
    assert door.gate.admit(session, Message("toy/ask", b"?"), 5) is None
    route = door.pipeline._batch.envelopes[0].route
    assert route.operation is Operation.DIALECT
    assert (route.topic, route.name) == ("devices/pump-7/dialects/toy/ask", "toy")


async def test_a_part_that_is_refused_lies_in_the_inbox_and_the_others_are_kept() -> None:
    door = toy_door()
    door.devices.known[PUMP_7.tenant, "room-2"] = replace(
        CHILD, device_id=DeviceId("room-2"), alias="Room 2"
    )
    session = door.gate.open(PUMP_7, "test")
    message = Message("toy/telemetry", b'{"Room 2": {"t": 1}, "Room 1": {"t": 2}}')
    assert door.gate.admit(session, message, 5) is None
    assert admitted(door) == ["REJECTED", "TELEMETRY"]
    assert door.pipeline._batch.envelopes[0].route.topic == "devices/room-2/telemetry"
    alone = door.gate.admit(session, Message("toy/telemetry", b'{"Room 2": {"t": 1}}'), 5)
    assert alone is not None
    assert alone.code == "forbidden"


async def test_a_gateway_that_may_add_devices_is_asked_to_before_anything_is_kept() -> None:
    door = toy_door(adds=True)
    session = door.gate.open(PUMP_7, "test")
    with pytest.raises(UnknownChildren) as met:
        door.gate.admit(session, Message("toy/telemetry", b'{"Room 1":{}, "Room 9":{}}'), 5)
    assert met.value.names == ("Room 9",)
    assert admitted(door) == []


async def test_a_gateways_message_that_is_sent_again_is_kept_once() -> None:
    """Also when the journal was read again since: a part knows what it is a part of."""
    door = toy_door()
    session = door.gate.open(PUMP_7, "test", "client")
    message = Message("toy/telemetry", b'{"Room 1": {"t": 2}}', 1, packet_id=7)
    assert door.gate.admit(session, message, 5) is None
    assert door.gate.admit(session, replace(message, dup=True), 6) is None
    assert admitted(door) == ["TELEMETRY"]
    envelopes = door.pipeline._batch.envelopes
    window = DuplicateWindow()
    window.note_committed(Committed(1, [*envelopes, *envelopes], [None, None]))
    assert list(window.of(session.key)) == list(session.recent)


async def test_a_dialects_message_that_is_sent_again_is_not_read_again() -> None:
    """Sparkplug counts what it reads: a repeat set it back, and the next one was a gap."""
    door = Door(dialects=Dialects([Sparkplug()]))
    session = door.gate.open(PUMP_7, "test", "client")

    def send(kind: str, seq: int, *, dup: bool = False) -> None:
        metrics = (Metric("rpm", datatype=DataType.INT32, value=seq),)
        payload = encode(Payload(metrics, timestamp=1_772_366_400_000, seq=seq))
        topic = f"spBv1.0/plant/{kind}/pump-7"
        message = Message(topic, payload, 1, packet_id=seq + 1, dup=dup)
        assert door.gate.admit(session, message, 1_772_366_400_000_000_000 + seq) is None

    send("NBIRTH", 0)
    send("NDATA", 1)
    send("NDATA", 2)
    send("NDATA", 1, dup=True)
    send("NDATA", 3)
    topics = [one.route.topic for one in door.pipeline._batch.envelopes]
    assert topics.count("devices/pump-7/telemetry") == 4
    assert [one for one in topics if "/host/rebirth/" in one] == []


async def test_a_will_in_a_dialect_must_be_allowed_as_well() -> None:
    door = toy_door()
    session = door.gate.open(PUMP_7, "test")
    door.gate.require_admission(session, Message("toy/ask", b""))
    door.policy.allowed = []
    door.policy.version += 1
    door.gate.refresh(session)
    with pytest.raises(Forbidden):
        door.gate.require_admission(session, Message("toy/ask", b""))


# --- formats ---


async def test_a_content_type_says_how_a_message_is_read_and_read_again() -> None:
    """One topic, two formats: each is looked up once, and recovery reads each as it came."""
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    packed = cbor2.dumps({"rpm": 7})
    for _ in range(3):
        assert door.gate.admit(session, Message(TOPIC, b'{"rpm": 6}'), 5) is None
        properties = stated("application/cbor")
        assert door.gate.admit(session, Message(TOPIC, packed), 5, properties) is None
    assert door.policy.asked == 2
    envelopes, decoded = door.pipeline._batch.envelopes, door.pipeline._batch.decoded
    assert [one.route.format for one in envelopes] == ["", "cbor"] * 3
    assert [one[0].values.rpm for one in decoded] == [6, 7] * 3
    assert [door.gate.decode_again(one)[0].values.rpm for one in envelopes] == [6, 7] * 3


async def test_json_that_says_so_is_json() -> None:
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    properties = stated("application/json; charset=utf-8")
    assert door.gate.admit(session, Message(TOPIC, b'{"rpm": 6}'), 5, properties) is None
    assert door.pipeline._batch.envelopes[0].route.format == ""


async def test_an_unknown_content_type_is_refused_with_those_that_are_read() -> None:
    """And kept with it: what came is read later, when the mistake is understood."""
    door = Door()
    session = door.gate.open(PUMP_7, "test")
    reason = door.gate.admit(session, Message(TOPIC, b"<a/>"), 5, stated("application/xml"))
    assert reason is not None
    assert "'application/xml'" in reason.detail
    assert "application/senml+cbor" in reason.remedy
    kept = door.pipeline._batch.envelopes[0].properties
    assert kept == stated("application/xml")


async def test_a_plain_topic_is_of_any_content_type() -> None:
    door = Door()
    session = door.gate.open(ERP, "test")
    message = Message("plant/orders", b"<order/>")
    assert door.gate.admit(session, message, 5, stated("application/xml")) is None
    assert admitted(door) == ["PLAIN"]


MAPPED = {
    "telemetry": {"rpm": {"type": "integer"}},
    "mapping": {"format": "binary", "binary": {"fields": {"rpm": {"byte": 0, "bytes": 2}}}},
}


async def test_a_device_that_states_no_content_type_is_read_as_its_type_says() -> None:
    """And one that states JSON is read as JSON; recovery knows both by the route alone."""
    door = Door()
    door.types.known = [read_type(PUMP_7.tenant, "pump", MAPPED, version=2, at=0)]
    session = door.gate.open(PUMP_7, "test")
    assert door.gate.admit(session, Message(TOPIC, b"\x03\x84"), 5) is None
    properties = stated("application/json")
    assert door.gate.admit(session, Message(TOPIC, b'{"rpm": 901}'), 5, properties) is None
    envelopes, decoded = door.pipeline._batch.envelopes, door.pipeline._batch.decoded
    assert [one.route.format for one in envelopes] == ["binary", ""]
    assert [one[0].values.rpm for one in decoded] == [900, 901]
    assert [door.gate.decode_again(one)[0].values.rpm for one in envelopes] == [900, 901]


async def test_reports_of_a_device_that_sends_binary_telemetry_are_json() -> None:
    door = Door()
    document = MAPPED | {"properties": {"interval": {"type": "integer"}}}
    door.types.known = [read_type(PUMP_7.tenant, "pump", document, version=2, at=0)]
    session = door.gate.open(PUMP_7, "test")
    report = Message("devices/me/properties/reported", b'{"interval": 5}')
    assert door.gate.admit(session, report, 5) is None


async def test_what_a_dialect_says_is_not_in_the_types_own_format() -> None:
    """A gateway of another platform speaks JSON, whatever the child's type would send itself."""
    door = toy_door()
    door.types.known = [read_type(PUMP_7.tenant, "pump", MAPPED, version=2, at=0)]
    child = replace(CHILD, type_name=TypeName("pump"))
    door.devices.known[PUMP_7.tenant, "room-1"] = child
    session = door.gate.open(PUMP_7, "test")
    assert door.gate.admit(session, Message("toy/telemetry", b'{"Room 1": {"rpm": 3}}'), 5) is None
    assert admitted(door) == ["TELEMETRY"]


@pytest.mark.parametrize("topic", ["devices/me/telemetry", "toy/telemetry", "toy/ask"])
async def test_what_we_break_over_is_kept_and_ends_no_connection(
    topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours: without this the device came again with the same message, for ever."""
    door = toy_door()
    session = door.gate.open(PUMP_7, "test")

    def broken(*_arguments: object) -> object:
        raise ZeroDivisionError

    if topic == "toy/ask":
        monkeypatch.setattr(Toy, "read", broken)
    else:
        monkeypatch.setattr(door.gate._decoders, "for_route", lambda _route: broken)
    reason = door.gate.admit(session, Message(topic, b'{"Room 1": {"t": 1}}'), 5)
    assert reason is not None
    assert (reason.code, "Weft broke" in reason.detail) == ("payload_invalid", True)
    assert admitted(door) == ["REJECTED"]


def test_a_short_fuzz_run_finds_nothing() -> None:
    """Mutated PUBLISH packets as far as the journal; the long run is fuzz/fuzz_gate.py."""
    found = run(Harness(), load_corpus(), inputs=2_000, seed=3, held_bytes=512 * 1024)
    assert found["inputs"] == 2_000

"""ThingsBoard's topics, row by row; and that nothing but a reason comes of all others."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.ingest.support import ACME, PUMP_7, Devices, Door, device

from weft.errors import Invalid, PayloadInvalid, PeerError
from weft.ingest.dialects import native
from weft.ingest.dialects.dialect import PARTS_MAX, Said, Speaker, UnknownChildren
from weft.ingest.dialects.table import Dialects
from weft.ingest.dialects.thingsboard import table
from weft.ingest.dialects.thingsboard.table import FORMS, ThingsBoard
from weft.ingest.submit import Message
from weft.model.command import Command
from weft.model.ids import DeviceId, DeviceUid
from weft.model.message import Operation

DIALECT = ThingsBoard()
DIALECTS = Dialects([DIALECT])
GATEWAY = replace(device(), adds_children=True)
ROOM = replace(device("room-1", None), gateway=DeviceUid("uid-pump-7"), alias="Room 1")
SPEAKER = Speaker(PUMP_7, GATEWAY, Devices(GATEWAY, ROOM))
TIME = b'{"method":"getCurrentTime"}'
PRIVATE = "devices/me/dialects/thingsboard/"
CHILD = "devices/room-1/"


def said(topic: str, payload: bytes) -> list[tuple[str, bytes]]:
    assert DIALECTS.of_topic(topic) is DIALECT
    return [(one.topic, one.payload) for one in DIALECT.read(SPEAKER, topic, payload)]


@pytest.mark.parametrize(
    ("topic", "payload", "native_topic"),
    [
        ("v1/devices/me/telemetry", b'[{"a":1}]', "devices/me/telemetry"),
        ("v2/t", b'{"a":1}', "devices/me/telemetry"),
        ("v2/t/j", b'{"a":1}', "devices/me/telemetry"),
        ("v1/devices/me/attributes", b'{"a":1}', "devices/me/properties/reported"),
        ("v2/a", b'{"a":1}', "devices/me/properties/reported"),
        ("v2/a/j", b'{"a":1}', "devices/me/properties/reported"),
        ("v1/devices/me/attributes/request/1", b"", PRIVATE + "ask/me/1"),
        ("v1/devices/me/attributes/request/1", b'{"clientKeys":"a"}', PRIVATE + "ask/me/1"),
        ("v2/a/req/12", b"{}", PRIVATE + "ask/v2/12"),
        ("v2/a/req/j/12", b"{}", PRIVATE + "ask/v2j/12"),
        ("v1/devices/me/rpc/request/3", TIME, PRIVATE + "call/me/3"),
        ("v2/r/req/3", TIME, PRIVATE + "call/v2/3"),
        ("v2/r/req/j/3", TIME, PRIVATE + "call/v2j/3"),
    ],
)
def test_a_topic_of_a_device_has_its_native_words(
    topic: str, payload: bytes, native_topic: str
) -> None:
    assert said(topic, payload) == [(native_topic, payload)]


@pytest.mark.parametrize(
    ("topic", "params", "event", "form"),
    [
        ("v1/devices/me/rpc/request/3", {"litres": 2}, b'{"litres":2}', "call/me/3"),
        ("v2/r/req/3", [1], b'{"params":[1]}', "call/v2/3"),
        ("v2/r/req/j/3", None, b'{"params":null}', "call/v2j/3"),
    ],
)
def test_a_call_that_weft_does_not_know_is_an_event_before_it_is_a_question(
    topic: str, params: object, event: bytes, form: str
) -> None:
    """So it is kept when its sender hears that it is."""
    payload = msgspec.json.encode({"method": "leak", "params": params})
    assert said(topic, payload) == [("devices/me/events/leak", event), (PRIVATE + form, payload)]


def test_a_call_whose_method_is_no_name_is_only_a_question() -> None:
    """Its answer says why it is none."""
    payload = b'{"method":"no/name"}'
    topic = "v1/devices/me/rpc/request/3"
    assert said(topic, payload) == [(PRIVATE + "call/me/3", payload)]


@pytest.mark.parametrize("topic", ["v1/devices/me/rpc/response/9", "v2/r/res/9", "v2/r/res/j/9"])
def test_an_answer_is_put_into_a_commands_result(topic: str) -> None:
    """By the number that the call had: an answer to no call of ours stays a stray under it."""
    [(where, payload)] = said(topic, b'{"on":true}')
    assert where == "devices/me/commands/9/result"
    assert msgspec.json.decode(payload) == {"status": "succeeded", "output": {"on": True}}


def test_a_gateways_message_becomes_one_for_each_of_its_devices() -> None:
    assert said("v1/gateway/telemetry", b'{"Room 1":[{"ts":1,"values":{"a":null,"b":2}}]}') == [
        (CHILD + "telemetry", b'[{"ts":1,"values":{"b":2}}]')
    ]
    assert said("v1/gateway/attributes", b'{"Room 1":{"a":1}}') == [
        (CHILD + "properties/reported", b'{"a":1}')
    ]
    assert said("v1/gateway/telemetry", b"{}") == []


def test_a_client_may_try_its_connection_with_nothing() -> None:
    assert said("v1/devices/me/telemetry", b" {} ") == []


@pytest.mark.parametrize("act", ["connect", "disconnect"])
def test_a_gateway_says_that_a_device_came_or_went(act: str) -> None:
    payload = b'{"device":"Room 1","type":"default"}'
    assert said(f"v1/gateway/{act}", payload) == [(CHILD + "dialects/thingsboard/" + act, payload)]


def test_a_device_that_connects_for_the_first_time_is_named_with_its_kind() -> None:
    """So that the gate can have it added, with the type if we know one of that name."""
    with pytest.raises(UnknownChildren) as met:
        said("v1/gateway/connect", b'{"device":"Room 2","type":"thermostat"}')
    assert (met.value.names, met.value.types) == (("Room 2",), ("thermostat",))


def test_a_gateway_answers_a_call_for_its_device() -> None:
    [(where, payload)] = said("v1/gateway/rpc", b'{"device":"Room 1","id":4,"data":{"ok":1}}')
    assert where == CHILD + "commands/4/result"
    assert msgspec.json.decode(payload) == {"status": "succeeded", "output": {"ok": 1}}


async def test_an_answer_is_in_the_journal_as_the_result_of_its_command() -> None:
    """Acknowledged means kept: a crash behind the acknowledgement loses no outcome."""
    dialect = ThingsBoard()
    command = Command(
        ACME, DeviceId("pump-7"), DeviceUid("u"), "r-1", "open", {}, "", 0, 0, position=9
    )
    calls = {("pump-7", 9): command, ("room-1", 4): replace(command, request_id="r-2")}
    dialect.find_calls_with(lambda _tenant, device_id, number: calls.get((device_id, number)))
    door = Door(dialects=Dialects([dialect]))
    async with door.running():
        message = Message("v1/devices/me/rpc/response/9", b'{"on":true}', qos=1)
        await door.ingest.send(PUMP_7, message, address="test")
    [(_, operation, payload, _)] = door.recorder.seen
    assert (operation, msgspec.json.decode(payload)["status"]) == ("COMMAND_RESULT", "succeeded")
    told = dialect.read(SPEAKER, "v1/gateway/rpc", b'{"device":"Room 1","id":4,"data":{"ok":1}}')
    assert [one.topic for one in told] == ["devices/room-1/commands/r-2/result"]


def test_a_gateway_asks_for_attributes_of_a_device_that_it_has() -> None:
    payload = b'{"id":1,"device":"Room 1","client":true,"keys":["a","b"]}'
    assert said("v1/gateway/attributes/request", payload) == [(PRIVATE + "gateway-ask", payload)]
    with pytest.raises(UnknownChildren):
        said("v1/gateway/attributes/request", b'{"id":1,"device":"Room 9"}')


@pytest.mark.parametrize(
    ("topic", "payload", "words"),
    [
        ("v1/devices/me/nonsense", b"{}", "no topic"),
        ("v1/devices/me/", b"{}", "no topic"),
        ("v1/gateway/", b"{}", "no topic"),
        ("v1/gateway/telemetry/x", b"{}", "no topic"),
        ("v2/r/", b"{}", "no topic"),
        ("v2/t/x", b"{}", "no topic"),
        ("v2/t/p", b"\x08", "Protocol Buffers"),
        ("v2/a/req/p/1", b"\x08", "Protocol Buffers"),
        ("v2/fw/request/1/chunk/0", b"", "Firmware"),
        ("v2/sw/error", b"", "Firmware"),
        ("v1/devices/me/claim", b'{"secretKey":"s"}', "claim"),
        ("v1/gateway/claim", b'{"Room 1":{"secretKey":"s"}}', "claim"),
        ("v1/devices/me/attributes/request/x", b"{}", "request id"),
        ("v1/devices/me/rpc/response/x", b"{}", "request id"),
        ("v1/gateway/rpc", b'{"device":"Room 1","id":-1}', "request id"),
    ],
)
def test_what_is_not_spoken_is_refused_with_a_remedy(
    topic: str, payload: bytes, words: str
) -> None:
    with pytest.raises(Invalid, match=words) as met:
        said(topic, payload)
    assert met.value.remedy
    assert "secretKey" not in met.value.detail


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("v1/devices/me/attributes/request/1", b"["),
        ("v1/devices/me/attributes/request/1", b'{"clientKeys":["a"]}'),
        ("v1/devices/me/rpc/request/1", b"{}"),
        ("v1/devices/me/rpc/request/1", b'{"method":""}'),
        ("v1/devices/me/rpc/response/1", b"{"),
        ("v1/gateway/connect", b'"Room 1"'),
        ("v1/gateway/connect", b'{"device":""}'),
        ("v1/gateway/telemetry", b"[]"),
        ("v1/gateway/attributes/request", b'{"id":1}'),
    ],
)
def test_a_payload_that_says_nothing_is_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        said(topic, payload)


@pytest.mark.parametrize("topic", ["v2/temperature", "v2/attic/x", "v1/devices", "v3/devices/me/t"])
def test_a_tenants_own_topic_stays_its_own(topic: str) -> None:
    """Only ThingsBoard's own topics are spoken for, not all that begins alike."""
    assert DIALECTS.of_topic(topic) is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("v1/devices/me/attributes", "down/me/attributes"),
        ("v1/devices/me/attributes/response/+", "down/me/attributes/response/+"),
        ("v1/devices/me/rpc/request/+", "down/me/rpc/request/+"),
        ("v1/devices/me/#", "down/me/#"),
        ("v2/a", "down/v2/a"),
        ("v2/a/res/+", "down/v2/a/res/+"),
        ("v2/r/req/j/+", "down/v2/r/req/j/+"),
    ],
)
def test_a_filter_means_the_devices_own_private_topics(written: str, meant: str) -> None:
    private = "devices/gw-1/dialects/thingsboard/"
    assert DIALECTS.native_filter(written, "gw-1") == private + meant
    assert DIALECTS.own_topic(private + meant, "gw-1") == written


def test_a_gateways_calls_come_by_one_topic_whatever_they_are_about() -> None:
    """Below it stand the child and the number, which the gateway finds in the payload."""
    private = "devices/gw-1/dialects/thingsboard/"
    assert DIALECT.native_filter("v1/gateway/rpc", "gw-1") == private + "down/gateway/rpc/+/+"
    assert DIALECT.native_filter("v1/gateway/+", "gw-1") == private + "down/gateway/#"
    assert DIALECT.own_topic(private + "down/gateway/rpc/room-1/7", "gw-1") == "v1/gateway/rpc"


def test_all_that_goes_down_has_a_name_of_the_devices_own() -> None:
    tables = (
        table.ATTRIBUTES,
        table.ATTRIBUTES_RESPONSE,
        table.RPC_REQUEST,
        table.RPC_RESPONSE,
    )
    topics = [rows[form] for rows in tables for form in FORMS]
    topics += [table.GATEWAY_ATTRIBUTES, table.GATEWAY_ATTRIBUTES_RESPONSE]
    for topic in topics:
        native_topic = f"devices/gw-1/dialects/thingsboard/{topic}"
        own = DIALECT.own_topic(native_topic, "gw-1")
        assert own is not None
        assert DIALECT.native_filter(own, "gw-1") == native_topic
        assert DIALECTS.of_topic(own) is DIALECT


@pytest.mark.parametrize(
    "topic", ["ask/me/1", "down/other/x", "down/", "result/1", "down/me", "connect"]
)
def test_what_goes_up_is_not_renamed(topic: str) -> None:
    """A person who watches a device sees its questions under their native names."""
    assert DIALECT.own_topic(f"devices/gw-1/dialects/thingsboard/{topic}", "gw-1") is None


async def test_the_gate_keeps_a_gateways_devices_apart() -> None:
    door = Door(dialects=DIALECTS)
    door.devices.known[ACME, "pump-7"] = GATEWAY
    door.devices.known[ACME, "room-1"] = ROOM
    door.policy.allowed.append(("pump-7", "topic:devices/room-1/"))
    session = door.gate.open(PUMP_7, "test")
    telemetry = Message("v1/gateway/telemetry", b'{"Room 1":[{"t":"21.5"}]}')
    assert door.gate.admit(session, telemetry, 5) is None
    assert (
        door.gate.admit(session, Message("v1/gateway/connect", b'{"device":"Room 1"}'), 6) is None
    )
    kept, came = door.pipeline._batch.envelopes
    assert (kept.route.operation, kept.route.device_id) == (Operation.TELEMETRY, "room-1")
    assert door.pipeline._batch.decoded[0][0].values == {"t": "21.5"}
    assert (came.route.operation, came.route.name) == (Operation.DIALECT, "thingsboard")


WORDS = st.sampled_from(
    ["v1", "v2", "devices", "me", "gateway", "telemetry", "attributes", "request", "response",
     "rpc", "claim", "connect", "t", "a", "r", "req", "res", "j", "p", "fw", "1", "", "007"]
)  # fmt: skip
TOPICS = st.one_of(
    st.lists(WORDS, min_size=1, max_size=7).map("/".join),
    st.builds(
        "".join,
        st.tuples(st.sampled_from(["v1/devices/me/", "v1/gateway/", "v2/"]), st.text(max_size=20)),
    ),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["device", "id", "data", "method", "params", "ts", "values", "metadata", "Room 1",
             "clientKeys", "sharedKeys", "keys", "error", "", "type"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip
PAYLOADS = st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode())


@given(TOPICS, PAYLOADS)
def test_any_message_becomes_native_words_or_a_reason(topic: str, payload: bytes) -> None:
    """Nothing else comes of it, and what it becomes is a topic below `devices/` that exists."""
    try:
        parts = DIALECT.read(SPEAKER, topic, payload)
    except PeerError as error:
        parts = []
        reason = (error.detail, error.remedy)
    else:
        reason = ("", "")
    assert bool(reason[0]) == bool(reason[1])
    says_nothing = payload.strip() == b"{}"
    assert parts or reason[0] or says_nothing
    assert len(parts) <= PARTS_MAX
    for part in parts:
        assert isinstance(part, Said)
        mapped = native.map_topic(part.topic)
        assert mapped.device in {"me", "room-1"}
        assert isinstance(part.payload, bytes)


@given(TOPICS)
def test_a_filter_and_its_topic_are_two_names_of_one(topic: str) -> None:
    found = DIALECT.native_filter(topic, "gw-1")
    if found is not None and topic not in {"v1/gateway/rpc", "v1/gateway/+"}:
        assert DIALECT.own_topic(found, "gw-1") in {topic, "v1/gateway/rpc"}
        assert DIALECT.own_topic(found, "gw-2") is None

"""LoRaWAN webhooks: events as both network servers send them, in native words."""

import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.ingest.support import PUMP_7, Devices, Types, device

from weft.errors import Invalid, PayloadInvalid
from weft.ingest import metrics
from weft.ingest.dialects.dialect import Speaker, UnknownChildren
from weft.ingest.dialects.lorawan import CHIRPSTACK, TTS, LoRaWan
from weft.ingest.dialects.lorawan_words import Queued
from weft.model.device import DeviceType
from weft.registry.thing_models import read_type

EUI = "0101010101010101"
SERVER = device("server", None)
PROBE = replace(device("probe-1", None), gateway=SERVER.uid, alias=EUI)
TYPED = replace(PROBE, type_name="probe")

# From the description of its integration's events.
CHIRPSTACK_UP: dict[str, Any] = {
    "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
    "time": "2022-07-18T09:34:15.775023+00:00",
    "deviceInfo": {
        "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
        "tenantName": "ChirpStack",
        "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97",
        "applicationName": "Test application",
        "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
        "deviceProfileName": "probe",
        "deviceName": "Test device",
        "devEui": EUI,
        "tags": {"key": "value"},
    },
    "devAddr": "00189440",
    "adr": True,
    "dr": 1,
    "fCnt": 4,
    "fPort": 1,
    "confirmed": False,
    "data": "AQI=",
    "object": {"temperature": 25.8},
    "rxInfo": [
        {"gatewayId": "0016c001f153a14c", "rssi": -101, "snr": 2.5},
        {"gatewayId": "0016c001f153a14d", "rssi": -57, "snr": 10},
    ],
    "txInfo": {"frequency": 868100000},
}
TTS_UP: dict[str, Any] = {
    "end_device_ids": {
        "device_id": "dev1",
        "application_ids": {"application_id": "app1"},
        "dev_eui": EUI,
        "dev_addr": "00BCB929",
    },
    "correlation_ids": ["as:up:01E0WZGT6Y7657CPFPE5WEYDSQ"],
    "received_at": "2020-02-12T15:15:46.787Z",
    "uplink_message": {
        "f_port": 1,
        "f_cnt": 31,
        "frm_payload": "AQI=",
        "decoded_payload": {"temperature": 25.8},
        "rx_metadata": [{"gateway_ids": {"gateway_id": "gtw1"}, "rssi": -35, "snr": 5}],
        "settings": {"data_rate": {"lora": {"spreading_factor": 7}}},
        "received_at": "2020-02-12T15:15:45.787Z",
    },
}
MAPPED = {
    "telemetry": {"temperature": {"type": "number"}},
    "mapping": {
        "unmapped": "ignore",
        "binary": {
            "from": "data",
            "encoding": "base64",
            "fields": {"temperature": {"byte": 0, "bytes": 2, "scale": 0.1}},
        },
    },
}


HEARD = ("devices/probe-1/dialects/lorawan/heard", {})


def counted(event: str) -> float:
    """How often an event was understood and needed nothing."""
    return float(metrics.DIALECT_UNUSED.labels("lorawan", event)._value.get())


def typed(document: dict[str, Any]) -> DeviceType:
    return read_type(PROBE.tenant, "probe", document, version=1, at=0)


def speaker(document: dict[str, Any] | None = None) -> Speaker:
    if document is None:
        return Speaker(PUMP_7, SERVER, Devices(SERVER, PROBE))
    return Speaker(PUMP_7, SERVER, Devices(SERVER, TYPED), Types(typed(document)))


def read(
    said: dict[str, Any], event: str = "up", document: dict[str, Any] | None = None
) -> list[tuple[str, Any]]:
    topic = TTS if event == "tts" else CHIRPSTACK + event
    parts = LoRaWan().read(speaker(document), topic, json.dumps(said).encode())
    return [(part.topic, json.loads(part.payload)) for part in parts]


def without(said: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in names}


def test_what_chirpstack_decoded_is_telemetry_at_the_networks_moment() -> None:
    """With how well the best of its gateways heard it."""
    values = {"temperature": 25.8, "rssi": -57.0, "snr": 10.0, "dr": 1}
    expected = {"ts": CHIRPSTACK_UP["time"], "values": values}
    assert read(CHIRPSTACK_UP) == [("devices/probe-1/telemetry", expected)]


def test_what_the_things_stack_decoded_is_too() -> None:
    """It leaves members out that are empty, as the data rate here."""
    values = {"temperature": 25.8, "rssi": -35.0, "snr": 5.0}
    expected = {"ts": "2020-02-12T15:15:45.787Z", "values": values}
    assert read(TTS_UP, "tts") == [("devices/probe-1/telemetry", expected)]


def test_a_type_says_what_of_the_radio_it_has_a_place_for() -> None:
    """A key that it does not declare would be refused: it is left out, the rest is not lost."""
    document = {"telemetry": {"temperature": {"type": "number"}, "rssi": {"type": "number"}}}
    [(_, said)] = read(CHIRPSTACK_UP, document=document)
    assert said["values"] == {"temperature": 25.8, "rssi": -57.0}


@pytest.mark.parametrize(("said", "event"), [(CHIRPSTACK_UP, "up"), (TTS_UP, "tts")])
def test_a_mapping_is_given_the_document_as_it_came(said: dict[str, Any], event: str) -> None:
    """So that it is tried on a pasted uplink, and reads bytes by their port."""
    assert read(said, event, MAPPED) == [("devices/probe-1/telemetry", said)]


def test_bytes_that_nobody_can_read_are_refused_with_what_to_do() -> None:
    with pytest.raises(PayloadInvalid, match="no mapping says how") as refused:
        read(without(CHIRPSTACK_UP, "object"))
    assert "mapping" in refused.value.remedy


def test_an_uplink_for_the_network_alone_says_nothing() -> None:
    """Port 0 carries MAC commands; an empty frame acknowledges. The device was there, though."""
    assert read(without(CHIRPSTACK_UP, "object", "data")) == [HEARD]
    assert read(without(CHIRPSTACK_UP, "object") | {"fPort": 0}) == [HEARD]


def test_a_join_is_an_event_where_there_is_a_place_for_it() -> None:
    said = without(CHIRPSTACK_UP, "object", "data")
    topic = "devices/probe-1/events/joined"
    assert read(said, "join") == [(topic, {"dev_addr": "00189440"})]
    assert read(said, "join", {"telemetry": {"t": {"type": "number"}}}) == [HEARD]
    declared = {"telemetry": {"t": {"type": "number"}}, "events": {"joined": {}}}
    assert read(said, "join", declared) == [(topic, {})]
    joined = without(TTS_UP, "uplink_message") | {"join_accept": {"session_key_id": "AX"}}
    assert read(joined, "tts") == [(topic, {"dev_addr": "00BCB929"})]


def test_a_status_is_battery_and_margin() -> None:
    said = without(CHIRPSTACK_UP, "object") | {"margin": 10, "batteryLevel": 93.5}
    [(_, found)] = read(said, "status")
    assert found["values"] == {"margin": 10, "battery": 93.5}
    [(_, found)] = read(said | {"externalPowerSource": True}, "status")
    assert found["values"] == {"margin": 10}


@pytest.mark.parametrize("event", ["ack", "txack", "log", "integration"])
def test_other_events_say_nothing_of_a_device_and_are_counted(event: str) -> None:
    before = counted(event)
    assert read({"any": "thing"}, event) == []
    assert counted(event) == before + 1


def test_a_place_is_telemetry_where_there_is_a_place_for_it() -> None:
    """What is zero was left out by the server."""
    place = {"latitude": 46.18, "altitude": 12.5, "source": "GEO_RESOLVER_TDOA"}
    said = without(CHIRPSTACK_UP, "object", "data") | {"location": place}
    values = {"latitude": 46.18, "longitude": 0.0, "altitude": 12.5}
    expected = {"ts": CHIRPSTACK_UP["time"], "values": values}
    assert read(said, "location") == [("devices/probe-1/telemetry", expected)]
    assert read(said, "location", {"telemetry": {"t": {"type": "number"}}}) == []


def test_a_device_that_is_not_known_is_asked_for_with_its_profile() -> None:
    """It is added with the type of that name, if the network server may add devices."""
    said = CHIRPSTACK_UP | {"deviceInfo": {"devEui": "AA" * 8, "deviceProfileName": "probe"}}
    with pytest.raises(UnknownChildren) as unknown:
        read(said)
    assert (unknown.value.names, unknown.value.types) == (("aa" * 8,), ("probe",))


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (CHIRPSTACK + "up", b"\x0a\x01"),
        (CHIRPSTACK + "up", b"[]"),
        (CHIRPSTACK + "up", b'{"deviceInfo": {"devEui": "me/../x"}}'),
        (CHIRPSTACK + "up", b"[" * 100_000),
        (TTS, b'{"end_device_ids": {}, "uplink_message": {}}'),
        (TTS, b"\xff"),
    ],
)
def test_what_is_no_event_is_refused(topic: str, payload: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        LoRaWan().read(speaker(), topic, payload)


def test_events_and_servers_that_nobody_knows_are_refused() -> None:
    with pytest.raises(Invalid, match="ChirpStack's events"):
        read(CHIRPSTACK_UP, "down")
    with pytest.raises(Invalid, match="network server"):
        LoRaWan().read(speaker(), "$lorawan/other/up", b"{}")
    assert LoRaWan().native_filter("$lorawan/#", "server") is None
    assert LoRaWan().own_topic("devices/server/dialects/lorawan/x", "server") is None


@pytest.mark.parametrize(
    ("event", "said", "confirmed", "status"),
    [
        ("ack", {"acknowledged": True}, True, "succeeded"),
        ("ack", {"acknowledged": False}, True, "failed"),
        ("txack", {}, True, None),
        ("txack", {}, False, "succeeded"),
        ("ack", {"acknowledged": True}, False, None),
    ],
)
def test_a_command_ends_when_it_was_acknowledged_or_unconfirmed_when_it_was_sent(
    event: str, said: dict[str, Any], confirmed: bool, status: str | None
) -> None:
    dialect = LoRaWan()
    queued = Queued("q-1", PROBE.tenant, PROBE.device_id, "r-1", confirmed)
    dialect.find_queued_with({"q-1": queued}.get, lambda *_: False)
    payload = json.dumps({"queueItemId": "q-1", **said}).encode()
    parts = dialect.read(speaker(), CHIRPSTACK + event, payload)
    if status is None:
        assert parts == []
        return
    [part] = parts
    assert part.topic == "devices/probe-1/commands/r-1/result"
    assert json.loads(part.payload)["status"] == status

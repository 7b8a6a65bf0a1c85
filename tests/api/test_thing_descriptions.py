"""Thing Descriptions: one device as any W3C WoT client can use it."""

import pytest
from tests.api.documents import PUMP, require_td

from weft.api.snippets import Endpoints
from weft.api.thing_descriptions import thing_description
from weft.errors import Forbidden
from weft.ingest.dialects.native import map_topic
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId, TypeName
from weft.registry.documents import read_document
from weft.registry.thing_models import read_type

MAIN = TenantId("main")
TYPE = read_type(MAIN, "pump", read_document(PUMP, "type"), version=3, at=0)
UID = "0198c0de-0000-7000-8000-000000000001"
ALL = Endpoints(
    http="http://127.0.0.1:8080",
    https="https://plant.example:8443",
    mqtt="127.0.0.1:1883",
    mqtts="plant.example:8883",
    coap="127.0.0.1:5683",
    coaps="plant.example:5684",
    ws="ws://127.0.0.1:8080/mqtt",
    wss="wss://plant.example:8443/mqtt",
)


def device(name: str = "pump-7") -> Device:
    """Return a pump."""
    state = Lifecycle.ACTIVE
    return Device(MAIN, DeviceId(name), DeviceUid(UID), TypeName("pump"), state, 0)


def test_a_device_is_described_with_all_that_it_measures_has_and_does() -> None:
    """Every field of its type, each with a way to reach it."""
    td = thing_description(device(), TYPE, ALL)
    require_td(td)
    assert td["id"] == f"urn:uuid:{UID}"
    assert td["properties"].keys() == TYPE.telemetry.keys() | TYPE.properties.keys()
    assert td["actions"].keys() == TYPE.commands.keys()
    assert td["events"].keys() == TYPE.events.keys()
    ops = {name: [form["op"] for form in one["forms"]] for name, one in td["properties"].items()}
    assert [name for name in ops if "writeproperty" in ops[name]] == ["setpoint_rpm", "mode"]
    rpm = td["properties"]["rpm"]
    assert (rpm["readOnly"], rpm["observable"], rpm["unit"]) == (True, True, "/min")
    assert "readOnly" not in td["properties"]["setpoint_rpm"]
    assert td["actions"]["start"]["title"] == "Start it"
    (link,) = td["links"]
    assert (link["rel"], link["href"]) == (
        "type",
        "https://plant.example:8443/api/v1/types/pump/tm?version=3",
    )


@pytest.mark.parametrize("name", ["http", "https", "mqtt", "mqtts", "coap", "coaps", "ws", "wss"])
def test_no_form_names_what_is_not_listening(name: str) -> None:
    """Only one protocol listens: its forms are all there are."""
    http_only = Endpoints(http="http://127.0.0.1:8080")
    endpoints = {
        "http": http_only,
        "https": Endpoints(https="https://plant.example:8443"),
        "mqtt": Endpoints(http="http://127.0.0.1:8080", mqtt="127.0.0.1:1883"),
        "mqtts": Endpoints(http="http://127.0.0.1:8080", mqtts="plant.example:8883"),
        "coap": Endpoints(http="http://127.0.0.1:8080", coap="127.0.0.1:5683"),
        "coaps": Endpoints(http="http://127.0.0.1:8080", coaps="plant.example:5684"),
        "ws": Endpoints(http="http://127.0.0.1:8080", ws="ws://127.0.0.1:8080/mqtt"),
        "wss": Endpoints(http="http://127.0.0.1:8080", wss="wss://plant.example:8443/mqtt"),
    }[name]
    td = thing_description(device(), TYPE, endpoints)
    require_td(td)
    forms = [
        form
        for section in ("properties", "actions", "events")
        for affordance in td.get(section, {}).values()
        for form in affordance["forms"]
    ]
    schemes = {form["href"].split("://")[0] for form in forms}
    assert schemes == ({name} if name.startswith("http") else {"http", name})


def test_mqtt_in_a_websocket_is_a_form_of_its_own() -> None:
    """Its path is the broker's, so the topic stands in the form alone."""
    td = thing_description(device(), TYPE, ALL)
    forms = [one for one in td["properties"]["rpm"]["forms"] if one.get("subprotocol") == "mqtt"]
    assert [one["href"] for one in forms] == [ALL.wss, ALL.ws]
    assert {one["mqv:filter"] for one in forms} == {"devices/pump-7/telemetry"}


def test_every_topic_that_a_form_publishes_to_is_one_that_the_gate_takes() -> None:
    """A command is sent over HTTP, where it is checked and kept: on its topic it is refused."""
    td = thing_description(device(), TYPE, ALL)
    forms = [
        form
        for section in ("properties", "actions", "events")
        for affordance in td[section].values()
        for form in affordance["forms"]
    ]
    for form in forms:
        if form.get("mqv:controlPacket") == "publish":
            map_topic(form["mqv:topic"].replace("{request_id}", "r-1"))
    (start,) = td["actions"]["start"]["forms"]
    assert (start["htv:methodName"], start["href"]) == (
        "POST",
        "https://plant.example:8443/api/v1/devices/pump-7/td/actions/start",
    )
    with pytest.raises(Forbidden):
        map_topic("devices/pump-7/commands/r-1/start")


def test_names_are_written_as_addresses_and_topics_want_them() -> None:
    """An id may hold what a URL has to escape; a topic filter holds it as it is."""
    td = thing_description(device("pump:7@hall"), TYPE, ALL)
    require_td(td)
    http, *mqtt = td["properties"]["in.ch-1"]["forms"]
    assert http["href"].endswith("/devices/pump%3A7%40hall/td/properties/in.ch-1")
    assert {form["mqv:filter"] for form in mqtt} == {"devices/pump:7@hall/telemetry"}
    assert all(form["weft:member"] == "in.ch-1" for form in mqtt)


def test_a_device_without_a_type_is_described_as_far_as_it_is_known() -> None:
    """Nothing is declared, so nothing is promised but what it has sent."""
    td = thing_description(device(), None, ALL)
    require_td(td)
    assert not {"properties", "actions", "events", "links"} & td.keys()

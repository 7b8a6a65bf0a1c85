"""AsyncAPI: what the devices of a type say and hear."""

from tests.api.documents import PUMP, require_asyncapi

from weft.api.asyncapi import asyncapi_document
from weft.api.snippets import Endpoints
from weft.model.ids import TenantId
from weft.registry.documents import read_document
from weft.registry.thing_models import read_type

TYPE = read_type(TenantId("main"), "pump", read_document(PUMP, "type"), version=3, at=0)
ALL = Endpoints(
    mqtt="127.0.0.1:1883",
    mqtts="plant.example:8883",
    ws="ws://127.0.0.1:8080/mqtt",
    wss="wss://plant.example:8443/mqtt",
)


def test_a_document_has_both_sides_of_every_topic() -> None:
    """What a device sends, an application receives; commands and wishes go to the device."""
    document = asyncapi_document(TYPE, ALL)
    require_asyncapi(document)
    assert document["info"]["version"] == "3"
    assert set(document["operations"]) == {
        "device.send.telemetry",
        "application.receive.telemetry",
        "device.send.reported",
        "application.receive.reported",
        "device.receive.desired",
        "device.send.event.overload",
        "application.receive.event.overload",
        "device.send.event.door_3a_open",
        "application.receive.event.door_3a_open",
        "device.receive.command.stop",
        "device.receive.command.start",
        "device.send.commandResult",
        "application.receive.commandResult",
    }
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert "devices/{device_id}/events/door:open" in addresses
    assert "devices/{device_id}/commands/{request_id}/start" in addresses


def test_payloads_carry_what_the_type_declares() -> None:
    """Range, unit, values and what is required; nothing else may be sent."""
    document = asyncapi_document(TYPE, ALL)
    values = document["components"]["schemas"]["values"]
    assert values["properties"]["rpm"] == {
        "type": "number",
        "x-unit": "/min",
        "minimum": 0,
        "maximum": 3600,
    }
    assert values["properties"]["state"]["enum"] == ["idle", "running", "fault"]
    assert (values["required"], values["additionalProperties"]) == (["rpm"], False)
    desired = document["components"]["messages"]["desired"]["payload"]["properties"]["properties"]
    assert desired["properties"].keys() == {"setpoint_rpm", "mode"}


def test_only_servers_that_listen_are_named() -> None:
    """A document without a broker has no servers; with TLS it says so."""
    servers = asyncapi_document(TYPE, ALL)["servers"]
    assert {name: one["protocol"] for name, one in servers.items()} == {
        "mqtt": "mqtt",
        "mqtts": "secure-mqtt",
        "ws": "ws",
        "wss": "wss",
    }
    assert (servers["wss"]["host"], servers["wss"]["pathname"]) == ("plant.example:8443", "/mqtt")
    without = asyncapi_document(TYPE, Endpoints(http="http://127.0.0.1:8080"))
    require_asyncapi(without)
    assert "servers" not in without


def test_a_type_with_telemetry_alone_has_no_other_channel() -> None:
    """The smallest type there is."""
    document = {"telemetry": {"temperature": {"type": "number"}}}
    small = read_type(TenantId("main"), "probe", document, version=1, at=0)
    made = asyncapi_document(small, ALL)
    require_asyncapi(made)
    assert set(made["channels"]) == {"telemetry"}


def test_what_a_mapping_reads_is_not_promised_to_be_sent() -> None:
    """The device's own words are its own; beside them stands what is read of them."""
    document = read_document(PUMP, "type") | {"mapping": {"telemetry": {"rpm": "r"}}}
    mapped = read_type(TenantId("main"), "pump", document, version=1, at=0)
    made = asyncapi_document(mapped, ALL)
    require_asyncapi(made)
    telemetry = made["components"]["messages"]["telemetry"]["payload"]
    assert telemetry.keys() == {"description", "x-read-as"}
    assert "properties" in made["components"]["messages"]["reported"]["payload"]


def test_what_a_command_gives_back_is_named_at_it_and_at_the_result() -> None:
    """The result's output is any of them, as long as every command declares one."""
    rpm = {"rpm": {"type": "number", "unit": "/min"}}
    some = {"commands": {"spin": {"output": rpm}, "stop": {}}}
    for commands, known in ((some["commands"], False), ({"spin": {"output": rpm}}, True)):
        kind = read_type(TenantId("main"), "pump", {"commands": commands}, version=1, at=0)
        document = asyncapi_document(kind, ALL)
        require_asyncapi(document)
        components = document["components"]
        reference = {"$ref": "#/components/schemas/output.spin"}
        assert components["schemas"]["output.spin"]["properties"] == {
            "rpm": {"type": "number", "x-unit": "/min"}
        }
        assert components["messages"]["command.spin"]["x-output"] == reference
        output = components["messages"]["commandResult"]["payload"]["properties"]["output"]
        assert output == ({"anyOf": [reference]} if known else {})

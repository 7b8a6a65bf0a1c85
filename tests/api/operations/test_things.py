"""Devices and types in the words of others, over the API."""

from typing import Any

import yaml
from tests.api.documents import PUMP, require_asyncapi, require_td
from tests.api.support import OTHER, Answer, World

from weft.security.actions import Role

YAML = {"content-type": "application/yaml"}


async def plant(world: World) -> tuple[str, str]:
    """Make a pump with its type; return the administrator's token and the pump's."""
    token, pump = world.admin(), await world.device("pump-7")
    body = PUMP.encode()
    await world.call("PUT", "/types/pump", token=token, body=body, headers=YAML)
    patch = {"type_name": "pump"}
    await world.call("PATCH", "/devices/pump-7", token=token, body=patch)
    return token, pump


async def test_a_device_describes_itself(world: World) -> None:
    """Its operator reads the description, and so does the device; a stranger does not."""
    token, pump = await plant(world)
    described = await world.call("GET", "/devices/pump-7/td", token=token)
    assert described.headers["content-type"] == "application/td+json"
    require_td(described.json)
    own = await world.call("GET", "/devices/me/td", token=pump)
    assert own.json == described.json
    stranger = await world.call("GET", "/devices/pump-7/td", token=world.admin(OTHER))
    assert stranger.status == 404
    plain = await world.call(
        "GET", "/devices/pump-7/td", token=token, headers={"accept": "application/json"}
    )
    assert (plain.headers["content-type"], plain.json) == ("application/json", described.json)


async def test_what_a_description_promises_is_answered(world: World) -> None:
    """Each form over HTTP is followed: the value is the one that the device sent."""
    token, pump = await plant(world)
    sent = {"rpm": 900, "state": "running"}
    await world.call("POST", "/devices/me/telemetry", token=pump, body=sent)
    report = {"firmware": "1.4.2"}
    await world.call("POST", "/devices/me/properties/reported", token=pump, body=report)
    td = (await world.call("GET", "/devices/pump-7/td", token=token)).json
    for name, value in (sent | report).items():
        (form,) = [f for f in td["properties"][name]["forms"] if f["op"] == "readproperty"]
        path = form["href"].partition("/api/v1")[2]
        read = await world.call(form["htv:methodName"], path, token=token)
        assert (read.status, read.json) == (200, value)
    (whole,) = td["forms"]
    everything = await world.call("GET", whole["href"].partition("/api/v1")[2], token=token)
    assert everything.json == sent | report
    missing = await world.call("GET", "/devices/pump-7/td/properties/wet", token=token)
    assert missing.status == 404


async def test_a_property_is_written_and_an_action_invoked_as_described(world: World) -> None:
    """The form's own method and address; what is not as declared is refused with its place."""
    token, _pump = await plant(world)
    td = (await world.call("GET", "/devices/pump-7/td", token=token)).json

    async def follow(section: str, name: str, op: str, body: Any) -> Answer:
        (form,) = [
            one
            for one in td[section][name]["forms"]
            if one["op"] == op and one["href"].startswith("http")
        ]
        path = form["href"].partition("/api/v1")[2]
        return await world.call(form["htv:methodName"], path, token=token, body=body)

    assert (await follow("properties", "setpoint_rpm", "writeproperty", 900)).status == 204
    twin = await world.call("GET", "/devices/pump-7/twin", token=token)
    assert twin.json["desired"] == {"setpoint_rpm": 900}
    wrong = await follow("properties", "setpoint_rpm", "writeproperty", 9000)
    assert (wrong.status, "setpoint_rpm" in wrong.json["detail"]) == (422, True)
    read_only = "/devices/pump-7/td/properties/firmware"
    assert (await world.call("PUT", read_only, token=token, body="2.0")).status == 422

    sent = await follow("actions", "start", "invokeaction", {"rpm": 900})
    assert (sent.status, sent.json["name"], sent.json["input"]) == (202, "start", {"rpm": 900})
    assert (await follow("actions", "stop", "invokeaction", None)).status == 202
    assert (await follow("actions", "start", "invokeaction", {})).status == 422


async def test_a_viewer_reads_a_description_and_changes_nothing(world: World) -> None:
    """The rights are those of the twin and of commands."""
    await plant(world)
    viewer, base = world.person("victor", Role.VIEWER), "/devices/pump-7/td"
    assert (await world.call("GET", base, token=viewer)).status == 200
    put = await world.call("PUT", f"{base}/properties/setpoint_rpm", token=viewer, body=1)
    post = await world.call("POST", f"{base}/actions/stop", token=viewer)
    assert (put.status, post.status) == (403, 403)


async def test_a_type_is_a_thing_model_at_each_version(world: World) -> None:
    """Saved again as it is read, it is the same type."""
    token, _pump = await plant(world)
    model = await world.call("GET", "/types/pump/tm", token=token)
    assert model.headers["content-type"] == "application/tm+json"
    await world.call("PUT", "/types/copy", token=token, body=model.json)
    kept = [(await world.call("GET", f"/types/{n}", token=token)).json for n in ("pump", "copy")]
    for section in ("telemetry", "properties", "commands", "events"):
        assert kept[0][section] == kept[1][section]
    first = await world.call("GET", "/types/pump/tm?version=1", token=token)
    assert first.json == model.json
    assert (await world.call("GET", "/types/pump/tm?version=9", token=token)).status == 404


async def test_asyncapi_comes_as_json_and_as_yaml(world: World) -> None:
    """The same document, by Accept or by name."""
    token, _pump = await plant(world)
    path = "/types/pump/asyncapi"
    document = (await world.call("GET", path, token=token)).json
    require_asyncapi(document)
    by_name = await world.call("GET", f"{path}?format=yaml", token=token)
    accept = {"accept": "application/yaml"}
    by_accept = await world.call("GET", path, token=token, headers=accept)
    assert by_name.content == by_accept.content
    assert yaml.safe_load(by_name.content) == document
    stranger = await world.call("GET", path, token=world.admin(OTHER))
    assert stranger.status == 404

"""Field mappings over the API: saved, tried and deleted by who may, for one tenant."""

from typing import Any

from tests.api.support import MAIN, OTHER, World
from tests.connectors.support import LOOPBACK, alarm

from weft.connectors.base import Tools
from weft.connectors.credentials import Credentials
from weft.connectors.mappings import Mappings, MappingsGiven
from weft.connectors.registry import Configured, Healths
from weft.connectors.tryton import TrytonConnector, TrytonSettings
from weft.rules.kinds import ALARMS
from weft.security.outbound import OutboundClient

ONE = "/connectors/erp/mapping"
TRY = "/connectors/erp/try"


def with_connector(world: World, *tenants: str) -> str:
    """Configure a Tryton that is never reached; return an administrator's token."""
    settings = TrytonSettings(url="https://erp.example", database="plant", key="env:KEY")
    tools = Tools(OutboundClient(LOOPBACK), Credentials(), world.clock)
    erp = TrytonConnector("erp", settings, tools)
    found = Configured(erp, frozenset(tenants or (MAIN,)), settings.url, Healths())
    world.connectors._configured["erp"] = found
    given = MappingsGiven(world.records, world.audit, world.clock, world.groups._around)
    world.connectors.mappings = Mappings(given)
    return world.admin()


async def test_a_mapping_is_saved_shown_and_forgotten(world: World) -> None:
    """Over defaults that are shown beside it, with a version that the next writer names."""
    token = with_connector(world)
    shown = await world.call("GET", ONE, token=token)
    assert (shown.json["version"], shown.json["fields"]) == (0, {})
    assert shown.json["defaults"] == {"name": "title", "comment": "text"}
    fields = {"name": "alarm.severity + ' ' + title"}
    saved = await world.call("PUT", ONE, token=token, body=fields)
    assert (saved.status, saved.json["version"], saved.json["fields"]) == (200, 1, fields)
    assert saved.json["updated_by"]
    assert (await world.call("DELETE", ONE, token=token)).status == 204
    assert (await world.call("DELETE", ONE, token=token)).status == 404
    assert (await world.call("GET", ONE, token=token)).json["version"] == 0


async def test_what_does_not_fit_is_refused_with_field_and_column(world: World) -> None:
    """Nothing of it is kept."""
    token = with_connector(world)
    for fields, words in (
        ({"name": "alarm.severty"}, "'name': Column 6"),
        ({"name": "1 + 1"}, "takes string"),
        ({"a b": "title"}, "cannot be a field"),
    ):
        for method, path, body in (
            ("PUT", ONE, fields),
            ("POST", TRY, {"fields": fields}),
        ):
            refused = await world.call(method, path, token=token, body=body)
            assert refused.status == 422
            assert words in refused.json["detail"]
    assert (await world.call("GET", ONE, token=token)).json["version"] == 0


async def test_the_sandbox_shows_the_request_and_sends_nothing(world: World) -> None:
    """For a sample of a device, whose attributes are read; the key is not in it."""
    token = with_connector(world)
    device = {"device_id": "pump-7", "attributes": {"hall": "North"}}
    assert (await world.call("POST", "/devices", token=token, body=device)).status == 201
    body: dict[str, Any] = {
        "fields": {"name": "device.attributes.hall + ': ' + title", "effort": "asset.id"},
        "device": "pump-7",
    }
    tried = (await world.call("POST", TRY, token=token, body=body)).json
    assert (tried["method"], tried["url"].split("?")[0]) == (
        "POST",
        "https://erp.example/plant/rest/model/project.work",
    )
    assert tried["body"]["name"] == "North: A sample of an alarm of pump-7"
    assert tried["left_out"] == [{"field": "effort", "why": "'id' has not been seen yet."}]
    assert "is looked for" in tried["first"]
    assert not any(name.lower() == "authorization" for name in tried["headers"])
    plain = await world.call("POST", TRY, token=token)
    assert plain.status == 200


async def test_a_real_alarm_is_tried_by_its_id(world: World) -> None:
    """And another tenant's is not there (TN-2)."""
    token = with_connector(world, MAIN, OTHER)
    one = alarm()
    await world.records.write(lambda w: w.insert(ALARMS, MAIN, one.alarm_id, one))
    body = {"alarm": one.alarm_id}
    tried = await world.call("POST", TRY, token=token, body=body)
    assert tried.json["body"]["name"] == one.message
    theirs = world.admin(OTHER)
    assert (await world.call("POST", TRY, token=theirs, body=body)).status == 404
    assert (await world.call("GET", ONE, token=theirs)).json["fields"] == {}


async def test_trying_is_no_way_around_a_right(world: World) -> None:
    """Who may write connectors and read no devices is not shown their attributes."""
    admin = with_connector(world)
    made = await world.call(
        "POST",
        "/keys",
        token=admin,
        body={"name": "narrow", "scopes": ["connectors:read", "connectors:write"]},
    )
    token = made.json["token"]
    for fields, status in (
        ({"name": "title"}, 200),
        ({"name": "device.attributes.hall"}, 403),
        ({"name": "asset.id"}, 403),
    ):
        tried = await world.call("POST", TRY, token=token, body={"fields": fields})
        assert tried.status == status, fields
    reading = await world.call("POST", TRY, token=token, body={"alarm": "a-1"})
    assert reading.status == 403


async def test_a_connector_that_is_not_there_has_no_mapping(world: World) -> None:
    """404 for each way of asking."""
    token = world.admin()
    for method, path, body in (
        ("GET", ONE, None),
        ("PUT", ONE, {"name": "title"}),
        ("DELETE", ONE, None),
        ("POST", TRY, {}),
    ):
        assert (await world.call(method, path, token=token, body=body)).status == 404

"""Subscriptions over the API: made, tried, changed, redriven; each tenant its own."""

from tests.api.support import OTHER, World
from tests.connectors.farside import Reply, far_side
from tests.connectors.support import NOON

from weft.connectors.events.kinds import DEAD_EVENTS, dead_key
from weft.model.ids import TenantId
from weft.model.subscription import Change, DeadEvent, Topic
from weft.security.actions import Role

MAIN = TenantId("main")


async def test_a_subscription_from_its_first_to_its_last_day(world: World) -> None:
    """The secret is shown at its making and never again."""
    token = world.admin()
    async with far_side(lambda _a: Reply(202, b"")) as side:
        body = {"name": "cmms", "url": side.url, "handshake": False}
        made = await world.call("POST", "/subscriptions", token=token, body=body)
        assert made.status == 201
        assert len(made.json["secret"]) == 64
        shown = await world.call("GET", "/subscriptions/cmms", token=token)
        assert (shown.json["secret"], shown.json["state"]) == ("", "delivering")
        tested = await world.call("POST", "/subscriptions/cmms/test", token=token)
        assert tested.json["taken"]
        assert "test event" in tested.json["answer"]
        body = {"filter": "alarm.severity == 'critical'", "paused": True}
        changed = await world.call("PATCH", "/subscriptions/cmms", token=token, body=body)
        assert (changed.json["state"], changed.json["version"]) == ("paused", 2)
        await _bury(world, "change-7")
        dead = await world.call("GET", "/subscriptions/cmms/dead-events", token=token)
        assert [one["event_id"] for one in dead.json["items"]] == ["change-7"]
        path = "/subscriptions/cmms/dead-events/change-7/redrive"
        assert (await world.call("POST", path, token=token)).status == 204
        assert side.asked[-1].json()["id"] == "change-7"
        assert (await world.call("POST", path, token=token)).status == 404
    listed = await world.call("GET", "/subscriptions", token=token)
    assert [one["name"] for one in listed.json["items"]] == ["cmms"]
    assert (await world.call("DELETE", "/subscriptions/cmms", token=token)).status == 204


async def _bury(world: World, event_id: str) -> None:
    uid = (await world.events.subscriptions.get(MAIN, "cmms")).subscription.uid
    change = Change(7, NOON, Topic.ALARM, "weft.alarm.raised", "alarms/a", "alarm:a", "p", {})
    dead = DeadEvent(uid, event_id, NOON, change.type, change.subject, "422", change)
    await world.records.write(lambda w: w.put(DEAD_EVENTS, MAIN, dead_key(uid, event_id), dead))


async def test_a_viewer_reads_and_another_tenant_sees_nothing(world: World) -> None:
    """Who gets our data is for administrators to say."""
    token = world.admin()
    body = {"name": "cmms", "url": "https://cmms.example/"}
    await world.call("POST", "/subscriptions", token=token, body=body)
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("GET", "/subscriptions/cmms", token=viewer)).status == 200
    refused = await world.call("POST", "/subscriptions", token=viewer, body=body | {"name": "x"})
    assert refused.status == 403
    stranger = world.admin(OTHER)
    assert (await world.call("GET", "/subscriptions/cmms", token=stranger)).status == 404


async def test_a_receiver_that_fails_the_test_is_told_in_words(world: World) -> None:
    """An answer with what to do, and no error of ours."""
    token = world.admin()
    body = {"name": "cmms", "url": "http://127.0.0.1:9/", "handshake": False}
    await world.call("POST", "/subscriptions", token=token, body=body)
    tested = await world.call("POST", "/subscriptions/cmms/test", token=token)
    assert (tested.status, tested.json["taken"]) == (200, False)
    assert "Check the address" in tested.json["answer"]

"""Bulks of alarms over the API: started with a filter, followed to the report."""

from tests.api.operations.test_alarms import raised
from tests.api.support import OTHER, World

from weft.security.actions import Role


async def test_a_bulk_is_started_followed_and_reported(world: World) -> None:
    """Accepted at once; done a moment later, with what each alarm came to."""
    token = await raised(world)
    body = {"act": "acknowledge", "severity": "major", "comment": "known"}
    begun = await world.call("POST", "/alarms/bulk", token=token, body=body)
    assert (begun.status, begun.json["alarms"], begun.json["waiting"]) == (202, 1, 1)
    await world.alarm_bulks.work()
    path = f"/alarms/bulk/{begun.json['bulk_id']}"
    done = await world.call("GET", path, token=token)
    assert (done.json["done"], done.json["failed"], done.json["failures"]) == (True, 0, [])
    seen = await world.call("GET", "/alarms/a-1", token=token)
    assert seen.json["state"] == "acknowledged"
    assert (await world.call("GET", path, token=world.admin(OTHER))).status == 404


async def test_what_makes_no_sense_is_refused(world: World) -> None:
    """An unknown act, a shelf without its reason, a filter that finds nothing."""
    token = await raised(world)
    for body, status in (
        ({"act": "ignore"}, 422),
        ({"act": "shelve", "duration": "8h"}, 422),
        ({"act": "clear", "device": "pump-9"}, 404),
    ):
        answer = await world.call("POST", "/alarms/bulk", token=token, body=body)
        assert answer.status == status, body


async def test_viewers_start_none(world: World) -> None:
    """Whatever the act."""
    await raised(world)
    viewer = world.person("vera", Role.VIEWER)
    body = {"act": "acknowledge"}
    assert (await world.call("POST", "/alarms/bulk", token=viewer, body=body)).status == 403

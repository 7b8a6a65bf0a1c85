"""The rejection inbox over the API."""

from tests.api.support import OTHER, World


async def refused(world: World) -> int:
    pump = await world.device("pump-7")
    await world.call("POST", "/devices/me/telemetry", token=pump, body=b"21.4")
    return world.journal.head


async def test_a_refused_message_is_read_and_deleted(world: World) -> None:
    """With its reason and remedy; another tenant does not see it."""
    position = await refused(world)
    token, path = world.admin(), f"/rejections/{position}"
    await world.call("GET", "/rejections", token=token)
    seen = await world.call("GET", path, token=token)
    assert seen.json["sender"] == "device:pump-7"
    assert seen.json["payload_base64"] == "MjEuNA=="
    assert (await world.call("GET", path, token=world.admin(OTHER))).status == 404
    assert (await world.call("DELETE", path, token=world.admin(OTHER))).status == 404
    assert (await world.call("DELETE", path, token=token)).status == 204
    assert (await world.call("GET", path, token=token)).status == 404
    assert (await world.call("GET", "/rejections/x", token=token)).status == 404


async def test_a_message_that_is_still_wrong_is_refused_again(world: World) -> None:
    """And stays in the inbox."""
    position = await refused(world)
    token = world.admin()
    await world.call("GET", "/rejections", token=token)
    again = await world.call("POST", f"/rejections/{position}/redrive", token=token)
    assert (again.status, again.json["code"]) == (422, "payload_invalid")
    assert (await world.call("GET", f"/rejections/{position}", token=token)).status == 200


async def test_a_sender_that_is_gone_is_named(world: World) -> None:
    """A deleted device's message cannot be redriven in its name."""
    position = await refused(world)
    token = world.admin()
    await world.call("GET", "/rejections", token=token)
    await world.call("DELETE", "/devices/pump-7", token=token)
    again = await world.call("POST", f"/rejections/{position}/redrive", token=token)
    assert again.status == 409


async def test_one_filter_at_a_time(world: World) -> None:
    """By device or by code."""
    await refused(world)
    token = world.admin()
    for query, count in (("device=pump-7", 1), ("device=x", 0), ("code=payload_invalid", 1)):
        listed = await world.call("GET", f"/rejections?{query}", token=token)
        assert len(listed.json["items"]) == count, query
    both = await world.call("GET", "/rejections?device=a&code=b", token=token)
    assert both.status == 422

"""Twins over the API: what was told, what is wanted, and the difference."""

from tests.api.support import World


async def test_a_twin_shows_what_was_told_and_what_is_wanted(world: World) -> None:
    """The pump reports 800; we want 900; the delta says so until it follows."""
    pump, token = await world.device("pump-7"), world.admin()
    await world.call("POST", "/devices/me/telemetry", token=pump, body={"temperature": 21.4})
    await world.call("POST", "/devices/me/properties/reported", token=pump, body={"rpm": 800})
    seen = await world.call("GET", "/devices/pump-7/twin", token=token)
    assert seen.json["telemetry"]["temperature"]["value"] == 21.4
    assert seen.json["reported"] == {"rpm": 800}
    wanted = await world.call(
        "PATCH",
        "/devices/pump-7/twin",
        token=token,
        body={"desired": {"rpm": 900}},
        headers={"if-match": seen.headers["etag"]},
    )
    assert (wanted.status, wanted.json["delta"]) == (200, {"rpm": 900})
    await world.call("POST", "/devices/me/properties/reported", token=pump, body={"rpm": 900})
    assert (await world.call("GET", "/devices/me/twin", token=pump)).json["delta"] == {}


async def test_no_wish_overrules_another_unseen(world: World) -> None:
    """Without a version: 428. With an old one: 412. With a star: over any."""
    await world.device("pump-7")
    token, path, body = world.admin(), "/devices/pump-7/twin", {"desired": {"rpm": 900}}
    assert (await world.call("PATCH", path, token=token, body=body)).status == 428
    for etag, status in (('"0"', 200), ('"0"', 412), ("*", 200)):
        answer = await world.call("PATCH", path, token=token, body=body, headers={"if-match": etag})
        assert answer.status == status

"""A map kept up to date: whole at first, then what has changed, until one may not look."""

from tests.api.support import OTHER, World
from tests.api.test_live import watching

from weft.security.actions import Role

PATH = "/fleet/live?zoom=12&every_s=0.5"


async def move(world: World, token: str, longitude: float) -> None:
    body = {"latitude": 51.0, "longitude": longitude}
    sent = await world.call("POST", "/devices/me/telemetry", token=token, body=body)
    assert sent.status == 200, sent


async def test_a_view_is_whole_at_first_and_then_what_has_changed(world: World) -> None:
    """A device that moves on is the same mark elsewhere; what is outside is not told."""
    truck, other = await world.device("truck-1"), await world.device("truck-2")
    await move(world, truck, 12.0)
    await move(world, other, 13.0)
    async with watching(world, world.admin(), PATH + "&east=14") as reader:
        first = (await reader.event())["data"]
        assert first["reset"]
        assert {mark["device_id"] for mark in first["set"]} == {"truck-1", "truck-2"}
        await move(world, truck, 12.5)
        second = (await reader.event())["data"]
        assert not second["reset"]
        assert [(one["key"], one["longitude"]) for one in second["set"]] == [
            ("device:truck-1", 12.5)
        ]
        await move(world, truck, 90.0)
        third = (await reader.event())["data"]
        assert (third["set"], third["gone"], third["devices"]) == ([], ["device:truck-1"], 1)


async def test_a_watcher_is_a_connection_like_any_other(world: World) -> None:
    """It is listed, counted, and can be cut; then it is told why, and forgotten."""
    token = world.admin()
    async with watching(world, token, PATH) as reader:
        await reader.event()
        (listed,) = (await world.call("GET", "/connections", token=token)).json["items"]
        cut = await world.call("DELETE", f"/connections/{listed['number']}", token=token)
        assert cut.status == 204
        assert (await reader.event())["event"] == "end"
    assert (await world.call("GET", "/connections", token=token)).json["items"] == []


async def test_who_loses_the_right_sees_no_more(world: World) -> None:
    """Between one frame and the next."""
    token = world.person("vera", Role.VIEWER)
    async with watching(world, token, PATH) as reader:
        assert (await reader.event())["data"]["reset"]
        world.person("vera")
        last = await reader.event()
        assert last["event"] == "end"
        assert "right" in last["data"]["reason"]


async def test_tn_1_another_tenants_devices_are_not_told(world: World) -> None:
    """Their map stays empty while ours moves."""
    truck = await world.device("truck-1")
    async with watching(world, world.admin(OTHER), PATH) as theirs:
        assert (await theirs.event())["data"]["devices"] == 0
        await move(world, truck, 12.0)
        async with watching(world, world.admin(), PATH) as ours:
            assert (await ours.event())["data"]["devices"] == 1
            await move(world, truck, 12.1)
            assert (await ours.event())["data"]["set"]
        told = [theirs.chunks.get_nowait() for _ in range(theirs.chunks.qsize())]
        assert not any(b"event:" in chunk for chunk in told)

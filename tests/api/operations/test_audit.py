"""The audit over the API: read, verified, and its head given away."""

from tests.api.support import OTHER, World


async def test_acts_are_listed_newest_first(world: World) -> None:
    """With who, what, from where, and under which request."""
    token = world.admin()
    made = await world.call("POST", "/devices", token=token, body={"device_id": "pump-7"})
    await world.call("DELETE", "/devices/pump-7", token=token)
    listed = await world.call("GET", "/audit?limit=2", token=token)
    assert [item["action"] for item in listed.json["items"]] == ["device.delete", "device.create"]
    created = listed.json["items"][1]
    assert (created["actor"], created["address"]) == ("admin", "127.0.0.1")
    assert created["request_id"] == made.headers["x-request-id"]
    chosen = await world.call("GET", "/audit?action=device.create", token=token)
    assert len(chosen.json["items"]) == 1
    both = await world.call("GET", "/audit?action=x&actor=y", token=token)
    assert both.status == 422
    assert (await world.call("GET", "/audit", token=world.admin(OTHER))).json["items"] == []


async def test_pages_go_back_in_time(world: World) -> None:
    """Descending, without a gap."""
    token = world.admin()
    for number in range(5):
        await world.call("POST", "/devices", token=token, body={"device_id": f"d-{number}"})
    first = (await world.call("GET", "/audit?limit=3", token=token)).json
    rest = (await world.call("GET", f"/audit?limit=3&cursor={first['next']}", token=token)).json
    numbers = [item["sequence"] for item in first["items"] + rest["items"]]
    assert numbers == [5, 4, 3, 2, 1]


async def test_a_head_kept_elsewhere_shows_a_truncation(world: World) -> None:
    """The chain by itself is whole; the head says that its end was cut off."""
    token = world.admin()
    for number in range(3):
        await world.call("POST", "/devices", token=token, body={"device_id": f"d-{number}"})
    head = (await world.call("GET", "/audit/head", token=token)).json
    known = {name: head[name] for name in ("sequence", "hash", "at", "signature")}
    whole = await world.call("POST", "/audit/verify", token=token, body=known)
    assert whole.json == {"intact": True, "records": 3, "first_bad": None, "reason": ""}
    rows = world.records._tables["audit", world.badges.known[token].principal.tenant]
    del rows[max(rows)]
    cut = await world.call("POST", "/audit/verify", token=token)
    assert cut.json["intact"] is False

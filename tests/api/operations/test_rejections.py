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


async def test_all_that_match_are_redriven_after_the_type_was_mended(world: World) -> None:
    """Oldest first, so many in a call; what is still wrong stays, and the report says so."""
    token = world.admin()
    number = {"type": "number"}
    await world.call("PUT", "/types/tank", token=token, body={"telemetry": {"level": number}})
    tank = await world.device("tank-1", type_name="tank")
    other = await world.device("pump-9")
    for body in (b'{"heat": 1}', b'{"heat": "x"}', b'{"heat": 2}', b'{"heat": 3}'):
        await world.call("POST", "/devices/me/telemetry", token=tank, body=body)
    await world.call("POST", "/devices/me/telemetry", token=other, body=b"{")
    mended = {"telemetry": {"level": number, "heat": number}}
    await world.call("PUT", "/types/tank", token=token, body=mended)
    path = "/rejections/redrive"
    asked = {"device": "tank-1", "limit": 3}
    first = await world.call("POST", path, token=token, body=asked)
    assert first.status == 200, first
    assert (first.json["redriven"], first.json["more"]) == (2, True)
    (refused,) = first.json["refused"]
    assert "Expected float, got str" in refused["detail"]
    second = await world.call("POST", path, token=token, body=asked | first_after(first.json))
    assert (second.json["redriven"], second.json["refused"], second.json["more"]) == (1, [], False)
    left = await world.call("GET", "/rejections", token=token)
    assert {item["device_id"] for item in left.json["items"]} == {"tank-1", "pump-9"}
    assert len(left.json["items"]) == 2


def first_after(report: dict[str, object]) -> dict[str, object]:
    return {"after": report["after"]}


async def test_a_code_chooses_too_and_nothing_chooses_all(world: World) -> None:
    await refused(world)
    token = world.admin()
    none = await world.call("POST", "/rejections/redrive", token=token, body={"code": "forbidden"})
    assert none.json == {"redriven": 0, "refused": [], "after": 0, "more": False}
    all_of_them = await world.call("POST", "/rejections/redrive", token=token)
    assert len(all_of_them.json["refused"]) == 1
    assert (await world.call("POST", "/rejections/redrive", body={})).status == 401


async def test_what_is_no_text_is_shown_as_base64(world: World) -> None:
    """With the content type that it came with."""
    pump = await world.device("pump-7")
    token = world.admin()
    headers = {"content-type": "application/cbor"}
    for body in (b"\xff\x00", b"text"):
        await world.call("POST", "/devices/me/telemetry", token=pump, body=body, headers=headers)
    second, first = (await world.call("GET", "/rejections", token=token)).json["items"]
    assert (first["payload_text"], first["payload_base64"]) == (None, "/wA=")
    assert (second["payload_text"], second["content_type"]) == ("text", "application/cbor")

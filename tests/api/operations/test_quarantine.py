"""Approving unknown devices over the API: seen, let in with what they said, or refused."""

from tests.api.support import OTHER, World

from weft.security.actions import Role


async def arrive(world: World, serial: str = "7") -> str:
    """A device of a batch that is not approved comes and speaks; return its token."""
    made = await world.call(
        "POST", "/claims", token=world.admin(), body={"name": "pumps", "count": 5}
    )
    asked = await world.call(
        "POST", "/provision", token=made.json["token"], body={"serial": serial, "label": "Hall 2"}
    )
    assert asked.json["lifecycle"] == "pending"
    token: str = asked.json["token"]
    for number in range(3):
        world.clock.turn(60)
        sent = await world.call(
            "POST", "/devices/me/telemetry", token=token, body={"temperature": 20 + number}
        )
        assert (sent.status, sent.json["code"]) == (409, "device_pending")
        assert "kept" in sent.json["detail"]
    return token


async def test_an_unknown_device_is_seen_and_let_in_with_what_it_said(world: World) -> None:
    """From the arrival to its history: nothing that it said while it waited is lost."""
    admin, token = world.admin(), await arrive(world)
    listed = await world.call("GET", "/quarantine", token=admin)
    assert [(one["device_id"], one["claim"]) for one in listed.json["items"]] == [("7", "pumps")]
    shown = (await world.call("GET", "/quarantine/7", token=admin)).json
    assert len(shown["messages"]) == 3
    assert shown["address"] == "127.0.0.1"
    assert shown["proposed_type"]["telemetry"]["temperature"]["unit"] == "Cel"
    assert (await world.call("GET", "/devices/7/twin", token=admin)).json["telemetry"] == {}

    body = {"type_name": "thermometer", "infer": True, "label": "Cold store"}
    done = await world.call("POST", "/quarantine/7/approve", token=admin, body=body)
    assert done.status == 200
    assert (done.json["redriven"], done.json["refused"]) == (3, [])
    assert done.json["device"]["lifecycle"] == "active"
    assert done.json["device"]["type_name"] == "thermometer"
    assert done.json["device"]["label"] == "Cold store"
    samples = await world.call("GET", "/devices/7/history?keys=temperature", token=admin)
    assert [one["value"] for one in samples.json["items"]] == [20, 21, 22]
    moments = {one["at"] for one in samples.json["items"]}
    assert len(moments) == 3  # each at its own
    sent = await world.call("POST", "/devices/me/telemetry", token=token, body={"temperature": 30})
    assert sent.status == 200
    assert (await world.call("GET", "/quarantine", token=admin)).json["items"] == []
    assert (await world.call("GET", "/rejections", token=admin)).json["items"] == []


async def test_what_the_chosen_type_refuses_is_in_the_report_and_in_the_inbox(
    world: World,
) -> None:
    """With the new reason; the device is let in all the same."""
    admin = world.admin()
    await arrive(world)
    document = {"telemetry": {"temperature": {"type": "number", "maximum": 21}}}
    body = {"type_name": "thermometer", "document": document}
    done = await world.call("POST", "/quarantine/7/approve", token=admin, body=body)
    assert done.json["redriven"] == 2
    assert [one["code"] for one in done.json["refused"]] == ["payload_invalid"]
    left = (await world.call("GET", "/rejections", token=admin)).json["items"]
    assert [one["code"] for one in left] == ["payload_invalid"]


async def test_pr_4_a_device_that_waits_has_no_right_but_to_be_heard(world: World) -> None:
    """It reads nothing, not even of itself, and asks for nothing."""
    token = await arrive(world)
    for method, path, body in (
        ("GET", "/devices/me", None),
        ("GET", "/devices/me/twin", None),
        ("GET", "/devices", None),
        ("POST", "/devices/8/telemetry", {"t": 1}),
    ):
        answer = await world.call(method, path, token=token, body=body)
        assert answer.status == 403, path


async def test_a_refused_device_is_out_for_good(world: World) -> None:
    """Its token, and its serial with the claim."""
    admin, token = world.admin(), await arrive(world)
    done = await world.call("POST", "/quarantine/7/refuse", token=admin)
    assert done.json["lifecycle"] == "revoked"
    sent = await world.call("POST", "/devices/me/telemetry", token=token, body={"t": 1})
    assert sent.status == 401
    assert (await world.call("POST", "/quarantine/7/refuse", token=admin)).status == 404
    assert (await world.call("POST", "/quarantine/7/approve", token=admin)).status == 404
    entries = (await world.call("GET", "/audit?target=device:7", token=admin)).json["items"]
    assert "device.move" in {one["action"] for one in entries}


async def test_a_type_that_is_there_is_not_written_over(world: World) -> None:
    """The proposal of one device must not change what others follow."""
    admin = world.admin()
    await arrive(world)
    await world.call(
        "PUT", "/types/pump", token=admin, body={"telemetry": {"a": {"type": "boolean"}}}
    )
    body = {"type_name": "pump", "infer": True}
    done = await world.call("POST", "/quarantine/7/approve", token=admin, body=body)
    assert done.status in (409, 412)
    nameless = await world.call("POST", "/quarantine/7/approve", token=admin, body={"infer": True})
    assert nameless.status == 422
    missing = {"type_name": "nothing"}
    done = await world.call("POST", "/quarantine/7/approve", token=admin, body=missing)
    assert done.status == 404
    assert len((await world.call("GET", "/quarantine", token=admin)).json["items"]) == 1


async def test_only_an_administrator_of_the_tenant_decides(world: World) -> None:
    """A viewer sees who waits; another tenant does not."""
    await arrive(world)
    viewer = world.person("vera", Role.VIEWER)
    assert (await world.call("GET", "/quarantine/7", token=viewer)).status == 200
    assert (await world.call("POST", "/quarantine/7/approve", token=viewer)).status == 403
    other = world.admin(OTHER)
    assert (await world.call("GET", "/quarantine/7", token=other)).status == 404
    assert (await world.call("POST", "/quarantine/7/approve", token=other)).status == 404
    assert (await world.call("GET", "/quarantine", token=other)).json["items"] == []

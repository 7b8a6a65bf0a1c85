"""Claims and provisioning over the API: what a factory, a device and an owner see."""

from tests.api.support import OTHER, World

NEW = {"name": "pumps", "count": 2, "prefix": "pump-", "approve": True}


async def test_a_batch_from_the_claim_to_the_first_message(world: World) -> None:
    """The owner makes a claim; a device asks with it and speaks as itself."""
    admin = world.admin()
    made = await world.call("POST", "/claims", token=admin, body=NEW)
    assert made.status == 201
    claim, token = made.json["claim"], made.json["token"]
    asked = await world.call("POST", "/provision", token=token, body={"serial": "1"})
    assert asked.status == 201
    assert asked.json["device_id"] == "pump-1"
    sent = await world.call(
        "POST", "/devices/me/telemetry", token=asked.json["token"], body={"t": 1}
    )
    assert sent.status == 200
    shown = await world.call("GET", f"/claims/{claim['claim_id']}", token=admin)
    assert shown.json["used"] == 1
    assert [one["accepted"] for one in shown.json["attempts"]] == [True]
    listed = await world.call("GET", "/claims", token=admin)
    assert [one["name"] for one in listed.json["items"]] == ["pumps"]
    for answer in (shown, listed):
        assert token not in answer.content.decode()
        assert "digest" not in answer.content.decode()


async def test_pr_1_a_claim_is_no_way_into_anything_else(world: World) -> None:
    """Every other operation does not know it."""
    made = await world.call("POST", "/claims", token=world.admin(), body=NEW)
    token = made.json["token"]
    for method, path in (("GET", "/devices"), ("POST", "/devices"), ("GET", "/whoami")):
        assert (await world.call(method, path, token=token)).status == 401


async def test_a_device_of_the_batch_asks_for_a_pre_shared_key(world: World) -> None:
    """Identity and key are in the answer, this once; no list and no record shows the key."""
    admin = world.admin()
    made = await world.call("POST", "/claims", token=admin, body=NEW)
    asked = await world.call(
        "POST", "/provision", token=made.json["token"], body={"serial": "1", "want": "psk"}
    )
    assert asked.status == 201
    name, key = asked.json["psk_identity"], asked.json["psk_key"]
    assert world.preshared.find(name).key == key.encode()
    for path in ("/devices/pump-1/credentials", "/audit", "/devices/pump-1"):
        shown = await world.call("GET", path, token=admin)
        assert shown.status == 200
        assert key not in shown.content.decode()
    wrong = await world.call(
        "POST", "/provision", token=made.json["token"], body={"serial": "2", "want": "other"}
    )
    assert wrong.status in {400, 422}


async def test_a_refusal_says_little_to_the_peer_and_all_to_the_owner(world: World) -> None:
    """Beyond the count and after the end, in the same words."""
    admin = world.admin()
    made = await world.call("POST", "/claims", token=admin, body={**NEW, "count": 1})
    token, path = made.json["token"], f"/claims/{made.json['claim']['claim_id']}"
    await world.call("POST", "/provision", token=token, body={"serial": "1"})
    over = await world.call("POST", "/provision", token=token, body={"serial": "2"})
    again = await world.call("POST", "/provision", token=token, body={"serial": "1"})
    assert (await world.call("POST", f"{path}/revoke", token=admin)).status == 200
    ended = await world.call("POST", "/provision", token=token, body={"serial": "3"})
    assert (over.status, again.status, ended.status) == (403, 409, 403)
    assert over.json["detail"] == ended.json["detail"]
    shown = await world.call("GET", path, token=admin)
    reasons = " ".join(one["reason"] for one in shown.json["attempts"])
    assert "used up" in reasons
    assert "revoked" in reasons
    assert (await world.call("DELETE", path, token=admin)).status == 204
    assert (await world.call("GET", path, token=admin)).status == 404


async def test_a_device_that_lost_its_secret_is_let_in_again(world: World) -> None:
    """By an administrator's word."""
    admin = world.admin()
    made = await world.call("POST", "/claims", token=admin, body=NEW)
    token = made.json["token"]
    await world.call("POST", "/provision", token=token, body={"serial": "1"})
    path = "/devices/pump-1/provision-again"
    assert (await world.call("POST", path, token=world.admin(OTHER))).status == 404
    assert (await world.call("POST", path, token=admin)).status == 200
    asked = await world.call("POST", "/provision", token=token, body={"serial": "1"})
    assert asked.status == 201


async def test_without_a_claim_nothing_is_provisioned(world: World) -> None:
    """Neither without a token nor with somebody's own."""
    body = {"serial": "1"}
    assert (await world.call("POST", "/provision", body=body)).status == 401
    assert (await world.call("POST", "/provision", token=world.admin(), body=body)).status == 401


async def test_another_tenants_claim_is_not_there(world: World) -> None:
    """Neither shown nor ended."""
    made = await world.call("POST", "/claims", token=world.admin(), body=NEW)
    path, other = f"/claims/{made.json['claim']['claim_id']}", world.admin(OTHER)
    assert (await world.call("GET", path, token=other)).status == 404
    assert (await world.call("POST", f"{path}/revoke", token=other)).status == 404
    assert (await world.call("DELETE", path, token=other)).status == 404
    assert (await world.call("GET", "/claims", token=other)).json["items"] == []

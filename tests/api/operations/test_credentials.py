"""Credentials of devices over the API."""

from tests.api.support import OTHER, World


async def test_a_secret_is_issued_listed_and_revoked(world: World) -> None:
    """It works until it is revoked, and is shown in one answer only."""
    await world.device("pump-7")
    token, path = world.admin(), "/devices/pump-7/credentials"
    made = await world.call("POST", path, token=token, body={"label": "second"})
    secret = made.json["token"]
    assert secret in made.json["snippets"]["curl"]
    assert (await world.call("GET", "/whoami", token=secret)).status == 200
    listed = await world.call("GET", path, token=token)
    assert len(listed.json["items"]) == 2
    assert secret not in listed.content.decode()
    credential_id = made.json["credential"]["credential_id"]
    assert (await world.call("DELETE", f"{path}/{credential_id}", token=token)).status == 204
    assert (await world.call("GET", "/whoami", token=secret)).status == 401
    assert (await world.call("DELETE", f"{path}/none", token=token)).status == 404


async def test_a_certificate_comes_with_its_key_and_authority(world: World) -> None:
    """Or without the key, when the device keeps its own."""
    await world.device("pump-7")
    token, path = world.admin(), "/devices/pump-7/credentials"
    made = await world.call("POST", path, token=token, body={"kind": "certificate"})
    assert "PRIVATE KEY" in made.json["private_key_pem"]
    assert made.json["token"] is None
    wrong = {"kind": "certificate", "life_s": 5}
    assert (await world.call("POST", path, token=token, body=wrong)).status == 422
    wrong = {"kind": "secret", "request_pem": "x"}
    assert (await world.call("POST", path, token=token, body=wrong)).status == 422


async def test_another_tenants_device_gets_none(world: World) -> None:
    """404 for issue, list and revoke (TN-1)."""
    await world.device("pump-7", tenant=OTHER)
    token, path = world.admin(), "/devices/pump-7/credentials"
    assert (await world.call("POST", path, token=token, body={})).status == 404
    assert (await world.call("GET", path, token=token)).status == 404
    assert (await world.call("DELETE", f"{path}/x", token=token)).status == 404


async def test_a_pre_shared_key_is_shown_once_with_its_name(world: World) -> None:
    """The list tells that there is one, and not the key."""
    await world.device("meter-1")
    token, path = world.admin(), "/devices/meter-1/credentials"
    made = await world.call("POST", path, token=token, body={"kind": "psk", "life_s": 3600})
    assert made.status == 201
    key, name = made.json["psk_key"], made.json["psk_identity"]
    assert len(key) == 32
    assert f"-u {name} -k {key}" in made.json["snippets"]["coap"]
    assert made.json["snippets"]["mosquitto"] == ""
    listed = await world.call("GET", path, token=token)
    assert "psk" in {item["kind"] for item in listed.json["items"]}
    assert key not in listed.content.decode()
    wrong = {"kind": "psk", "request_pem": "x"}
    assert (await world.call("POST", path, token=token, body=wrong)).status == 422
    assert (await world.call("DELETE", f"{path}/{name}", token=token)).status == 204

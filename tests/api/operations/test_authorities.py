from cryptography.hazmat.primitives.asymmetric import ec
from tests.api.support import OTHER, World
from tests.security.customer_ca import CustomerCa

from weft.security.certificates import pem_of


async def test_pr_4_an_authority_is_registered_proven_disabled_and_deleted(world: World) -> None:
    """The nonce is shown until it is used."""
    admin, acme = world.admin(), CustomerCa(at_s=world.clock.now() / 1e9)
    body = {"certificate_pem": acme.pem, "label": "Acme"}
    made = await world.call("POST", "/authorities", token=admin, body=body)
    assert made.status == 201, made
    path = f"/authorities/{made.json['authority_id']}"
    for pem, status in ((acme.pem, 422), (acme.proof(made.json["nonce"]), 200)):
        proof = await world.call(
            "POST", f"{path}/proof", token=admin, body={"certificate_pem": pem}
        )
        assert proof.status == status, proof
    assert (proof.json["status"], proof.json["nonce"]) == ("active", None)
    off = await world.call("PATCH", path, token=admin, body={"enabled": False})
    assert off.json["status"] == "disabled"
    listed = await world.call("GET", "/authorities", token=admin)
    assert [one["label"] for one in listed.json["items"]] == ["Acme"]
    assert (await world.call("GET", path, token=world.admin(OTHER))).status == 404
    assert (await world.call("DELETE", path, token=admin)).status == 204
    assert (await world.call("GET", path, token=admin)).status == 404


async def test_a_type_that_is_not_there_is_said_at_once(world: World) -> None:
    """Not at the first contact of a device in the field."""
    acme = CustomerCa(at_s=world.clock.now() / 1e9)
    body = {"certificate_pem": acme.pem, "type_name": "nothing"}
    assert (await world.call("POST", "/authorities", token=world.admin(), body=body)).status == 404


async def test_a_certificate_is_bound_to_a_device(world: World) -> None:
    """And listed as a credential of it."""
    admin, acme = world.admin(), CustomerCa(at_s=world.clock.now() / 1e9)
    await world.device("gate-1")
    made = await world.call("POST", "/authorities", token=admin, body={"certificate_pem": acme.pem})
    path = f"/authorities/{made.json['authority_id']}/proof"
    body = {"certificate_pem": acme.proof(made.json["nonce"])}
    assert (await world.call("POST", path, token=admin, body=body)).status == 200
    path = "/devices/gate-1/credentials/certificate"
    key = ec.generate_private_key(ec.SECP256R1())
    pem, request = pem_of(acme.sign("x", key)), acme.request("gate-1", key)
    for body, status in (
        ({"certificate_pem": "x"}, 422),
        ({"certificate_pem": pem}, 422),  # nobody has shown to hold its key
        ({"certificate_pem": pem, "request_pem": request}, 201),
    ):
        bound = await world.call("POST", path, token=admin, body=body)
        assert bound.status == status, bound
    listed = await world.call("GET", "/devices/gate-1/credentials", token=admin)
    assert bound.json in listed.json["items"]

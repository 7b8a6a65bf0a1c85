import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.api.support import MAIN, Answer, World
from tests.security.test_certificates import request_for

from weft.security.certificates import read_certificate, uri_of

DAY_S = 86_400
PKCS10 = {"content-type": "application/pkcs10"}


def fresh() -> bytes:
    return request_for(ec.generate_private_key(ec.SECP256R1())).encode()


def der_of(pem: str) -> bytes:
    """The DER of the first certificate in a chain."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(serialization.Encoding.DER)


async def token_for(world: World, name: str = "pump-7") -> str:
    admin = world.admin()
    await world.call("POST", "/devices", token=admin, body={"device_id": name})
    answer = await world.call("POST", f"/devices/{name}/enrolment", token=admin)
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    return str(answer.json["token"])


async def enrol(world: World, token: str | None, request: bytes, **headers: str) -> Answer:
    return await world.call("POST", "/enrol", token=token, body=request, headers=PKCS10 | headers)


async def test_pr_2_a_device_enrols_with_its_token_and_its_own_key(world: World) -> None:
    """JSON for programs; the chain alone for who asks for it."""
    token = await token_for(world)
    answer = await enrol(world, token, fresh())
    assert answer.status == 200, answer
    device = world.devices.get(MAIN, "pump-7")
    presented = read_certificate(der_of(answer.json["certificate_pem"]))
    assert presented.uri == uri_of(MAIN, device.uid)
    assert answer.json["device_id"] == "pump-7"
    assert answer.json["certificate_pem"].count("BEGIN") == 2
    other = await token_for(world, "pump-8")
    pem = await enrol(world, other, fresh(), accept="application/x-pem-file")
    assert pem.content.startswith(b"-----BEGIN CERTIFICATE-----")


async def test_pr_2_a_token_is_used_once_and_a_bad_request_does_not_use_it(world: World) -> None:
    """400 says what is wrong, then the same token works, then never again."""
    token = await token_for(world)
    bad = await enrol(world, token, b"nothing")
    assert (bad.status, bad.json["code"]) == (400, "signing_request_invalid")
    assert (await enrol(world, token, fresh())).status == 200
    assert (await enrol(world, token, fresh())).status == 401


def _forged() -> bytes:
    request = x509.load_pem_x509_csr(fresh()).public_bytes(serialization.Encoding.DER)
    der = bytearray(request)
    der[-3] ^= 1
    return bytes(der)


def _another_devices() -> bytes:
    name = x509.UniformResourceIdentifier(uri_of(MAIN, "another"))
    key = ec.generate_private_key(ec.SECP256R1())
    return request_for(key, x509.SubjectAlternativeName([name])).encode()


def _authoritys() -> bytes:
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    return request_for(ec.generate_private_key(ec.SECP256R1()), constraints).encode()


async def test_pr_2_what_must_not_be_signed_is_a_400_over_rest(world: World) -> None:
    """As over EST: another key's signature, a weak key, another device's name, an authority.

    Each says which it was, and the token stays good.
    """
    token = await token_for(world)
    weak = request_for(rsa.generate_private_key(65_537, 1024)).encode()
    for request, word in (
        (_forged(), "signature"),
        (weak, "weak"),
        (_another_devices(), "another device"),
        (_authoritys(), "authority"),
    ):
        answer = await enrol(world, token, request)
        assert (answer.status, answer.json["code"]) == (400, "signing_request_invalid"), word
        assert word in answer.json["detail"]
        assert answer.json["remedy"]
    assert (await enrol(world, token, fresh())).status == 200


async def test_id_2_a_bound_key_is_a_409(world: World) -> None:
    """Whose it is, is not said."""
    request = fresh()
    assert (await enrol(world, await token_for(world), request)).status == 200
    answer = await enrol(world, await token_for(world, "pump-8"), request)
    assert (answer.status, answer.json["code"]) == (409, "already_exists")
    assert "pump-7" not in answer.content.decode()


async def test_au_1_enrolment_needs_a_token(world: World) -> None:
    """None, noise, a device's secret, an administrator's access token."""
    secret = await world.device("pump-9")
    for token in (None, "x", secret, world.admin()):
        assert (await enrol(world, token, fresh())).status == 401


async def test_a_cancelled_token_is_nothing(world: World) -> None:
    """It was sent to the wrong site."""
    token = await token_for(world)
    answer = await world.call("DELETE", "/devices/pump-7/enrolment", token=world.admin())
    assert answer.status == 204
    assert (await enrol(world, token, fresh())).status == 401


async def test_az_1_a_device_makes_no_tokens(world: World) -> None:
    """Neither for itself nor for others."""
    secret = await world.device("pump-7")
    for name in ("pump-7", "me"):
        answer = await world.call("POST", f"/devices/{name}/enrolment", token=secret)
        assert answer.status == 403


async def test_rv_3_a_device_renews_its_certificate_itself(world: World) -> None:
    """In its last third, by the certificate; an operator is sent to rotation."""
    answer = await enrol(world, await token_for(world), fresh())
    der = der_of(answer.json["certificate_pem"])

    async def renew(**more: object) -> Answer:
        return await world.call(
            "POST",
            "/devices/pump-7/renewal",
            body=fresh(),
            headers=PKCS10,
            **more,  # type: ignore[arg-type]
        )

    assert (await renew(certificate=der)).json["code"] == "renewal_too_early"
    assert (await renew(token=world.admin())).status == 403
    world.clock.turn(61 * DAY_S)
    renewed = await renew(certificate=der)
    assert renewed.status == 200
    again = der_of(renewed.json["certificate_pem"])
    shown = await world.call("GET", "/devices/me", certificate=again)
    assert shown.status == 200


@pytest.mark.parametrize("kind", ["secret", "certificate", "psk"])
async def test_rv_3_a_rotation_shows_the_new_and_lists_both(world: World, kind: str) -> None:
    """Until the grace is over the old one is good; the list shows when it ends."""
    secret = await world.device("pump-7")
    answer = await world.call(
        "POST",
        "/devices/pump-7/credentials/rotation",
        token=world.admin(),
        body={"kind": kind, "grace_s": 60},
    )
    assert answer.status == 201, answer
    assert (answer.json["token"] is None) == (kind != "secret")
    assert (answer.json["psk_key"] is not None) == (kind == "psk")
    listed = await world.call("GET", "/devices/pump-7/credentials", token=world.admin())
    assert len(listed.json["items"]) == 2
    assert all(one["revoked_at"] is None for one in listed.json["items"])
    assert (await world.call("GET", "/devices/me", token=secret)).status == 200
    world.clock.turn(60)
    assert (await world.call("GET", "/devices/me", token=secret)).status == 401


async def test_a_rotation_of_what_is_not_there_changes_nothing(world: World) -> None:
    """A wrong id, and a request that does not fit."""
    await world.device("pump-7")
    for body, status in (
        ({"credential_id": "nobody"}, 404),
        ({"kind": "secret", "request_pem": "x"}, 422),
        ({"kind": "certificate", "request_pem": "x"}, 400),
        ({"kind": "psk", "request_pem": "x"}, 422),
    ):
        answer = await world.call(
            "POST", "/devices/pump-7/credentials/rotation", token=world.admin(), body=body
        )
        assert answer.status == status, answer
    listed = await world.call("GET", "/devices/pump-7/credentials", token=world.admin())
    assert len(listed.json["items"]) == 1

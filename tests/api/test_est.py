import base64
from collections.abc import MutableMapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from tests.api.support import MAIN, Answer, World, scope_of
from tests.security.test_certificates import request_for

from weft.api.est import Est
from weft.security.certificates import read_certificate, uri_of

DAY_S = 86_400


def request_in_base64(key: object | None = None, *extensions: x509.ExtensionType) -> bytes:
    pem = request_for(key or ec.generate_private_key(ec.SECP256R1()), *extensions)
    der = x509.load_pem_x509_csr(pem.encode()).public_bytes(serialization.Encoding.DER)
    return base64.encodebytes(der)


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def ask(
    world: World,
    method: str,
    operation: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    certificate: bytes | None = None,
) -> Answer:
    """Ask EST in front of the world's application."""
    scope = scope_of(method, "/api/x", headers or {}, certificate)
    scope["raw_path"] = f"/.well-known/est/{operation}".encode()
    sent: list[MutableMapping[str, Any]] = []
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await Est(world.services, world.application, world.settings)(scope, receive, send)
    received = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], received, b"".join(one.get("body", b"") for one in sent[1:]))


def certificates_in(answer: Answer) -> list[x509.Certificate]:
    """Read a certs-only answer, as RFC 7030 wants it."""
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert answer.headers["content-transfer-encoding"] == "base64"
    return pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer.content))


async def token_for(world: World, name: str = "pump-7", **more: Any) -> str:
    """Make a device and an enrolment token for it."""
    admin = world.admin()
    made = await world.call("POST", "/devices", token=admin, body={"device_id": name} | more)
    assert made.status == 201, made
    answer = await world.call("POST", f"/devices/{name}/enrolment", token=admin)
    assert answer.status == 201, answer
    return str(answer.json["token"])


async def test_the_authoritys_certificates_are_there_for_everybody(world: World) -> None:
    """A device reads them before it has anything to prove [RFC 7030 4.1]."""
    root, intermediate = certificates_in(await ask(world, "GET", "cacerts"))
    assert root.issuer == root.subject
    intermediate.verify_directly_issued_by(root)
    attributes = await ask(world, "GET", "csrattrs")
    assert attributes.headers["content-type"] == "application/csrattrs"
    assert base64.b64decode(attributes.content)[0] == 0x30


async def test_pr_2_a_device_enrols_and_enrols_again_with_its_certificate(world: World) -> None:
    """Its token once; two months later its certificate, for a new key."""
    token = await token_for(world)
    answer = await ask(
        world,
        "POST",
        "simpleenroll",
        body=request_in_base64(),
        headers=basic("pump-7", token),
    )
    (first,) = certificates_in(answer)
    der = first.public_bytes(serialization.Encoding.DER)
    device = world.devices.get(MAIN, "pump-7")
    assert read_certificate(der).uri == uri_of("main", device.uid)
    again = await ask(
        world, "POST", "simpleenroll", body=request_in_base64(), headers=basic("pump-7", token)
    )
    assert again.status == 401

    early = await ask(world, "POST", "simplereenroll", body=request_in_base64(), certificate=der)
    assert (early.status, early.json["code"]) == (409, "renewal_too_early")
    world.clock.turn(61 * DAY_S)
    answer = await ask(world, "POST", "simplereenroll", body=request_in_base64(), certificate=der)
    (second,) = certificates_in(answer)
    assert second.public_key() != first.public_key()
    for one in (first, second):
        assert world.authenticator.by_certificate(
            one.public_bytes(serialization.Encoding.DER), "192.0.2.7:1"
        )


async def test_a_devices_secret_does_as_well_for_the_first_certificate(world: World) -> None:
    """A device that has a secret moves over to a certificate by itself."""
    secret = await world.device("pump-7")
    headers = basic("pump-7", secret)
    answer = await ask(world, "POST", "simpleenroll", body=request_in_base64(), headers=headers)
    assert len(certificates_in(answer)) == 1


async def test_pr_2_a_bad_request_is_a_400_and_the_token_stays_good(world: World) -> None:
    """A weak key, an authority, another device's name, another key's signature, and noise."""
    token = await token_for(world)
    broken = bytearray(base64.b64decode(request_in_base64()))
    broken[-3] ^= 1
    for body in (
        request_in_base64(rsa.generate_private_key(65_537, 1024)),
        request_in_base64(None, x509.BasicConstraints(ca=True, path_length=None)),
        request_in_base64(
            None,
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier("urn:weft:main:device:another")]
            ),
        ),
        base64.b64encode(bytes(broken)),
        b"!",
        b"",
        b"\x30\x82\xff",
    ):
        answer = await ask(world, "POST", "simpleenroll", body=body, headers=basic("pump-7", token))
        assert answer.status == 400, (body, answer)
        assert answer.json["remedy"]
    good = await ask(
        world, "POST", "simpleenroll", body=request_in_base64(), headers=basic("pump-7", token)
    )
    assert good.status == 200


async def test_a_pending_device_is_asked_to_come_again(world: World) -> None:
    """202 with Retry-After [RFC 7030 4.2.3]; once let in, the same token works."""
    token = await token_for(world, lifecycle="pending")
    headers = basic("pump-7", token)
    answer = await ask(world, "POST", "simpleenroll", body=request_in_base64(), headers=headers)
    assert (answer.status, answer.headers["retry-after"]) == (202, "60")
    moved = await world.call(
        "POST", "/devices/pump-7/lifecycle", token=world.admin(), body={"to": "active"}
    )
    assert moved.status == 200
    answer = await ask(world, "POST", "simpleenroll", body=request_in_base64(), headers=headers)
    assert answer.status == 200


async def test_pr_4_a_device_that_came_by_a_claim_is_asked_to_come_again(world: World) -> None:
    """Its secret is good and it waits: 202 too, and a certificate once it is let in."""
    admin = world.admin()
    claim = await world.call("POST", "/claims", token=admin, body={"name": "pumps", "count": 1})
    made = await world.call(
        "POST", "/provision", token=claim.json["token"], body={"serial": "pump-7"}
    )
    headers = basic(made.json["device_id"], made.json["token"])
    answer = await ask(world, "POST", "simpleenroll", body=request_in_base64(), headers=headers)
    assert (answer.status, answer.headers["retry-after"]) == (202, "60")
    assert answer.json["code"] == "device_pending"
    done = await world.call(
        "POST", f"/quarantine/{made.json['device_id']}/approve", token=admin, body={}
    )
    assert done.status == 200, done
    answer = await ask(world, "POST", "simpleenroll", body=request_in_base64(), headers=headers)
    assert len(certificates_in(answer)) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer x"},
        {"authorization": "Basic !"},
        {"authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        basic("pump-7", "wrong"),
        basic("", ""),
    ],
)
async def test_au_1_a_stranger_is_asked_for_a_password(
    world: World, headers: dict[str, str]
) -> None:
    """Before the signing request is even read."""
    await token_for(world)
    answer = await ask(world, "POST", "simpleenroll", headers=headers)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_a_token_under_another_devices_name_is_refused(world: World) -> None:
    """The name is checked, though the token alone says who it is."""
    token = await token_for(world)
    await world.device("pump-8")
    headers = basic("pump-8", token)
    answer = await ask(world, "POST", "simpleenroll", body=request_in_base64(), headers=headers)
    assert answer.status == 401


async def test_a_renewal_needs_the_certificate(world: World) -> None:
    """A password does not do [RFC 7030 3.3.2]."""
    secret = await world.device("pump-7")
    headers = basic("pump-7", secret)
    answer = await ask(world, "POST", "simplereenroll", body=request_in_base64(), headers=headers)
    assert answer.status == 401


async def test_what_est_does_not_have_is_said(world: World) -> None:
    """Another method, another path; and all other paths are the API's."""
    assert (await ask(world, "GET", "simpleenroll")).headers["allow"] == "POST"
    assert (await ask(world, "POST", "serverkeygen")).status == 404
    assert (await ask(world, "POST", "simpleenroll", body=b"x" * 100_000)).status == 401
    token = await token_for(world)
    large = await ask(
        world, "POST", "simpleenroll", body=b"x" * 100_000, headers=basic("pump-7", token)
    )
    assert large.status == 413

"""Provisioning over CoAP: a claim's key opens it and nothing else, and ends with its claim."""

import asyncio

import cbor2
import msgspec
import pytest
from OpenSSL import SSL
from tests.interop.support import OPERATOR
from tests.transports.coap.support import House, Peer, SecurePeer, option_of, problem_in, uint
from tests.transports.dtls.support import key_context

from weft.app.compose import MAIN
from weft.errors import Invalid, TooLarge
from weft.model.ids import DeviceId
from weft.registry.claims import IssuedClaim, NewClaim
from weft.security.claim_keys import identity_of
from weft.security.machine_secrets import derive_preshared, derive_secret, parse_secret
from weft.transports.coap.answers import UnsupportedFormat
from weft.transports.coap.provisioning import PAYLOAD_MAX_BYTES, read_request
from weft.wire.coap.codes import Code
from weft.wire.coap.options import Option

PROVISION = "api/v1/provision"
ASKED = b'{"serial":"0042","want":"psk"}'
CBOR = uint(Option.CONTENT_FORMAT, 60)
AS_CBOR = uint(Option.ACCEPT, 60)


async def claim(house: House, count: int = 5, *, group: bool = False) -> IssuedClaim:
    """A claim of a batch whose devices are let in at once."""
    new = NewClaim("batch", count, prefix="pump-", approve=True, group=group)
    return await house.weft.identity.claims.create(OPERATOR, new)


async def visitor(house: House, issued: IssuedClaim, serial: str = "") -> SecurePeer:
    """A fresh device that has shaken hands with its claim's key."""
    secret = parse_secret(issued.token)
    assert secret is not None
    own = derive_secret(secret, serial) if serial else secret
    name = identity_of(issued.claim.claim_id, serial)
    return await SecurePeer.shake(house.coaps_port, key_context(name, derive_preshared(own)))


@pytest.mark.parametrize("group", [False, True])
async def test_pr_1_a_fresh_device_gets_its_own_key_and_speaks(house: House, group: bool) -> None:
    """From the key that the factory gave it to telemetry in its own name."""
    issued = await claim(house, group=group)
    peer = await visitor(house, issued, "0042" if group else "")
    answer = await peer.ask(Code.POST, PROVISION, ASKED)
    assert answer.code == Code.CREATED
    given = msgspec.json.decode(answer.payload)
    assert given["device_id"] == "pump-0042"
    peer.close()
    own = key_context(given["psk_identity"], given["psk_key"])
    device = await SecurePeer.shake(house.coaps_port, own)
    sent = await device.ask(Code.POST, "api/v1/devices/me/telemetry", b'{"rpm":5}')
    assert sent.code == Code.CHANGED
    assert house.weft.path.twins.get(MAIN, DeviceId("pump-0042")).telemetry["rpm"].value == 5
    device.close()


@pytest.mark.parametrize(
    ("code", "path", "options"),
    [
        (Code.POST, "api/v1/devices/me/telemetry", ()),
        (Code.POST, "api/v1/devices/pump-7/telemetry", ()),
        (Code.GET, "api/v1/devices/me/properties/desired", (uint(Option.OBSERVE, 0),)),
        (Code.GET, "api/v1/devices/pump-7/commands", ()),
        (Code.GET, ".well-known/core", ()),
        (Code.POST, "api/v1/telemetry", ()),
        (Code.GET, "api/v1/attributes", ()),
        (Code.POST, "api/v1/claim", ()),
        (Code.GET, "no/such/path", ()),
    ],
)
async def test_pr_1_everything_else_is_refused(
    house: House, code: Code, path: str, options: tuple[tuple[int, bytes], ...]
) -> None:
    """4.03 with what to do instead; the claim's owner reads that it was tried."""
    await house.device("pump-7")
    issued = await claim(house)
    peer = await visitor(house, issued)
    payload = b'{"rpm":5}' if code == Code.POST else b""
    answer = await peer.ask(code, path, payload, options)
    assert answer.code == Code.FORBIDDEN
    assert "/api/v1/provision" in problem_in(answer)[-2]
    assert await house.payloads() == []
    attempts = house.weft.identity.provisioning.attempts(issued.claim)
    assert "provisioning alone" in attempts[0].reason
    assert (await peer.ask(Code.POST, PROVISION, ASKED)).code == Code.CREATED
    peer.close()


async def test_pr_1_a_devices_token_opens_nothing_over_a_claims_key(house: House) -> None:
    """Neither in the path nor in the query: who it is would be in doubt."""
    account = await house.add_device("pump-8")
    peer = await visitor(house, await claim(house))
    in_path = await peer.ask(Code.POST, f"api/v1/{account.token}/telemetry", b'{"rpm":1}')
    peer.token = account.token
    in_query = await peer.ask(Code.POST, "api/v1/devices/me/telemetry", b'{"rpm":1}')
    at_provision = await peer.ask(Code.POST, PROVISION, ASKED)
    assert (in_path.code, in_query.code) == (Code.FORBIDDEN, Code.FORBIDDEN)
    assert at_provision.code == Code.BAD_REQUEST
    assert await house.payloads() == []
    peer.close()


async def test_pr_1_a_visit_ends_with_its_claim(house: House) -> None:
    """The session is told good-bye, and the key shakes no hand any more."""
    issued = await claim(house)
    peer = await visitor(house, issued)
    assert len(house.weft._coap[1]._visits) == 1
    await house.weft.identity.claims.revoke(OPERATOR, issued.claim.claim_id)
    refused = await peer.ask(Code.POST, PROVISION, ASKED)
    assert refused.code == Code.FORBIDDEN
    async with asyncio.timeout(20):
        with pytest.raises(SSL.ZeroReturnError):
            await peer.read()
    assert len(house.weft._coap[1]._visits) == 0
    assert house.weft.identity.devices.find(MAIN, DeviceId("pump-0042")) is None
    with pytest.raises(SSL.Error):
        await visitor(house, issued)
    peer.close()


async def test_pr_1_the_count_holds_over_dtls(house: House) -> None:
    """One more than there are places for is refused, as over HTTP; so is the same serial."""
    peer = await visitor(house, await claim(house, 1))
    assert (await peer.ask(Code.POST, PROVISION, ASKED)).code == Code.CREATED
    again = await peer.ask(Code.POST, PROVISION, ASKED)
    over = await peer.ask(Code.POST, PROVISION, b'{"serial":"0043","want":"psk"}')
    assert (again.code, over.code) == (Code.CONFLICT, Code.FORBIDDEN)
    peer.close()


async def test_pr_1_a_groups_key_is_good_for_its_serial_alone(house: House) -> None:
    """Read out of one device it is that device's; the owner reads whose it was."""
    issued = await claim(house, group=True)
    peer = await visitor(house, issued, "0041")
    assert (await peer.ask(Code.POST, PROVISION, ASKED)).code == Code.FORBIDDEN
    reasons = [one.reason for one in house.weft.identity.provisioning.attempts(issued.claim)]
    assert "serial 0041" in reasons[0]
    peer.close()


async def test_words_in_cbor_and_an_answer_in_cbor(house: House) -> None:
    """For a device without a JSON reader."""
    peer = await visitor(house, await claim(house))
    said = cbor2.dumps({"serial": "0042", "want": "psk"})
    answer = await peer.ask(Code.POST, PROVISION, said, (CBOR, AS_CBOR))
    assert (answer.code, option_of(answer, Option.CONTENT_FORMAT)) == (Code.CREATED, 60)
    assert cbor2.loads(answer.payload)["device_id"] == "pump-0042"
    peer.close()


async def test_an_answer_that_could_not_be_written_makes_no_device(house: House) -> None:
    """Otherwise the serial would be spent on it."""
    peer = await visitor(house, await claim(house))
    answer = await peer.ask(Code.POST, PROVISION, ASKED, (uint(Option.ACCEPT, 40),))
    assert answer.code == Code.NOT_ACCEPTABLE
    assert (await peer.ask(Code.GET, PROVISION)).code == Code.METHOD_NOT_ALLOWED
    assert (await peer.ask(Code.POST, PROVISION, b"{}")).code == Code.BAD_REQUEST
    assert house.weft.identity.devices.find(MAIN, DeviceId("pump-0042")) is None
    peer.close()


async def test_in_the_clear_the_claim_stands_in_the_query(house: House) -> None:
    """On the loopback interface, as a device's token does there."""
    issued = await claim(house)
    peer = await Peer.dial(house.coap_port, issued.token)
    answer = await peer.ask(Code.POST, PROVISION, ASKED)
    assert answer.code == Code.CREATED
    assert msgspec.json.decode(answer.payload)["psk_key"]
    stranger = await Peer.dial(house.coap_port, "weft_nothing")
    assert (await stranger.ask(Code.POST, PROVISION, ASKED)).code == Code.UNAUTHORIZED
    for one in (peer, stranger):
        one.close()


def test_what_cannot_be_read_is_told() -> None:
    """By its place, its size or its format."""
    with pytest.raises(Invalid, match="serial"):
        read_request(b"{}", 50)
    with pytest.raises(Invalid):
        read_request(b"{", None)
    with pytest.raises(Invalid, match="want"):
        read_request(cbor2.dumps({"serial": "1", "want": 7}), 60)
    with pytest.raises(TooLarge):
        read_request(b" " * (PAYLOAD_MAX_BYTES + 1), None)
    with pytest.raises(UnsupportedFormat):
        read_request(b"{}", 42)

"""ThingsBoard's device API over CoAP, as its devices send it."""

import asyncio

import msgspec
import pytest
from tests.interop.support import OPERATOR, until
from tests.transports.coap.support import House, Peer, option_of, uint

from weft.app.compose import MAIN
from weft.model.ids import DeviceId
from weft.registry.claims import IssuedClaim, NewClaim
from weft.transports.coap.thingsboard import token_of
from weft.wire.coap.codes import ACK, CON, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import encode
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option

PUMP = DeviceId("pump-7")


async def device(house: House) -> tuple[Peer, str]:
    """A device that knows its token, and where its API is."""
    account = await house.add_device("pump-7")
    return await Peer.dial(house.coap_port), f"api/v1/{account.token}"


def test_a_path_is_theirs_by_the_token_in_it() -> None:
    """Ours are not: `devices` is no token, and a word that is none is nothing here."""
    token = "weft_" + "a" * 16 + "_" + "b" * 43
    assert token_of(("api", "v1", "devices", "me", "telemetry")) is None
    assert token_of(("api", "v1", token, "telemetry")) is None  # its checksum is missing
    assert token_of(("api", "v1", "telemetry")) == ""
    assert token_of(("api", "v1")) is None


async def test_telemetry_and_attributes_are_taken_in(house: House) -> None:
    """As over MQTT; acknowledged when they are kept."""
    peer, api = await device(house)
    answer = await peer.ask(Code.POST, f"{api}/telemetry", b'{"temperature":21.5}')
    assert answer.code == Code.CHANGED
    answer = await peer.ask(Code.POST, f"{api}/attributes", b'{"firmware":"1.4"}')
    assert answer.code == Code.CHANGED
    twin = house.weft.path.twins.get(MAIN, PUMP)
    assert twin.telemetry["temperature"].value == 21.5
    assert twin.reported == {"firmware": "1.4"}
    peer.close()


async def test_attributes_are_asked_for_and_observed(house: House) -> None:
    """Shared ones are what is desired; each change is told."""
    peer, api = await device(house)
    await peer.ask(Code.POST, f"{api}/attributes", b'{"firmware":"1.4"}')
    keys = [(Option.URI_QUERY, b"clientKeys=firmware")]
    asked = await peer.ask(Code.GET, f"{api}/attributes", b"", keys)
    assert msgspec.json.decode(asked.payload)["client"] == {"firmware": "1.4"}
    first = await peer.ask(
        Code.GET, f"{api}/attributes", b"", [uint(Option.OBSERVE, 0)], token=b"watch"
    )
    assert option_of(first, Option.OBSERVE) is not None
    await house.weft.path.twins.desire(OPERATOR, PUMP, {"interval": 5}, version=0)
    told = await peer.next_message()
    assert told.token == b"watch"
    assert msgspec.json.decode(told.payload) == {"interval": 5}
    peer.close()


async def test_calls_are_observed_and_answered(house: House) -> None:
    """Our commands are its RPC; the answer ends them."""
    peer, api = await device(house)
    first = await peer.ask(Code.GET, f"{api}/rpc", b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    assert (first.code, first.payload) == (Code.CONTENT, b"")
    commands = house.weft.path.commands
    for name in ("stop", "start"):
        sent = await commands.send(OPERATOR, PUMP, name, {"within_s": 5})
        call = msgspec.json.decode((await peer.next_message()).payload)
        assert (call["method"], call["params"]) == (name, {"within_s": 5})
        answer = await peer.ask(Code.POST, f"{api}/rpc/{call['id']}", b'{"done":true}')
        assert answer.code == Code.CHANGED
        await until(lambda: not commands.open_for(MAIN, PUMP))
        assert (await commands.get(MAIN, PUMP, sent.request_id)).state == "succeeded"
    peer.close()


async def test_each_call_is_sent_once_the_one_before_has_arrived(house: House) -> None:
    """A device that is slow to acknowledge is sent all of them, and none in another's place."""
    peer, api = await device(house)
    await peer.ask(Code.GET, f"{api}/rpc", b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    names = ["one", "two", "three", "four"]
    for name in names:
        await house.weft.path.commands.send(OPERATOR, PUMP, name, {})
    async with asyncio.timeout(20):
        first = decode(await peer.read())
    assert first.type == CON
    open_ = house.weft.path.commands.open_for(MAIN, PUMP)
    assert [one.state for one in open_] == ["delivered", "sent", "sent", "sent"]
    await peer.write(encode(Message(ACK, 0, first.message_id)))
    told = [first, *[await peer.next_message() for _ in names[1:]]]
    assert [msgspec.json.decode(one.payload)["method"] for one in told] == names
    peer.close()


async def test_co_6_a_revoked_device_is_followed_no_more(house: House) -> None:
    """Its session is cut: nobody waits for it any more, and 4.01 is all that it is told."""
    peer, api = await device(house)
    await peer.ask(Code.GET, f"{api}/rpc", b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    theirs = house.weft._coap[0]._service._theirs
    assert theirs is not None
    assert len(theirs) == 1
    identity = house.weft.identity
    found = identity.devices.get(MAIN, PUMP)
    for credential in await identity.credentials.list_credentials(found):
        await identity.credentials.revoke(OPERATOR, found, credential.credential_id)
    told = await peer.next_message()
    assert (told.token, told.code) == (b"watch", Code.UNAUTHORIZED)
    await until(lambda: len(theirs) == 0)
    assert (await peer.ask(Code.POST, f"{api}/telemetry", b"{}")).code == Code.UNAUTHORIZED
    peer.close()


async def test_who_waits_for_calls_keeps_its_session(house: House) -> None:
    """Quiet for hours, or only acknowledging what it is told."""
    peer, api = await device(house)
    await peer.ask(Code.GET, f"{api}/rpc", b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    sessions = house.weft._coap[0]._tokens
    sessions.check(asyncio.get_running_loop().time() + 10_000)
    (session,) = sessions._by_token.values()
    session.heard_at = 0.0
    await house.weft.path.commands.send(OPERATOR, PUMP, "stop", {})
    assert msgspec.json.decode((await peer.next_message()).payload)["method"] == "stop"
    await until(lambda: session.heard_at > 0.0)
    peer.close()


async def test_over_dtls_the_token_is_left_out_or_its_own(house: House) -> None:
    """With another device's token, who speaks would be in doubt: refused."""
    pump = await house.device("pump-7")
    other = await house.add_device("pump-8")
    peer = await house.secure(pump)
    assert (await peer.ask(Code.POST, "api/v1/telemetry", b'{"rpm":1}')).code == Code.CHANGED
    own = (await house.add_secret(pump)).token
    answer = await peer.ask(Code.POST, f"api/v1/{own}/telemetry", b'{"rpm":2}')
    assert answer.code == Code.CHANGED
    answer = await peer.ask(Code.POST, f"api/v1/{other.token}/telemetry", b'{"rpm":3}')
    assert answer.code == Code.UNAUTHORIZED
    assert house.weft.path.twins.get(MAIN, PUMP).telemetry["rpm"].value == 2
    peer.close()


@pytest.mark.parametrize(
    ("code", "rest", "payload", "answer"),
    [
        (Code.POST, "telemetry", b"{", Code.UNPROCESSABLE_ENTITY),
        (Code.POST, "rpc/x", b"{}", Code.BAD_REQUEST),
        (Code.GET, "telemetry", b"", Code.NOT_FOUND),
        (Code.DELETE, "telemetry", b"", Code.METHOD_NOT_ALLOWED),
    ],
)
async def test_what_does_not_work_is_told(
    house: House, code: Code, rest: str, payload: bytes, answer: Code
) -> None:
    """By its code, as anywhere."""
    peer, api = await device(house)
    assert (await peer.ask(code, f"{api}/{rest}", payload)).code == answer
    peer.close()


def wanted(issued: IssuedClaim, name: str) -> bytes:
    """What a device says that asks for an identity."""
    said = {
        "deviceName": name,
        "provisionDeviceKey": issued.claim.claim_id,
        "provisionDeviceSecret": issued.token,
    }
    return msgspec.json.encode(said)


async def test_pr_1_a_device_asks_for_its_identity_and_uses_it(house: House) -> None:
    """2.01 with the token; when the claim is used up, 4.00 with the reason."""
    claims = house.weft.identity.claims
    issued = await claims.create(OPERATOR, NewClaim("batch", 1, approve=True))
    peer = await Peer.dial(house.coap_port)
    answer = await peer.ask(Code.POST, "api/v1/provision", wanted(issued, "pump-7"))
    assert answer.code == Code.CREATED
    token = msgspec.json.decode(answer.payload)["credentialsValue"]
    sent = await peer.ask(Code.POST, f"api/v1/{token}/telemetry", b'{"rpm":5}')
    assert sent.code == Code.CHANGED
    assert house.weft.path.twins.get(MAIN, PUMP).telemetry["rpm"].value == 5
    answer = await peer.ask(Code.POST, "api/v1/provision", wanted(issued, "pump-8"))
    assert answer.code == Code.BAD_REQUEST
    assert msgspec.json.decode(answer.payload)["status"] == "FAILURE"
    assert house.weft.identity.devices.find(MAIN, DeviceId("pump-8")) is None
    answer = await peer.ask(Code.GET, "api/v1/provision")
    assert answer.code == Code.METHOD_NOT_ALLOWED
    peer.close()


async def test_pr_4_a_device_that_waits_for_approval_reads_and_observes_nothing(
    house: House,
) -> None:
    """It came by a claim that lets nobody in: 4.03, and no observation is begun."""
    issued = await house.weft.identity.claims.create(OPERATOR, NewClaim("batch", 1))
    peer = await Peer.dial(house.coap_port)
    answer = await peer.ask(Code.POST, "api/v1/provision", wanted(issued, "pump-7"))
    token = msgspec.json.decode(answer.payload)["credentialsValue"]
    await house.weft.path.twins.desire(OPERATOR, PUMP, {"key": 1}, version=0)
    for rest in ("attributes", "rpc"):
        for options in ([], [uint(Option.OBSERVE, 0)]):
            answer = await peer.ask(Code.GET, f"api/v1/{token}/{rest}", b"", options)
            assert answer.code == Code.FORBIDDEN
            assert option_of(answer, Option.OBSERVE) is None
    theirs = house.weft._coap[0]._service._theirs
    assert theirs is not None
    assert len(theirs) == 0
    peer.close()


async def test_pr_1_who_guesses_claims_is_held_up(house: House) -> None:
    """Each try counts for its address, whatever it says."""
    peer = await Peer.dial(house.coap_port)
    guess = b'{"deviceName":"x","provisionDeviceKey":"k","provisionDeviceSecret":"s"}'
    for _ in range(2_000):
        answer = await peer.ask(Code.POST, "api/v1/provision", guess)
        if answer.code == Code.TOO_MANY_REQUESTS:
            break
        assert msgspec.json.decode(answer.payload)["status"] == "NOT_FOUND"
    assert answer.code == Code.TOO_MANY_REQUESTS
    peer.close()

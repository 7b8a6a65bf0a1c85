"""Sessions: by token in the clear, capped, timed and cut."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.interop.support import OPERATOR, until
from tests.transports.coap.support import ME, House, Peer, problem_in, running_house, uint

from weft.app.compose import MAIN
from weft.errors import Unauthenticated
from weft.model.ids import DeviceId
from weft.transports.coap.sessions import CoapSession, TokenSessions, token_in
from weft.wire.coap.codes import CON, Code
from weft.wire.coap.message import Message
from weft.wire.coap.options import Option

PUMP = DeviceId("pump-7")
DESIRED = f"{ME}/properties/desired"
COMMANDS = f"{ME}/commands"
LONG_S = 10_000.0


def test_a_request_without_a_token_is_told_how_to_name_one() -> None:
    """The first thing that people forget."""
    assert token_in(("a=1", "token=weft_x")) == "weft_x"
    with pytest.raises(Unauthenticated) as caught:
        token_in(("a=1",))
    assert "?token=" in caught.value.remedy


async def test_au_1_without_a_right_token_nothing_is_done(house: House) -> None:
    """4.01, with words; nothing is in the journal."""
    account = await house.add_device("pump-7")
    for token in ("", "weft_guessed", account.token[:-1]):
        peer = await Peer.dial(house.coap_port, token)
        answer = await peer.ask(Code.POST, f"{ME}/telemetry", b'{"rpm":1}')
        assert answer.code == Code.UNAUTHORIZED
        peer.close()
    assert await house.payloads() == []


async def test_one_session_serves_all_ports_of_a_token(house: House) -> None:
    """Each run of a command-line client has a port of its own: that is no new connection."""
    account = await house.add_device("pump-7")
    for _ in range(5):
        peer = await Peer.dial(house.coap_port, account.token)
        assert (await peer.ask(Code.POST, f"{ME}/telemetry", b'{"rpm":1}')).code == Code.CHANGED
        peer.close()
    assert house.weft.identity.connections.count() == 1


async def test_rv_1_a_cut_session_has_to_prove_itself_anew(house: House) -> None:
    """The device is suspended: its next request is refused, though its token was right before."""
    peer = await house.plain("pump-7")
    assert (await peer.ask(Code.POST, f"{ME}/telemetry", b'{"rpm":1}')).code == Code.CHANGED
    identity = house.weft.identity
    device = identity.devices.get("main", "pump-7")  # type: ignore[arg-type]
    assert identity.revocation.device_changed(device.tenant, device.uid, active=False) == 1
    assert identity.connections.count() == 0
    assert (await peer.ask(Code.POST, f"{ME}/telemetry", b'{"rpm":2}')).code == Code.UNAUTHORIZED
    peer.close()


async def test_rv_3_what_a_new_credential_has_opened_stays_when_the_old_one_ends(
    house: House,
) -> None:
    """A session knows by which credential it was opened: only that one's end cuts it."""
    device = await house.device("pump-7")
    peer = await house.secure(device)
    identity = house.weft.identity
    (credential,) = await identity.credentials.list_credentials(device)
    connections = identity.connections
    assert connections.cut_credential(device.uid, "another", "it was replaced") == 0
    assert (await peer.ask(Code.POST, f"{ME}/telemetry", b'{"rpm":1}')).code == Code.CHANGED
    assert connections.cut_credential(device.uid, credential.credential_id, "it was replaced") == 1
    peer.close()


def sessions_of(house: House) -> TokenSessions:
    """Those in the clear."""
    return house.weft._coap[0]._tokens


async def observing(house: House, path: str = DESIRED, name: str = "pump-7") -> Peer:
    """A device that observes, in the clear."""
    peer = await house.plain(name)
    first = await peer.ask(Code.GET, path, b"", [uint(Option.OBSERVE, 0)], token=b"watch")
    assert first.code == Code.CONTENT
    return peer


def session_in(house: House) -> CoapSession:
    """The one session that there is."""
    (session,) = sessions_of(house)._by_token.values()
    return session


async def test_an_observer_that_has_nothing_to_say_is_still_told(house: House) -> None:
    """Ten quiet minutes, in which its address stays proven: then something is desired."""
    peer = await observing(house)
    sessions = sessions_of(house)
    for later_s in (400, 800, LONG_S):
        sessions.check(asyncio.get_running_loop().time() + later_s)
    assert len(sessions) == 1
    await house.weft.path.twins.desire(OPERATOR, PUMP, {"rpm": 900}, version=0)
    told = await peer.next_message()
    assert msgspec.json.decode(told.payload)["properties"] == {"rpm": 900}
    peer.close()


async def test_a_session_that_observes_nothing_ends_when_it_is_idle(house: House) -> None:
    """Those behind one that observes as well; the observer has left since."""
    peer = await observing(house)
    other = await house.plain("pump-8")
    assert (await other.ask(Code.POST, f"{ME}/telemetry", b'{"rpm":1}')).code == Code.CHANGED
    sessions, now = sessions_of(house), asyncio.get_running_loop().time()
    sessions.check(now + LONG_S)
    assert len(sessions) == 1
    await peer.ask(Code.GET, DESIRED, b"", [uint(Option.OBSERVE, 1)], token=b"watch")
    session_in(house).looked_at = now  # it was asked for again, which counts as heard
    sessions.check(now + LONG_S)
    assert len(sessions) == 0
    for one in (peer, other):
        one.close()


async def test_an_acknowledged_notification_counts_as_heard(house: House) -> None:
    """Of a device that is told commands and asks for nothing by itself."""
    peer = await observing(house, COMMANDS)
    session = session_in(house)
    session.heard_at = 0.0
    await house.weft.path.commands.send(OPERATOR, PUMP, "stop", request_id="r-1")
    told = await peer.next_message()
    assert told.type == CON
    await until(lambda: session.heard_at > 0.0)
    peer.close()


async def last_word_to(peer: Peer) -> Message:
    """Return what ends an observation; the client need not ask whether it is over."""
    told = await peer.next_message()
    assert (told.token, told.type) == (b"watch", CON)
    assert Option.OBSERVE not in dict(told.options)
    return told


@pytest.mark.parametrize("path", [DESIRED, COMMANDS])
async def test_co_6_an_observer_whose_credential_is_revoked_is_told_so(
    house: House, path: str
) -> None:
    """4.01 ends the observation (RFC 7641 4.2), and nothing follows it."""
    peer = await observing(house, path)
    identity = house.weft.identity
    device = identity.devices.get(MAIN, PUMP)
    (credential,) = await identity.credentials.list_credentials(device)
    await identity.credentials.revoke(OPERATOR, device, credential.credential_id)
    service = house.weft._coap[0]._service
    assert (len(service.watches), len(service._given.shares)) == (0, 0)
    told = await last_word_to(peer)
    assert told.code == Code.UNAUTHORIZED
    assert "token" in problem_in(told)[-2]
    await house.weft.path.twins.desire(OPERATOR, PUMP, {"rpm": 900}, version=0)
    assert service.endpoint.take_output() == []
    peer.close()


async def test_co_6_the_last_word_waits_for_what_is_under_way_and_nothing_else_does(
    house: House,
) -> None:
    """A command is not acknowledged yet; what would follow it is not told any more."""
    peer = await observing(house, COMMANDS)
    commands = house.weft.path.commands
    await commands.send(OPERATOR, PUMP, "stop", request_id="r-1")
    sessions_of(house).close()
    await commands.send(OPERATOR, PUMP, "stop", request_id="r-2")
    told = [await peer.next_message() for _ in range(2)]
    assert msgspec.json.decode(told[0].payload)["request_id"] == "r-1"
    assert told[1].code == Code.SERVICE_UNAVAILABLE
    await until(lambda: not house.weft._coap[0]._service._given.shares)
    peer.close()


async def test_an_observer_that_gives_way_or_is_left_by_us_is_asked_to_come_back(
    tmp_path: Path,
) -> None:
    """5.03, when there are too many sessions and when Weft stops; who asks nothing goes first."""
    setting = "transports.coap.token_sessions=2"
    async with running_house(tmp_path / "data", setting) as house:
        first = await observing(house)
        idle = await house.plain("pump-8")
        assert (await idle.ask(Code.POST, f"{ME}/telemetry", b"{}")).code == Code.CHANGED
        second = await observing(house, name="pump-9")
        assert first.inbox.arrived.empty()
        third = await observing(house, name="pump-10")
        told = await last_word_to(first)
        assert told.code == Code.SERVICE_UNAVAILABLE
    for peer in (second, third):
        told = await last_word_to(peer)
        assert told.code == Code.SERVICE_UNAVAILABLE
        assert "stopping" in problem_in(told)[-2]
    for peer in (first, idle, second, third):
        peer.close()


async def test_a_session_that_is_one_too_many_is_explained_to_the_owner(house: House) -> None:
    """The token was right, and 4.29 is the answer: the reason stands with the attempts."""
    account = await house.add_device("pump-7")
    identity = house.weft.identity
    identity.connections.set_quota(MAIN, 0)
    peer = await Peer.dial(house.coap_port, account.token)
    answer = await peer.ask(Code.POST, f"{ME}/telemetry", b"{}")
    assert answer.code == Code.TOO_MANY_REQUESTS
    refused, _ = identity.authenticator.attempts.of_device(MAIN, "pump-7")
    assert "no more connections" in refused.reason
    assert "[security.connections]" in refused.remedy
    peer.close()

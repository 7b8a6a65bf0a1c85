"""Sessions: by token in the clear, capped, timed and cut."""

import pytest
from tests.transports.coap.support import ME, House, Peer

from weft.errors import Unauthenticated
from weft.transports.coap.sessions import token_in
from weft.wire.coap.codes import Code


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

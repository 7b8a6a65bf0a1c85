"""Shares: a principal's registrations count together, whatever ports and sessions it has."""

from typing import Any, cast

from tests.interop.support import until
from tests.transports.coap.support import ME, House, Peer, option_of, uint

from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.transports.coap.shares import Shares
from weft.wire.coap.codes import Code
from weft.wire.coap.observe import Observation
from weft.wire.coap.options import Option

DESIRED = f"{ME}/properties/desired"


class Session:
    """One of a device's."""

    def __init__(self, uid: str) -> None:
        self.principal = Principal(TenantId("main"), PrincipalKind.DEVICE, uid, uid)


def observation() -> Observation:
    """A registration, known by itself."""

    class Registered:
        pass

    return cast("Any", Registered())


def test_a_principal_has_its_share_and_others_have_theirs() -> None:
    """Two sessions of one device count together; what has ended makes room."""
    shares = Shares(2)
    one, again, other = Session("uid-1"), Session("uid-1"), Session("uid-2")
    first, second, third = observation(), observation(), observation()
    assert shares.take(first, one)
    assert shares.take(second, again)
    assert not shares.take(third, one)
    assert shares.take(third, other)
    assert shares.take(first, one)  # renewed: the same one
    assert (shares.observes(one), shares.observes(again), len(shares)) == (True, True, 3)
    shares.give(second)
    shares.give(second)
    assert not shares.observes(again)
    assert shares.take(second, one)


def test_what_is_renewed_in_a_new_session_counts_once_and_for_that_one() -> None:
    """The session before is over; its registration lives on."""
    shares = Shares(1)
    before, after, held = Session("uid-1"), Session("uid-1"), observation()
    assert shares.take(held, before)
    assert shares.take(held, after)
    assert (shares.observes(before), shares.observes(after), len(shares)) == (False, True, 1)
    shares.give(held)
    for held_still in (shares._holders, shares._of_principal, shares._of_session):
        assert not held_still


async def test_co_6_one_device_with_many_ports_has_no_more_than_its_share(house: House) -> None:
    """Eleven ports, four registrations each: 32 in all; the rest is answered without Observe."""
    account = await house.add_device("pump-7")
    granted = []
    for _ in range(11):
        peer = await Peer.dial(house.coap_port, account.token)
        for token in (b"a", b"b", b"c", b"d"):
            answer = await peer.ask(Code.GET, DESIRED, b"", [uint(Option.OBSERVE, 0)], token=token)
            assert answer.code == Code.CONTENT
            granted.append(option_of(answer, Option.OBSERVE) is not None)
        peer.close()
    assert granted == [True] * 32 + [False] * 12
    service = house.weft._coap[0]._service
    assert len(service._given.shares) == len(service.watches) == 32


async def test_what_is_observed_by_theirs_counts_as_well(house: House) -> None:
    """A device programmed for ThingsBoard; what it lets go of makes room."""
    account = await house.add_device("pump-7")
    peer = await Peer.dial(house.coap_port)
    path = f"api/v1/{account.token}/rpc"
    await peer.ask(Code.GET, path, b"", [uint(Option.OBSERVE, 0)], token=b"a")
    shares = house.weft._coap[0]._service._given.shares
    assert len(shares) == 1
    await peer.send(Code.GET, path, b"", [uint(Option.OBSERVE, 1)], token=b"a")
    await until(lambda: len(shares) == 0)
    peer.close()

"""The table of observations: caps, renewal, and each end told once."""

from tests.wire.coap.support import request_message

from weft.wire.coap.codes import Code
from weft.wire.coap.limits import Limits
from weft.wire.coap.observe import Observations
from weft.wire.coap.options import Option
from weft.wire.coap.peers import Exchange, Peer
from weft.wire.coap.requests import Request, read_request


def asked(peer: Peer, token: bytes, path: str = "t") -> Request:
    message = request_message(path, Code.GET, 1, (int(Option.OBSERVE), b""), token=token)
    return read_request(message, Exchange(peer, 1, 0, 0.0, 20), 64)


def peer(name: str = "a") -> Peer:
    return Peer(name, 0, 0.0, is_proven=True)


def test_a_token_names_one_observation_of_one_peer() -> None:
    """Renewed for the same request, replaced for another (RFC 7641 4.1)."""
    table, alice = Observations(Limits()), peer()
    first = table.register(asked(alice, b"1"), 0.0)
    again = asked(alice, b"1")
    assert table.register(again, 1.0) is first
    assert first is not None
    assert first.request is again
    assert table.find(alice, b"1") is first
    assert table.find(peer("b"), b"1") is None
    second = table.register(asked(alice, b"1", "other"), 2.0)
    assert second is not first
    assert table.take_ended() == [first]
    assert (len(table), alice.watching) == (1, 1)


def test_co_6_the_caps_hold_for_one_and_for_all() -> None:
    """An end makes room."""
    table, alice = Observations(Limits(peer_observations=2, observations=3)), peer()
    first = table.register(asked(alice, b"1"), 0.0)
    table.register(asked(alice, b"2"), 0.0)
    assert table.register(asked(alice, b"3"), 0.0) is None
    assert table.register(asked(peer("b"), b"1"), 0.0) is not None
    assert table.register(asked(peer("c"), b"1"), 0.0) is None
    assert first is not None
    table.end(first)
    assert table.register(asked(peer("c"), b"1"), 0.0) is not None


def test_an_end_is_told_once() -> None:
    """Whatever ended it first."""
    table, alice = Observations(Limits()), peer()
    observation = table.register(asked(alice, b"1"), 0.0)
    assert observation is not None
    observation.last_id = 77
    table.end_by_message(alice, 78)
    assert table.take_ended() == []
    table.end_by_message(alice, 77)
    table.end(observation)
    table.forget(alice)
    assert table.take_ended() == [observation]
    assert table.take_ended() == []
    assert (len(table), alice.watching) == (0, 0)


def test_co_6_who_is_gone_registers_nothing() -> None:
    """A handler may still have its request when it is forgotten."""
    table, alice = Observations(Limits()), peer()
    alice.is_gone = True
    assert table.register(asked(alice, b"1"), 0.0) is None


def test_an_ack_is_wanted_now_and_then() -> None:
    """By count and by time (RFC 7641 4.5)."""
    table = Observations(Limits(confirm_every=3, confirm_after_s=60.0))
    observation = table.register(asked(peer(), b"1"), 0.0)
    assert observation is not None
    assert not table.wants_ack(observation, 1.0)
    observation.since_confirmed = 2
    assert table.wants_ack(observation, 1.0)
    observation.since_confirmed = 0
    assert table.wants_ack(observation, 60.0)

"""Exchanges: answered once, repeated for a while, within bounds."""

import pytest

from weft.wire.coap.codes import Code
from weft.wire.coap.exchanges import ENTRY_BYTES, Exchanges
from weft.wire.coap.faults import RequestError
from weft.wire.coap.limits import Limits
from weft.wire.coap.peers import Exchange, Network, Peer


def peer(name: str = "a") -> Peer:
    return Peer(name, 0, 0.0, is_proven=True)


def opened(exchanges: Exchanges, of: Peer, message_id: int, now: float = 0.0) -> Exchange:
    exchange = Exchange(of, message_id, message_id, now, 20)
    exchanges.open(exchange)
    return exchange


def answered(exchanges: Exchanges, of: Peer, message_id: int, now: float = 0.0) -> Exchange:
    exchange = opened(exchanges, of, message_id, now)
    exchanges.close(exchange, b"reply", now)
    return exchange


def test_a_copy_finds_the_first_one_until_its_lifetime_is_over() -> None:
    """247 s, RFC 7252 4.8.2."""
    exchanges, alice = Exchanges(Limits()), peer()
    first = answered(exchanges, alice, 7)
    assert exchanges.find(alice, 7, 7, 246.0) is first
    assert exchanges.find(peer("b"), 7, 7, 1.0) is None
    assert exchanges.find(alice, 7, 7, 247.0) is None
    assert (exchanges.entries, exchanges.held_bytes) == (0, 0)


def test_the_same_id_with_other_bytes_is_another_message() -> None:
    """A device that counts from the start again is not answered from before its restart."""
    exchanges, alice = Exchanges(Limits()), peer()
    answered(exchanges, alice, 7)
    assert exchanges.find(alice, 7, 8, 1.0) is None


def test_co_5_one_peer_has_a_share_and_its_oldest_goes_first() -> None:
    """In entries and in bytes."""
    exchanges, alice = Exchanges(Limits(peer_replies=3)), peer()
    for message_id in range(5):
        answered(exchanges, alice, message_id)
    assert list(alice.exchanges) == [2, 3, 4]

    small = Exchanges(Limits(peer_reply_bytes=2 * (ENTRY_BYTES + 5)))
    bob = peer("b")
    for message_id in range(5):
        answered(small, bob, message_id)
    assert list(bob.exchanges) == [3, 4]


def test_co_5_all_together_are_capped_and_who_was_silent_pays() -> None:
    """The peer answered last keeps its replies."""
    exchanges = Exchanges(Limits(replies=100))
    quiet = peer("quiet")
    answered(exchanges, quiet, 1)
    for number in range(1000):
        answered(exchanges, peer(str(number)), 1)
    assert exchanges.entries == 100
    assert not quiet.exchanges
    assert exchanges.held_bytes == 100 * (ENTRY_BYTES + 5)


def test_what_a_handler_has_is_never_dropped_by_the_caps() -> None:
    """Its copies would be handled again."""
    exchanges, alice = Exchanges(Limits(peer_replies=1)), peer()
    waiting = opened(exchanges, alice, 1)
    for message_id in range(2, 9):
        answered(exchanges, alice, message_id)
    assert exchanges.find(alice, 1, 1, 1.0) is waiting


def test_too_many_without_an_answer_are_refused() -> None:
    """For one peer, and for all."""
    exchanges = Exchanges(Limits(peer_pending=2, pending=3))
    alice = peer()
    opened(exchanges, alice, 1)
    opened(exchanges, alice, 2)
    with pytest.raises(RequestError) as caught:
        opened(exchanges, alice, 3)
    assert caught.value.answer == Code.SERVICE_UNAVAILABLE
    bob = peer("b")
    last = opened(exchanges, bob, 1)
    with pytest.raises(RequestError):
        opened(exchanges, peer("c"), 1)
    exchanges.close(last, b"", 0.0)
    opened(exchanges, peer("c"), 1)


def test_co_5_time_gives_the_memory_back() -> None:
    """Also when nobody speaks any more."""
    exchanges = Exchanges(Limits())
    for number in range(50):
        answered(exchanges, peer(str(number)), 1, now=float(number))
    exchanges.expire(247.0 + 24.5)
    assert exchanges.entries == 25
    exchanges.expire(1000.0)
    assert (exchanges.entries, exchanges.held_bytes) == (0, 0)


def test_a_busy_peer_drops_what_is_stale_as_it_goes() -> None:
    """It never is the longest silent, so nobody else would."""
    exchanges, alice = Exchanges(Limits()), peer()
    answered(exchanges, alice, 1, now=0.0)
    answered(exchanges, alice, 2, now=300.0)
    assert list(alice.exchanges) == [2]


def test_a_handler_may_answer_for_a_peer_that_was_forgotten() -> None:
    """Nothing is kept of it, and no count goes wrong."""
    exchanges, alice = Exchanges(Limits()), peer()
    exchange = opened(exchanges, alice, 1)
    answered(exchanges, alice, 2)
    exchanges.forget(alice)
    assert exchanges.entries == 0
    exchanges.close(exchange, b"late", 1.0)
    assert (exchanges.entries, exchanges.pending, exchanges.held_bytes) == (0, 0, 0)


def test_co_5_what_waits_is_counted_in_bytes() -> None:
    """And given back with the answer, also where it has grown."""
    exchanges, alice = Exchanges(Limits(pending_bytes=100)), peer()
    first = opened(exchanges, alice, 1)
    exchanges.grow(first, 70)
    assert exchanges.pending_bytes == 90
    with pytest.raises(RequestError):
        opened(exchanges, alice, 2)
    exchanges.close(first, b"", 0.0)
    assert exchanges.pending_bytes == 0
    opened(exchanges, alice, 3)


def test_co_5_a_network_has_a_share_of_requests_and_replies() -> None:
    """Its peers share it, by whatever addresses; nobody elsewhere pays for them."""
    network, size = Network(0.25), ENTRY_BYTES + 5
    crowd = [Peer(f"n{number}", 0, 0.0, is_proven=True, network=network) for number in range(6)]
    exchanges = Exchanges(Limits(pending=16, reply_bytes=16 * size))
    other = peer("elsewhere")
    answered(exchanges, other, 1)
    for one in crowd[:4]:
        opened(exchanges, one, 1)
    with pytest.raises(RequestError):
        opened(exchanges, crowd[4], 1)
    opened(exchanges, other, 2)
    for one in crowd[:4]:
        exchanges.close(one.exchanges[1], b"reply", 0.0)
    assert network.reply_bytes == 4 * size
    answered(exchanges, crowd[4], 1)
    assert not crowd[4].exchanges  # it is not remembered: a copy of it would be served again
    assert [len(one.exchanges) for one in (*crowd[:4], other)] == [1, 1, 1, 1, 2]
    exchanges.forget(crowd[0])
    answered(exchanges, crowd[4], 2)
    assert list(crowd[4].exchanges) == [2]
    assert (network.pending, network.reply_bytes) == (0, 4 * size)

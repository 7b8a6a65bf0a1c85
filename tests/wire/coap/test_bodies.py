"""Bodies in blocks: budgets count, and what waits too long gives its memory back."""

from weft.wire.coap.bodies import ENTRY_BYTES, Bodies
from weft.wire.coap.peers import Peer


def peer(name: str = "a") -> Peer:
    return Peer(name, 0, 0.0, is_proven=True)


def test_bytes_are_counted_for_all_and_come_back() -> None:
    """An empty body costs too."""
    bodies: Bodies[bytes] = Bodies(60.0)
    body = bodies.add(peer(), (1, ()), b"", 0.0)
    bodies.touch(body, 500, 0.0)
    assert bodies.held_bytes == 500 + ENTRY_BYTES
    bodies.drop(body)
    assert (len(bodies), bodies.held_bytes) == (0, 0)


def test_the_longest_untouched_expires_first() -> None:
    """A body that goes on stays."""
    bodies: Bodies[bytes] = Bodies(60.0)
    alice = peer()
    old = bodies.add(alice, (1, ()), b"", 0.0)
    bodies.add(alice, (2, ()), b"", 10.0)
    bodies.touch(old, 16, 50.0)
    bodies.expire(75.0)
    assert bodies.of_peer(alice) == [old]


def test_a_forgotten_peer_leaves_nothing() -> None:
    """And takes nothing of another one's."""
    bodies: Bodies[bytes] = Bodies(60.0)
    alice, bob = peer("a"), peer("b")
    bodies.add(alice, (1, ()), b"", 0.0)
    bodies.add(bob, (1, ()), b"", 0.0)
    bodies.forget(alice)
    assert bodies.find(alice, (1, ())) is None
    assert bodies.find(bob, (1, ())) is not None


def test_the_same_request_begins_again() -> None:
    """One body for one key."""
    bodies: Bodies[bytes] = Bodies(60.0)
    alice = peer()
    bodies.add(alice, (1, ()), b"first", 0.0)
    bodies.add(alice, (1, ()), b"second", 1.0)
    assert [body.content for body in bodies.of_peer(alice)] == [b"second"]
    bodies.drop_oldest()
    assert len(bodies) == 0

"""Peers: strangers and proven ones are kept apart, and both are capped."""

from weft.wire.coap.limits import Limits
from weft.wire.coap.peers import Peer, Peers


def table(limits: Limits) -> tuple[Peers, list[Peer]]:
    forgotten: list[Peer] = []
    return Peers(limits, lambda: 0.5, forgotten.append), forgotten


def test_co_2_made_up_addresses_push_out_no_device() -> None:
    """A flood of strangers meets its own small table."""
    peers, forgotten = table(Limits(strangers=10, peers=10))
    device = peers.prove("device", 0.0)
    for number in range(1000):
        peers.admit_stranger(number, 1.0)
    assert len(peers) == 11
    assert peers.find("device", 2.0) is device
    assert len(forgotten) == 990


def test_co_5_of_proven_peers_the_longest_silent_is_forgotten() -> None:
    """Unless it observes, and another does not."""
    peers, forgotten = table(Limits(peers=3))
    watcher = peers.prove("watcher", 0.0)
    watcher.watching = 1
    for name in ("a", "b", "c"):
        peers.prove(name, 1.0)
    assert [peer.address for peer in forgotten] == ["a"]
    assert peers.find("watcher", 2.0) is watcher


def test_a_proof_lasts_while_the_peer_is_heard_of() -> None:
    """Silence ends it; an observer's silence is a value that does not change."""
    peers, forgotten = table(Limits(proof_lifetime_s=100.0))
    peers.prove("quiet", 0.0)
    peers.prove("talker", 0.0)
    peers.prove("watcher", 0.0).watching = 1
    peers.find("talker", 90.0)
    peers.expire(120.0)
    assert [peer.address for peer in forgotten] == ["quiet"]
    assert len(peers) == 2


def test_a_stranger_who_proves_itself_keeps_what_it_had() -> None:
    """It is the same peer in the other table."""
    peers, forgotten = table(Limits())
    stranger = peers.admit_stranger("a", 0.0)
    assert peers.prove("a", 1.0) is stranger
    assert stranger.is_proven
    assert peers.prove("a", 2.0) is stranger
    peers.forget("a")
    peers.forget("never seen")
    assert forgotten == [stranger]
    assert len(peers) == 0


def test_message_ids_begin_anywhere_and_wrap() -> None:
    """RFC 7252 4.4."""
    peer = Peer("a", 0xFFFF, 0.0, is_proven=True)
    assert [peer.take_message_id(), peer.take_message_id()] == [0xFFFF, 0]


def test_peers_of_a_network_share_what_it_holds() -> None:
    """And it is forgotten with the last of them."""
    made = Peers(Limits(), lambda: 0.5, lambda _peer: None, lambda one: str(one)[:1])
    first, second, other = (made.prove(name, 0.0) for name in ("a1", "a2", "b1"))
    assert first.network is second.network
    assert other.network is not first.network
    assert len(made._networks) == 2
    made.forget("b1")
    del other
    assert len(made._networks) == 1

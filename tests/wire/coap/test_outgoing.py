"""Confirmable messages of ours: sent again with longer waits, then given up."""

from weft.wire.coap.limits import Limits
from weft.wire.coap.outgoing import Outbound, Outgoing
from weft.wire.coap.peers import Peer

PEER = Peer("a", 0, 0.0, is_proven=True)


def test_waits_double_from_a_random_first_one() -> None:
    """RFC 7252 4.2 and 4.8: at 3, 9, 21 and 45 s at the slowest; given up at 93 s."""
    outbound = Outbound(Limits(), lambda: 1.0)
    outbound.add(Outgoing(PEER, 1, b"x", None), 0.0)
    seen = []
    while (due := outbound.next_due()) is not None:
        again, lost = outbound.take_due(due)
        seen.append((due, len(again), len(lost)))
    assert seen == [(3.0, 1, 0), (9.0, 1, 0), (21.0, 1, 0), (45.0, 1, 0), (93.0, 0, 1)]
    assert len(outbound) == 0


def test_an_answer_ends_the_waiting() -> None:
    """Of its message id and peer only."""
    outbound = Outbound(Limits(), lambda: 0.0)
    outgoing = Outgoing(PEER, 1, b"x", None)
    outbound.add(outgoing, 0.0)
    assert outbound.settle(PEER, 2) is None
    assert outbound.settle(Peer("b", 0, 0.0, is_proven=True), 1) is None
    assert outbound.settle(PEER, 1) is outgoing
    assert outbound.next_due() is None
    assert outbound.take_due(1000.0) == ([], [])


def test_a_renamed_message_keeps_its_tries() -> None:
    """The later one waits for what the earlier had left (RFC 7641 4.5.2)."""
    outbound = Outbound(Limits(max_retransmit=1), lambda: 0.0)
    outgoing = Outgoing(PEER, 1, b"old", None)
    outbound.add(outgoing, 0.0)
    assert outbound.take_due(2.0) == ([outgoing], [])
    outbound.rename(outgoing, 2, b"new")
    assert outbound.settle(PEER, 1) is None
    assert outbound.take_due(6.0) == ([], [outgoing])


def test_a_peer_that_is_gone_is_sent_nothing_more() -> None:
    """Its association has ended."""
    gone = Peer("g", 0, 0.0, is_proven=True)
    outbound = Outbound(Limits(), lambda: 0.0)
    outbound.add(Outgoing(gone, 1, b"x", None), 0.0)
    gone.is_gone = True
    again, lost = outbound.take_due(2.0)
    assert (len(again), len(lost)) == (0, 1)


def test_what_waits_is_capped() -> None:
    """Beyond it messages go out non-confirmable."""
    outbound = Outbound(Limits(outgoing=1), lambda: 0.0)
    assert not outbound.is_full
    outbound.add(Outgoing(PEER, 1, b"x", None), 0.0)
    assert outbound.is_full

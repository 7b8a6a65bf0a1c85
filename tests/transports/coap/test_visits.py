"""Visits: bounded in time and number, and over with their claim."""

import pytest
from tests.security.support import MAIN

from weft.errors import QuotaExceeded
from weft.security.claim_keys import Visit
from weft.transports.coap.visits import PER_CLAIM_MAX, VISIT_S, VISITS_MAX, Visits


class Peer:
    """A visitor."""

    def __init__(self) -> None:
        self.peer = "192.0.2.7:40001"


class Hall:
    """Visits with a clock that is turned."""

    def __init__(self) -> None:
        self.at = 0.0
        self.ended: list[Peer] = []
        self.closed: set[str] = set()
        self.visits = Visits(lambda: self.at, self.ended.append)

    def enter(self, claim_id: str = "a") -> Peer:
        peer = Peer()
        self.visits.open(peer, Visit(MAIN, claim_id))
        return peer

    def check(self) -> None:
        self.visits.check(lambda visit, _address: "over" if visit.claim_id in self.closed else "")


def test_a_visit_ends_when_its_time_is_over() -> None:
    """And not before."""
    hall = Hall()
    first = hall.enter()
    hall.at = VISIT_S - 1
    second = hall.enter()
    hall.check()
    assert hall.ended == []
    hall.at = VISIT_S
    hall.check()
    assert hall.ended == [first]
    assert len(hall.visits) == 1
    hall.visits.leave(second)
    hall.visits.leave(second)
    assert len(hall.visits) == 0


def test_pr_1_a_visit_ends_with_its_claim() -> None:
    """Those of other claims go on."""
    hall = Hall()
    ends, stays = hall.enter("a"), hall.enter("b")
    hall.closed.add("a")
    hall.check()
    assert hall.ended == [ends]
    hall.visits.leave(stays)


def test_pr_1_one_claims_visitors_are_capped() -> None:
    """Whoever read a key out of a device does not keep the others' devices out."""
    hall = Hall()
    peers = [hall.enter("a") for _ in range(PER_CLAIM_MAX)]
    with pytest.raises(QuotaExceeded):
        hall.enter("a")
    hall.enter("b")
    hall.visits.leave(peers[0])
    hall.enter("a")


def test_of_all_visitors_the_oldest_gives_way() -> None:
    """Who came last has not been heard yet."""
    hall = Hall()
    first = hall.enter("0")
    for number in range(1, VISITS_MAX):
        hall.enter(str(number))
    hall.enter("last")
    assert hall.ended == [first]
    assert len(hall.visits) == VISITS_MAX

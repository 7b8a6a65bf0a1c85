"""Wills: the last word of a lost connection."""

import asyncio

import pytest
from tests.broker.support import ALICE, BOB

from weft.broker.wills import DueWill, Will, Wills
from weft.errors import Forbidden, StorageError
from weft.model.principal import Principal

WILL = Will("status", b"lost")


class Publisher:
    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.error: Exception | None = None

    async def __call__(self, principal: Principal, will: Will) -> None:
        if self.error is not None:
            raise self.error
        self.published.append((principal.id, will.payload))


async def test_a_will_is_published_when_it_is_due_and_once() -> None:
    """A delay of ten seconds: nine are too few, eleven are enough."""
    publisher = Publisher()
    wills = Wills(publisher)
    wills.schedule("s", DueWill(ALICE, WILL, 10), now=0)

    await wills.publish(9)
    assert publisher.published == []
    assert wills.find("s") is not None
    await wills.publish(11)
    await wills.publish(12)

    assert publisher.published == [("alice", b"lost")]
    assert len(wills) == 0


async def test_a_session_that_comes_back_in_time_cancels_its_will() -> None:
    """A lift passes the tunnel; nobody is told that it was lost [MQTT-3.1.3-9]."""
    publisher = Publisher()
    wills = Wills(publisher)
    wills.schedule("s", DueWill(ALICE, WILL, 10), now=0)

    wills.cancel("s")
    await wills.publish(100)

    assert publisher.published == []


async def test_a_session_that_ends_hastens_its_will() -> None:
    """There is nothing left to come back to, so there is nothing to wait for."""
    publisher = Publisher()
    wills = Wills(publisher)
    wills.schedule("s", DueWill(ALICE, WILL, 1000), now=0)

    wills.hasten("s")
    wills.hasten("unknown")
    await wills.publish(1)

    assert publisher.published == [("alice", b"lost")]


async def test_a_revoked_principal_has_no_last_word() -> None:
    """Waiting or due, the wills of one principal are dropped; others stay."""
    publisher = Publisher()
    wills = Wills(publisher)
    wills.schedule("a1", DueWill(ALICE, WILL, 5), now=0)
    wills.schedule("a2", DueWill(ALICE, WILL, 0), now=0)
    wills.schedule("b", DueWill(BOB, WILL, 5), now=0)

    wills.forget(ALICE.uid)
    await wills.publish(10)

    assert publisher.published == [("bob", b"lost")]


async def test_a_will_that_is_refused_is_dropped_and_the_next_one_goes() -> None:
    """The device lost its right while it was connected."""
    publisher = Publisher()
    wills = Wills(publisher)
    publisher.error = Forbidden("no right on status")
    wills.schedule("s", DueWill(ALICE, WILL, 0), now=0)

    await wills.publish(1)

    assert len(wills) == 0


async def test_a_will_survives_a_full_disk() -> None:
    """It could not be journaled; it is tried again, and the caller is told."""
    publisher = Publisher()
    wills = Wills(publisher)
    publisher.error = StorageError("disk full")
    wills.schedule("s", DueWill(ALICE, WILL, 0), now=0)

    with pytest.raises(StorageError):
        await wills.publish(1)
    publisher.error = None
    await wills.publish(2)

    assert publisher.published == [("alice", b"lost")]


async def test_wills_of_a_whole_site_wait_for_one_commit_together() -> None:
    """The uplink breaks under a thousand devices; one after the other would take seconds."""
    at_once: list[int] = []
    go_on = asyncio.Event()

    async def publish(_principal: Principal, _will: Will) -> None:
        at_once.append(len(at_once))
        if len(at_once) == 1_000:
            go_on.set()
        await go_on.wait()

    wills = Wills(publish)
    for number in range(1_000):
        wills.schedule(str(number), DueWill(ALICE, WILL, 1), now=1)
    await asyncio.wait_for(wills.publish(2), 10)
    assert len(wills) == 0


async def test_wills_that_fail_together_are_all_published_later() -> None:
    publisher = Publisher()
    publisher.error = StorageError("The disk is full.")
    wills = Wills(publisher)
    for number in range(3):
        wills.schedule(str(number), DueWill(ALICE, WILL, 1), now=1)
    with pytest.raises(StorageError):
        await wills.publish(2)
    publisher.error = None
    await wills.publish(3)
    assert len(publisher.published) == 3

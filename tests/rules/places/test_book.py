"""Books: versions, limits, audit, restarts; one tenant never sees another's."""

import asyncio
from typing import Any

import pytest
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER
from tests.rules.places.support import CIRCLE, SQUARE, Yard

from weft.errors import AlreadyExists, NotFound, QuotaExceeded, StaleVersion
from weft.rules.places import book as module
from weft.rules.places.history import LAG_NS


async def test_a_change_is_a_version_that_counts_a_second_later() -> None:
    """It is known everywhere before the first message that it judges; saving it again is none."""
    yard = Yard()
    first = await yard.books.fences.save(ALICE, "depot", SQUARE)
    assert (first.version, first.in_force_at) == (1, 0)
    yard.clock.turn(10)
    assert await yard.books.fences.save(ALICE, "depot", SQUARE) == first
    second = await yard.books.fences.save(ALICE, "depot", CIRCLE)
    assert (second.version, second.in_force_at) == (2, yard.clock.now() + LAG_NS)
    assert second.uid == first.uid
    assert yard.audit.actions() == ["geofence.create", "geofence.update"]
    history = yard.books.fences.book.find(MAIN, "depot")
    assert history is not None
    assert history.at(second.in_force_at - 1) == first
    assert history.at(second.in_force_at) == second


async def test_a_restart_knows_all_versions() -> None:
    """And judges old messages as they were judged."""
    yard = Yard()
    await yard.books.fences.save(ALICE, "depot", SQUARE)
    yard.clock.turn(10)
    await yard.books.fences.save(ALICE, "depot", CIRCLE)
    again = await yard.restarted()
    before, after = (one.books.fences.book.find(MAIN, "depot") for one in (yard, again))
    assert before is not None
    assert after is not None
    assert before.versions == after.versions


async def test_a_stale_save_is_refused() -> None:
    """Two dispatchers draw one fence; the slower one is told."""
    yard = Yard()
    book = yard.books.fences
    with pytest.raises(NotFound):
        await book.save(ALICE, "depot", SQUARE, version=1)
    await book.save(ALICE, "depot", SQUARE)
    await book.save(ALICE, "depot", CIRCLE, version=1)
    with pytest.raises(StaleVersion, match="at version 2, not 1"):
        await book.save(ALICE, "depot", SQUARE, version=1)
    with pytest.raises(StaleVersion):
        await book.delete(ALICE, "depot", version=1)
    with pytest.raises(AlreadyExists):
        await book.book.save(ALICE, "depot", {}, new=True)


async def test_saves_at_once_make_one_version_each() -> None:
    """None is lost and none comes twice."""
    yard = Yard()
    shapes = [{**CIRCLE, "properties": {"radius_m": 100 + n}} for n in range(10)]
    await asyncio.gather(*(yard.books.fences.save(ALICE, "depot", one) for one in shapes))
    history = yard.books.fences.book.find(MAIN, "depot")
    assert history is not None
    assert [one.version for one in history.versions] == list(range(1, 11))


async def test_old_versions_are_forgotten_on_disk_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest ones stay."""
    monkeypatch.setattr(module, "VERSIONS_KEPT", 3)
    yard = Yard()
    for n in range(6):
        yard.clock.turn(10)
        await yard.books.fences.save(ALICE, "depot", {**CIRCLE, "properties": {"radius_m": 9 + n}})
    again = await yard.restarted()
    history = again.books.fences.book.find(MAIN, "depot")
    assert history is not None
    assert [one.version for one in history.versions] == [4, 5, 6]


async def test_positions_and_places_of_a_tenant_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of all versions together; a delete makes room, a neighbour's are his own."""
    monkeypatch.setattr(module, "POSITIONS_MAX", 12)
    monkeypatch.setattr(module, "PLACES_MAX", 2)
    fences = Yard().books.fences
    await fences.save(ALICE, "a", SQUARE)
    await fences.save(ALICE, "b", SQUARE)
    with pytest.raises(QuotaExceeded, match="2 geofences"):
        await fences.save(ALICE, "c", CIRCLE)
    await fences.save(ALICE, "b", CIRCLE)
    with pytest.raises(QuotaExceeded, match="more than 12 positions"):
        await fences.save(ALICE, "b", SQUARE)
    await fences.save(MALLORY, "b", SQUARE)
    await fences.delete(ALICE, "b")
    await fences.save(ALICE, "c", SQUARE)


async def test_tn_1_a_place_of_another_tenant_is_not_there() -> None:
    """By none of the ways."""
    fences = Yard().books.fences
    await fences.save(MALLORY, "depot", SQUARE)
    assert fences.book.find(MAIN, "depot") is None
    assert fences.book.behind(MAIN, "", 10) == []
    assert fences.book.all(MAIN) == []
    for act in (fences.book.get(OTHER, "depot"),):
        assert act.name == "depot"
    with pytest.raises(NotFound):
        fences.book.get(MAIN, "depot")
    with pytest.raises(NotFound):
        await fences.delete(ALICE, "depot")


async def test_pages_go_in_the_order_of_names() -> None:
    """Behind the last of the page before."""
    fences = Yard().books.fences
    for name in ("c", "a", "b"):
        await fences.save(ALICE, name, CIRCLE)
    assert [one.name for one in fences.book.behind(MAIN, "", 2)] == ["a", "b"]
    assert [one.name for one in fences.book.behind(MAIN, "b", 2)] == ["c"]


async def test_what_could_not_be_written_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk was full; rules go on with what is on disk."""
    yard = Yard()

    async def full(_work: Any) -> None:
        raise OSError("no space")

    monkeypatch.setattr(yard.records, "write", full)
    with pytest.raises(OSError, match="no space"):
        await yard.books.fences.save(ALICE, "depot", SQUARE)
    assert yard.books.fences.book.find(MAIN, "depot") is None

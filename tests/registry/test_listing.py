"""Listings: no page reads everything, and all pages together miss nothing."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.registry.support import ALICE, MAIN, OTHER, Registry

from weft.backends.memory.records import MemoryReader, MemoryRecords
from weft.model.asset import AttachmentRole
from weft.model.device import Lifecycle
from weft.model.ids import TenantId
from weft.ports import Kind, Writer
from weft.registry import listing as module
from weft.registry.assets import NewAsset
from weft.registry.devices import NewDevice
from weft.registry.listing import Part, Wanted, collect, examine

NUMBERS: Kind[int] = Kind("number", int, index=lambda one: {"odd": "yes" if one % 2 else "no"})


async def store(count: int, tenant: TenantId = MAIN) -> MemoryRecords:
    records = MemoryRecords()

    def work(writer: Writer) -> None:
        for number in range(count):
            writer.put(NUMBERS, tenant, f"{number:04d}", number)

    await records.write(work)
    return records


@given(
    count=st.integers(0, 40),
    limit=st.integers(1, 7),
    bounds=st.tuples(st.integers(1, 9), st.integers(1, 5)),
    modulus=st.sampled_from([None, 1, 3, 50]),
    where=st.sampled_from([None, ("odd", "yes")]),
    descending=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_all_pages_together_are_what_a_naive_look_finds(
    count: int,
    limit: int,
    bounds: tuple[int, int],
    modulus: int | None,
    where: tuple[str, str] | None,
    descending: bool,
) -> None:
    """In order, each once, whatever a page may examine; no page is longer than was asked for."""

    async def story(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(module, "EXAMINED_MAX", bounds[0])
        patch.setattr(module, "AT_ONCE", bounds[1])
        records = await store(count)
        keep = None if modulus is None else (lambda one: one % modulus == 0)
        wanted = Wanted(NUMBERS, MAIN, where, keep, descending)
        found: list[int] = []
        after: str | None = ""
        while after is not None:
            behind = after
            part: Part[int] = await records.read(
                lambda reader, behind=behind: examine(reader, wanted, after=behind, limit=limit)  # type: ignore[misc]  # mypy cannot type a lambda's default
            )
            assert len(part.items) <= limit
            found += part.items
            after = part.after
        naive = [
            one
            for one in range(count)
            if (where is None or one % 2) and (modulus is None or one % modulus == 0)
        ]
        assert found == (naive[::-1] if descending else naive)

    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(story(patch))


async def test_a_page_examines_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sieve that keeps nothing: an empty page that says where to go on."""
    monkeypatch.setattr(module, "EXAMINED_MAX", 10)
    monkeypatch.setattr(module, "AT_ONCE", 4)
    records = await store(25)
    seen: list[int] = []

    def keep(one: int) -> bool:
        seen.append(one)
        return one == 24

    part = await records.read(lambda reader: examine(reader, Wanted(NUMBERS, MAIN, keep=keep)))
    assert (part.items, part.after, len(seen)) == ([], "0009", 10)
    foreign = await records.read(lambda reader: examine(reader, Wanted(NUMBERS, OTHER, keep=keep)))
    assert (foreign.items, foreign.after) == ([], None)


async def test_who_must_have_all_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Part by part, each in a look of its own, and not more than was asked for."""
    monkeypatch.setattr(module, "EXAMINED_MAX", 3)
    records = await store(20)
    wanted = Wanted(NUMBERS, MAIN, keep=lambda one: one % 5 == 0)

    async def part_of(after: str, limit: int) -> Part[int]:
        return await records.read(lambda reader: examine(reader, wanted, after=after, limit=limit))

    assert await collect(part_of, after="", limit=100) == [0, 5, 10, 15]
    assert await collect(part_of, after="0003", limit=2) == [5, 10]


async def test_no_listing_with_a_sieve_reads_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices of a type by state, assets below one by kind, attachments by moment."""
    registry = Registry()
    await registry.assets.create(ALICE, NewAsset("site", "north"))
    await registry.devices.create(ALICE, NewDevice("tracker"))
    for number in range(12):
        name = f"t-{number:02d}"
        await registry.devices.create(ALICE, NewDevice(name))
        await registry.assets.create(ALICE, NewAsset("trailer", name, parent="north"))
        registry.clock.turn(1)
        await registry.attachments.attach(ALICE, "tracker", AttachmentRole.OBSERVES, name)
    monkeypatch.setattr(module, "EXAMINED_MAX", 5)
    read: list[int] = []
    whole = MemoryReader.list

    def counted(self: MemoryReader, *arguments: Any, **more: Any) -> Any:
        found = whole(self, *arguments, **more)
        read.append(len(found))
        return found

    monkeypatch.setattr(MemoryReader, "list", counted)
    uid = registry.devices.get(MAIN, "tracker").uid
    for part in (
        await registry.devices.list_part(MAIN, type_name="", lifecycle=Lifecycle.REVOKED),
        await registry.assets.list(MAIN, kind="machine", parent="north"),
        await registry.attachments.list(MAIN, ("device", uid), at=1),
    ):
        assert (list(part.items), part.after is not None) == ([], True)
    assert read == [5, 5, 5]

"""What a device wants changed in its twin is changed on both sides at once, and once."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from tests.twins.test_twins import ACME, PUMP, make, reported

from weft.backends.memory.records import MemoryRecords
from weft.errors import Invalid, StorageError
from weft.model.ids import DeviceId, TenantId
from weft.model.message import SETTLED as SETTLED_SESSION
from weft.model.message import RejectionReason
from weft.model.principal import Principal, PrincipalKind
from weft.model.twin import Properties
from weft.ports import Writer
from weft.security.audit import AUDIT
from weft.twins.changes import Side, TwinChange
from weft.twins.requests import SETTLED, Settling, TwinRequest
from weft.twins.twins import DESIRED, TWINS

T = TypeVar("T")
ITSELF = Principal(ACME, PrincipalKind.DEVICE, "pump-7", "uid-7")


def both(position: int = 5, **more: Any) -> TwinRequest:
    return TwinRequest(PUMP, position, 50, {"interval": 3}, {"interval": 3}, **more)


class CountedRecords(MemoryRecords):
    """Counts transactions; fails, or waits, as it is told."""

    writes = 0
    is_full = False

    def __init__(self) -> None:
        super().__init__()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def write(self, work: Callable[[Writer], T]) -> T:
        self.writes += 1
        if self.is_full:
            raise StorageError("The disk is full.")
        result = await super().write(work)
        await self.go_on.wait()
        return result


async def test_both_sides_are_one_transaction_and_one_version() -> None:
    records = CountedRecords()
    twins = await make(records)
    changes: list[TwinChange] = []
    twins.on_properties(changes.append)
    before = records.writes
    settled = await twins.settle(ITSELF, both())
    assert records.writes == before + 1
    twin = twins.get(ACME, PUMP)
    assert (twin.reported, twin.desired) == ({"interval": 3}, {"interval": 3})
    assert twin.version == settled.version == 1
    assert [one.side for one in changes] == [Side.REPORTED, Side.DESIRED]
    again = await make(records)  # nothing was checkpointed
    assert again.get(ACME, PUMP) == twin


@pytest.mark.parametrize("side", ["reported", "desired"])
async def test_one_side_alone_is_one_version_too(side: str) -> None:
    twins = await make()
    patch: dict[str, Any] = {side: {"interval": 3}}
    settled = await twins.settle(ITSELF, TwinRequest(PUMP, 5, 50, **patch))
    twin = twins.get(ACME, PUMP)
    assert (twin.version, getattr(twin, side)) == (1, {"interval": 3})
    assert settled.version == 1


async def test_what_was_settled_is_not_done_again() -> None:
    """After a crash it comes again: nothing changes, one audit entry stands, and it is told how
    it ended."""
    records = MemoryRecords()
    first = await (await make(records)).settle(ITSELF, both())
    twins = await make(records)
    assert await twins.settle(ITSELF, both()) == first
    assert twins.get(ACME, PUMP).version == 1
    entries = await records.read(lambda r: r.list(AUDIT, ACME, limit=10))
    assert [one.value.action for one in entries] == ["twin.desire"]
    later = await twins.settle(ITSELF, TwinRequest(PUMP, 6, 60, {"interval": 4}))
    assert await twins.settle(ITSELF, both()) == later


async def test_a_refusal_is_remembered_and_stays_one() -> None:
    """Its version fits after the crash: it was refused all the same, and its sender told so."""
    records = MemoryRecords()
    twins = await make(records)
    refused = (await twins.settle(ITSELF, both(version=1))).refused
    assert refused is not None
    assert refused.code == "conflict"
    await twins.desire(ITSELF, PUMP, {"x": 1}, version=0)
    again = await make(records)
    assert (await again.settle(ITSELF, both(version=1))).refused == refused
    assert again.get(ACME, PUMP).reported == {}
    other = RejectionReason("forbidden", "It may not.", "")
    assert (await again.settle(ITSELF, both(6, refused=other))).refused == other
    assert again.get(ACME, PUMP).version == 1


async def test_the_version_named_is_that_of_both_sides() -> None:
    twins = await make()
    twins.apply(reported(1, interval=1))
    await twins.desire(ITSELF, PUMP, {"interval": 2}, version=0)
    settled = await twins.settle(ITSELF, both(version=2))
    assert (settled.refused, settled.version) == (None, 3)


async def test_a_wish_against_the_type_refuses_the_whole() -> None:
    twins = await make()

    def check(_tenant: TenantId, _device_id: DeviceId, _patch: Properties) -> None:
        raise Invalid("There is no such property.")

    twins.check_desired_with(check)
    settled = await twins.settle(ITSELF, both())
    assert settled.refused is not None
    assert twins.get(ACME, PUMP).version == 0


async def test_what_was_reported_since_stays() -> None:
    """The request came first and is done later: the newer report is not undone."""
    twins = await make()
    late = reported(6, interval=9)
    late.envelopes[0].received_at = 60
    twins.apply(late)
    await twins.settle(ITSELF, TwinRequest(PUMP, 5, 50, {"interval": 3, "mode": "eco"}))
    assert twins.get(ACME, PUMP).reported == {"interval": 9, "mode": "eco"}


async def test_its_report_is_not_taken_in_a_second_time() -> None:
    """The message that tells others of it changes no twin."""
    twins = await make()
    await twins.settle(ITSELF, both())
    told = reported(6, interval=3)
    told.envelopes[0].session = SETTLED_SESSION
    twins.apply(told)
    assert twins.get(ACME, PUMP).version == 1


async def test_a_full_disk_changes_nothing() -> None:
    records = CountedRecords()
    twins = await make(records)
    records.is_full = True
    with pytest.raises(StorageError):
        await twins.settle(ITSELF, both())
    assert twins.get(ACME, PUMP).version == 0
    records.is_full = False
    await twins.settle(ITSELF, both())
    assert twins.get(ACME, PUMP).version == 1


async def test_a_checkpoint_meanwhile_does_not_undo_it() -> None:
    """A copy of the twin from before is not written behind the transaction."""
    records = CountedRecords()
    twins = await make(records)
    twins.apply(reported(1, mode="eco"))
    records.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(twins.settle(ITSELF, both()))
        await asyncio.sleep(0)
        tasks.create_task(twins.checkpoint())
        for _ in range(10):
            await asyncio.sleep(0)
        records.go_on.set()
    stored = await records.read(lambda r: r.find(TWINS, ACME, PUMP))
    assert stored is not None
    assert stored.value.properties == {"mode": "eco", "interval": 3}


async def test_a_deleted_device_leaves_no_request_behind() -> None:
    records = MemoryRecords()
    twins = await make(records)
    await twins.settle(ITSELF, both())
    await twins.forget(ACME, PUMP)
    for kind in (SETTLED, DESIRED, TWINS):
        assert await records.read(lambda r, kind=kind: r.find(kind, ACME, PUMP)) is None


async def test_who_waits_for_a_twin_has_its_turn_before_the_next_request() -> None:
    """A device that asks without a pause holds no checkpoint up."""
    settling = Settling()
    key = (ACME, PUMP)
    done: list[str] = []

    async def ask() -> None:
        for number in range(5):
            async with settling.alone(key):
                await asyncio.sleep(0)
                done.append(f"request {number}")

    async def store() -> None:
        await asyncio.sleep(0)
        await settling.wait([key])
        done.append("stored")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask())
        tasks.create_task(store())
    assert done[:2] == ["request 0", "stored"]

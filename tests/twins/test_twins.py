"""Twins: told by devices, desired by people, the same after a crash."""

from collections.abc import Callable
from typing import TypeVar

import pytest

from weft.backends.memory.records import MemoryRecords
from weft.errors import Invalid, QuotaExceeded, StaleVersion, StorageError
from weft.model.ids import DeviceId, TenantId
from weft.model.message import REDRIVEN, Committed, Envelope, Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.model.telemetry import Reading
from weft.model.twin import Stamp
from weft.ports import Writer
from weft.security.audit import Audit
from weft.supervision import FakeClock
from weft.twins.changes import PropertyChange, Side, TwinChange
from weft.twins.twins import REPORTED_MAX_BYTES, STORED_AT_ONCE, TWINS, Twins

T = TypeVar("T")
ACME = TenantId("acme")
PUMP = DeviceId("pump-7")
ALICE = Principal(ACME, PrincipalKind.USER, "alice", "u1")


def route(operation: Operation) -> Route:
    return Route(ACME, "device", PUMP, "t", operation, PUMP)


TELEMETRY, REPORTED = route(Operation.TELEMETRY), route(Operation.REPORTED)


def telemetry(first: int, at: int, **values: float) -> Committed:
    return Committed(first, [Envelope(TELEMETRY, at, b"")], [[Reading(at, values)]])


def reported(first: int, **patch: object) -> Committed:
    return Committed(first, [Envelope(REPORTED, 9, b"")], [patch])


async def make(records: MemoryRecords | None = None, clock: FakeClock | None = None) -> Twins:
    records, clock = records or MemoryRecords(), clock or FakeClock()
    twins = Twins(records, Audit(records, clock, b"k" * 32), clock)
    await twins.load()
    return twins


async def test_a_device_that_never_spoke_has_an_empty_twin() -> None:
    twin = (await make()).get(ACME, PUMP)
    assert (twin.version, twin.reported, twin.telemetry) == (0, {}, {})


async def test_when_a_device_was_heard_is_known_without_its_twin() -> None:
    """A list of thousands asks for nothing else."""
    twins = await make()
    assert twins.last_seen_at(ACME, PUMP) == 0
    twins.apply(telemetry(1, 5, temperature=21.5))
    assert twins.last_seen_at(ACME, PUMP) == twins.get(ACME, PUMP).last_seen_at == 5


async def test_telemetry_and_reports_are_seen_at_once() -> None:
    twins = await make()
    told: list[DeviceId] = []
    twins.on_change(lambda _tenant, device: told.append(device))
    twins.apply(telemetry(1, 5, temperature=21.5))
    twins.apply(reported(2, interval=10))
    twin = twins.get(ACME, PUMP)
    assert twin.telemetry["temperature"].value == 21.5
    assert (twin.reported, twin.last_seen_at) == ({"interval": 10}, 9)
    assert told == [PUMP]


async def test_a_restart_reads_again_exactly_what_was_not_stored() -> None:
    records = MemoryRecords()
    twins = await make(records)
    twins.apply(telemetry(1, 5, temperature=1))
    await twins.checkpoint()
    twins.apply(telemetry(2, 6, temperature=2))
    again = await make(records)
    assert again.position == 1
    assert again.get(ACME, PUMP).telemetry["temperature"].value == 1
    again.apply(telemetry(2, 6, temperature=2))
    assert again.get(ACME, PUMP) == twins.get(ACME, PUMP)


async def test_a_stale_write_is_refused() -> None:
    """Two operators set the same pump; the slower one is told, nothing is lost."""
    twins = await make()
    await twins.desire(ALICE, PUMP, {"rpm": 900}, version=0)
    with pytest.raises(StaleVersion, match="version 1, not 0"):
        await twins.desire(ALICE, PUMP, {"rpm": 1200}, version=0)
    assert twins.get(ACME, PUMP).desired == {"rpm": 900}


async def test_the_delta_goes_to_the_device_until_it_has_caught_up() -> None:
    twins = await make()
    sent: list[bytes] = []

    async def publish(_tenant: TenantId, _device: DeviceId, payload: bytes) -> None:
        sent.append(payload)

    twins.publish_delta_with(publish)
    await twins.desire(ALICE, PUMP, {"rpm": 900}, version=0)
    twins.apply(reported(1, rpm=900))
    await twins.send_deltas()
    assert sent == [
        b'{"version":1,"properties":{"rpm":900}}',
        b'{"version":1,"properties":{}}',
    ]


async def test_desired_properties_survive_a_restart_and_go_with_the_device() -> None:
    records = MemoryRecords()
    twins = await make(records)
    await twins.desire(ALICE, PUMP, {"rpm": 900}, version=0)
    twins.apply(reported(1, rpm=800))
    await twins.checkpoint()
    again = await make(records)
    assert again.get(ACME, PUMP).delta() == {"rpm": 900}
    await again.forget(ACME, PUMP)
    assert (await make(records)).get(ACME, PUMP).desired == {}


async def test_a_delta_that_could_not_be_kept_is_sent_later_and_hinders_no_other() -> None:
    """The disk is full for one of three commits; the desire itself is stored and says so."""
    twins = await make()
    names = [DeviceId(f"pump-{number}") for number in range(3)]
    sent: list[DeviceId] = []
    failing = set(names)

    async def publish(_tenant: TenantId, device_id: DeviceId, _payload: bytes) -> None:
        if device_id in failing:
            raise StorageError("The disk is full.")
        sent.append(device_id)

    twins.publish_delta_with(publish)
    for name in names:
        assert (await twins.desire(ALICE, name, {"rpm": 900}, version=0)).desired_version == 1
    assert sent == []
    failing = {names[0]}
    await twins.send_deltas()
    assert sorted(sent) == names[1:]
    failing.clear()
    await twins.send_deltas()
    await twins.send_deltas()
    assert sorted(sent) == names


async def test_a_delta_that_a_crash_cut_off_is_sent_after_the_restart() -> None:
    records = MemoryRecords()
    await (await make(records)).desire(ALICE, PUMP, {"rpm": 900}, version=0)
    again = await make(records)
    sent: list[bytes] = []

    async def publish(_tenant: TenantId, _device: DeviceId, payload: bytes) -> None:
        sent.append(payload)

    again.publish_delta_with(publish)
    await again.send_deltas()
    assert sent == [b'{"version":1,"properties":{"rpm":900}}']


async def test_a_deleted_device_is_sent_nothing_more() -> None:
    twins = await make()
    await twins.desire(ALICE, PUMP, {"rpm": 900}, version=0)
    twins.apply(reported(1, rpm=800))
    sent: list[bytes] = []

    async def publish(_tenant: TenantId, _device: DeviceId, payload: bytes) -> None:
        sent.append(payload)

    twins.publish_delta_with(publish)
    await twins.forget(ACME, PUMP)
    await twins.send_deltas()
    assert sent == []


async def test_a_twin_grows_no_further_than_it_may() -> None:
    """A device that makes up a new property each time fills no memory; it is told at the door."""
    twins = await make()
    size = REPORTED_MAX_BYTES // 2
    twins.require_room(ACME, PUMP, {"a": "x" * size})
    twins.apply(reported(1, a="x" * size))
    with pytest.raises(QuotaExceeded, match="bytes"):
        twins.require_room(ACME, PUMP, {"b": "x" * size})
    twins.require_room(ACME, PUMP, {"a": None, "b": "x" * size})
    twins.apply(reported(2, b="x" * size))
    twins.require_room(ACME, PUMP, {"b": None})  # out of room, and still smaller than before


async def test_a_clock_that_was_set_back_does_not_hide_what_comes_now() -> None:
    """The machine started with a wrong clock, an hour ahead; the dashboard shows today's values."""
    twins = await make()
    twins.apply(telemetry(1, 3_700, temperature=1))
    assert twins.get(ACME, PUMP).telemetry["temperature"].value == 1
    twins.apply(telemetry(2, 100, temperature=2))
    assert twins.get(ACME, PUMP).telemetry["temperature"].value == 2


async def test_what_is_redriven_neither_outdates_nor_was_seen_now() -> None:
    """Yesterday's message goes in as of yesterday: the device has spoken since."""
    twins = await make()
    twins.apply(telemetry(1, 100, temperature=1))
    again = telemetry(2, 50, temperature=2)
    again.envelopes[0].session = REDRIVEN
    twins.apply(again)
    twin = twins.get(ACME, PUMP)
    assert (twin.telemetry["temperature"].value, twin.last_seen_at) == (1, 100)


async def test_a_redriven_report_undoes_nothing() -> None:
    """What the device has reported since holds; what nobody knew by now is taken in."""
    twins = await make()
    twins.apply(reported(1, firmware="1.5"))
    again = reported(2, firmware="1.4", serial="A7", gone=None)
    again.envelopes[0].session = REDRIVEN
    twins.apply(again)
    assert twins.get(ACME, PUMP).reported == {"firmware": "1.5", "serial": "A7"}


async def test_a_report_that_is_read_again_counts_once() -> None:
    """A crash between a twin's own record and the position: the report comes a second time."""
    records = MemoryRecords()
    twins = await make(records)
    twins.apply(reported(1, interval=10))
    await twins._store([(ACME, PUMP)])
    again = await make(records)
    assert again.position == 0
    again.apply(reported(1, interval=10))
    again.apply(reported(2, interval=20))
    twin = again.get(ACME, PUMP)
    assert (twin.reported, twin.version) == ({"interval": 20}, 2)


async def test_a_large_fleet_is_stored_in_turns_so_that_alarms_need_not_wait() -> None:
    """A thousand twins in one transaction held every other write up."""

    class Counting(MemoryRecords):
        sizes: list[int] = []  # noqa: RUF012  one test's

        async def write(self, work: Callable[[Writer], T]) -> T:
            before = await self.read(lambda r: r.count(TWINS, ACME))
            result = await super().write(work)
            self.sizes.append(await self.read(lambda r: r.count(TWINS, ACME)) - before)
            return result

    records = Counting()
    twins = await make(records)
    for number in range(200):
        device = DeviceId(f"pump-{number}")
        route = Route(ACME, "device", device, "t", Operation.TELEMETRY, device)
        batch = Committed(number + 1, [Envelope(route, 5, b"")], [[Reading(5, {"t": 1.0})]])
        twins.apply(batch)
    await twins.checkpoint()
    assert max(records.sizes) <= STORED_AT_ONCE
    assert sum(records.sizes) == 200
    assert (await make(records)).position == 200


async def test_each_property_says_when_it_was_told_and_by_whom() -> None:
    """Also after a restart; a wish that is taken back takes its stamp along."""
    records, clock = MemoryRecords(), FakeClock()
    twins = await make(records, clock)
    await twins.desire(ALICE, PUMP, {"rpm": 900, "mode": "eco"}, version=0)
    await twins.desire(ALICE, PUMP, {"mode": None}, version=1)
    twins.apply(reported(1, rpm=800))
    await twins.checkpoint()
    for one in (twins, await make(records)):
        twin = one.get(ACME, PUMP)
        assert twin.desired_stamps == {"rpm": Stamp(clock.now(), "user:alice")}
        assert twin.reported_stamps == {"rpm": Stamp(9, "device:pump-7")}


async def test_whoever_follows_properties_is_told_old_and_new_and_what_is_missing() -> None:
    twins = await make()
    told: list[TwinChange] = []
    twins.on_properties(told.append)
    await twins.desire(ALICE, PUMP, {"rpm": 900}, version=0)
    twins.apply(reported(1, rpm=800, firmware="1"))
    twins.apply(reported(2, rpm=900))
    assert [(one.side, one.changes, one.delta) for one in told] == [
        (Side.DESIRED, (PropertyChange("rpm", None, 900),), {"rpm": 900}),
        (
            Side.REPORTED,
            (PropertyChange("firmware", None, "1"), PropertyChange("rpm", None, 800)),
            {"rpm": 900},
        ),
        (Side.REPORTED, (PropertyChange("rpm", 800, 900),), {}),
    ]
    assert [(one.by, one.desired_version) for one in told] == [
        ("user:alice", 1),
        ("device:pump-7", 1),
        ("device:pump-7", 1),
    ]


async def test_a_wish_that_is_refused_is_not_kept() -> None:
    twins = await make()

    def refuse(_tenant: TenantId, _device: DeviceId, _patch: object) -> None:
        raise Invalid("desired.rpm is 9000, above the maximum of 3000.")

    twins.check_desired_with(refuse)
    with pytest.raises(Invalid):
        await twins.desire(ALICE, PUMP, {"rpm": 9000}, version=0)
    assert twins.get(ACME, PUMP).desired == {}


async def test_a_device_that_is_there_and_has_not_caught_up_is_told_again() -> None:
    """Not while it is away, ever more seldom, and not once it has caught up."""
    clock = FakeClock()
    twins = await make(clock=clock)
    sent: list[bytes] = []
    online = [False]

    async def publish(_tenant: TenantId, _device: DeviceId, payload: bytes) -> None:
        sent.append(payload)

    async def minutes(count: int) -> int:
        before = len(sent)
        for _ in range(count):
            clock.turn(60)
            await twins.send_deltas()
        return len(sent) - before

    twins.publish_delta_with(publish)
    twins.online_with(lambda _tenant, _device: online[0])
    await twins.desire(ALICE, PUMP, {"rpm": 900}, version=0)
    assert await minutes(5) == 0
    online[0] = True
    assert await minutes(1) == 1
    assert await minutes(14) == 3, "after 2, 4 and 8 minutes more"
    twins.apply(reported(1, rpm=900))
    assert await minutes(300) == 1, "the empty delta says that all is well"

"""Who is connected, by itself or through a gateway, and when it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.support import Registry

from weft.backends.memory.records import MemoryRecords
from weft.errors import StorageError
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.devices import NewDevice
from weft.registry.presence import CUT_BY_STOP, SPELLS_PER_DEVICE, Presence, PresenceChange
from weft.security.connections import Connection, Connections
from weft.supervision import FakeClock

ACME = TenantId("acme")
ADMIN = Principal(ACME, PrincipalKind.SYSTEM, "weft", "system")
PUMP = Principal(ACME, PrincipalKind.DEVICE, "pump-7", "uid-7")
ERP = Principal(ACME, PrincipalKind.KEY, "erp", "uid-erp")


class Hall:
    """Presence behind the index of connections."""

    def __init__(self, records: MemoryRecords | None = None) -> None:
        self.clock = FakeClock()
        self.records = records or MemoryRecords()
        self.connections = Connections(self.clock)
        self.presence = Presence(self.records, self.clock)
        self.presence.watch(self.connections)
        self.told: list[PresenceChange] = []
        self.presence.on_change(self.told.append)

    def come(self, principal: Principal = PUMP, protocol: str = "mqtt") -> Connection:
        connection = Connection(principal, protocol, "192.0.2.7:5", lambda _reason: None)
        return self.connections.register(connection)

    async def reasons(self, uid: str = PUMP.uid) -> list[str]:
        return [one.value.reason for one in await self.presence.list(ACME, uid)]


async def test_a_device_is_there_from_its_first_connection_to_its_last() -> None:
    hall = Hall()
    first, second = hall.come(), hall.come(protocol="coaps")
    assert hall.presence.is_connected(PUMP.uid)
    hall.clock.turn(5)
    hall.connections.unregister(first, "it left")
    assert hall.presence.is_connected(PUMP.uid)
    hall.connections.cut(PUMP.uid, "the device was revoked")
    assert not hall.presence.is_connected(PUMP.uid)
    assert [change.connected for change in hall.told] == [True, True, True, False]
    assert await hall.reasons() == ["the device was revoked", "it left"]
    assert second.protocol == "coaps"


async def test_people_and_keys_have_no_presence() -> None:
    hall = Hall()
    hall.connections.unregister(hall.come(ERP))
    assert hall.told == []


async def test_what_a_crash_left_open_is_ended_at_the_next_start() -> None:
    hall = Hall()
    hall.come()
    await hall.presence.checkpoint()
    again = Hall(hall.records)
    await again.presence.load()
    assert not again.presence.is_connected(PUMP.uid)
    assert await again.reasons() == [CUT_BY_STOP]


async def test_only_so_many_spells_are_kept() -> None:
    hall = Hall()
    for _ in range(SPELLS_PER_DEVICE + 30):
        hall.connections.unregister(hall.come())
    kept = await hall.presence.list(ACME, PUMP.uid, limit=1_000)
    assert len(kept) == SPELLS_PER_DEVICE


async def test_a_full_disk_loses_no_spell() -> None:
    """What could not be stored is stored at the next turn."""

    class Failing(MemoryRecords):
        fails = True

        async def write(self, work: object) -> object:  # type: ignore[override]
            if self.fails:
                raise StorageError("The disk is full.")
            return await super().write(work)  # type: ignore[arg-type]

    hall = Hall(Failing())
    hall.connections.unregister(hall.come())
    with pytest.raises(StorageError):
        await hall.presence.checkpoint()
    hall.records.fails = False  # type: ignore[attr-defined]
    assert await hall.reasons() == ["it left"]


async def test_what_a_gateway_said_before_it_left_leaves_no_device_behind() -> None:
    """Its message is applied after its connection has ended: the device would stay forever."""
    registry, hall = Registry(), Hall()
    gateway = await registry.devices.create(ADMIN, NewDevice(device_id="gw-1"))
    room = await registry.devices.create(ADMIN, NewDevice(device_id="room-1", gateway="gw-1"))
    live = hall.come(Principal(ACME, PrincipalKind.DEVICE, "gw-1", gateway.uid))
    hall.connections.unregister(live, "it left")
    hall.presence.child_came(gateway, room, "mqtt")
    assert not hall.presence.is_connected(room.uid)


async def test_a_gateways_devices_come_and_go_with_its_word_and_with_it() -> None:
    registry, hall = Registry(), Hall()
    gateway = await registry.devices.create(ADMIN, NewDevice(device_id="gw-1"))
    children = [
        await registry.devices.create(ADMIN, NewDevice(device_id=name, gateway="gw-1"))
        for name in ("room-1", "room-2")
    ]
    live = hall.come(Principal(ACME, PrincipalKind.DEVICE, "gw-1", gateway.uid))
    for child in (*children, children[0]):  # saying it twice changes nothing
        hall.presence.child_came(gateway, child, "mqtt")
    assert len(hall.told) == 3
    hall.presence.child_left(gateway, children[0], "its gateway says so")
    hall.presence.child_left(gateway, children[0], "again")
    assert not hall.presence.is_connected(children[0].uid)
    assert [one.through for one in hall.presence.open_spells(children[1].uid)] == [gateway.uid]
    hall.connections.unregister(live)
    assert not hall.presence.is_connected(children[1].uid)
    assert await hall.reasons(children[1].uid) == ["its gateway left"]
    assert await hall.reasons(children[0].uid) == ["its gateway says so"]


async def test_nothing_stays_of_a_deleted_device() -> None:
    """Its delete ends its connection, which is noted, and then forgotten."""
    registry, hall = Registry(), Hall()
    device = await registry.devices.create(ADMIN, NewDevice(device_id="pump-7"))
    hall.come(Principal(ACME, PrincipalKind.DEVICE, "pump-7", device.uid))
    await hall.presence.checkpoint()
    hall.connections.cut(device.uid, "deleted")
    await hall.presence.forget(device)
    assert await hall.reasons(device.uid) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=40))
async def test_presence_is_whether_any_connection_is_left(
    steps: list[tuple[bool, int]],
) -> None:
    """Against a model that counts."""
    hall = Hall()
    held: list[Connection] = []
    for comes, number in steps:
        if comes:
            held.append(hall.come())
        elif held:
            hall.connections.unregister(held.pop(number % len(held)))
        assert hall.presence.is_connected(PUMP.uid) == bool(held)
        assert len(hall.presence.open_spells(PUMP.uid)) == len(held)


async def test_a_device_that_is_heard_without_a_connection_has_one_spell() -> None:
    """Again changes nothing; while it is connected, its connection says that it is there."""
    hall = Hall()
    pump = Device(ACME, DeviceId("pump-7"), DeviceUid(PUMP.uid), None, Lifecycle.ACTIVE, 0)
    connection = hall.come()
    hall.presence.heard_itself(pump, "http", "192.0.2.7", hall.clock.now())
    assert [one.protocol for one in hall.presence.open_spells(PUMP.uid)] == ["mqtt"]
    hall.connections.unregister(connection, "it left")
    for _ in range(2):
        hall.presence.heard_itself(pump, "http", "192.0.2.7", hall.clock.now())
    assert [one.protocol for one in hall.presence.open_spells(PUMP.uid)] == ["http"]
    for _ in range(2):
        hall.presence.fell_silent(pump, "nothing was heard of it")
    assert not hall.presence.is_connected(PUMP.uid)
    assert await hall.reasons() == ["nothing was heard of it", "it left"]


async def test_a_gateway_that_falls_silent_takes_its_devices_along() -> None:
    """As one that leaves: nobody else would say that they are gone."""
    hall = Hall()
    gateway = Device(ACME, DeviceId("gw"), DeviceUid("uid-gw"), None, Lifecycle.ACTIVE, 0)
    child = Device(
        ACME, DeviceId("room"), DeviceUid("uid-r"), None, Lifecycle.ACTIVE, 0, gateway=gateway.uid
    )
    hall.presence.heard_itself(gateway, "http", "192.0.2.7", hall.clock.now())
    hall.presence.child_came(gateway, child, "gateway")
    assert hall.presence.is_connected(child.uid)
    hall.presence.fell_silent(gateway, "nothing was heard of it")
    assert not hall.presence.is_connected(child.uid)

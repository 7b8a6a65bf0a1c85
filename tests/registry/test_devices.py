"""Devices: safe names, listed moves only, and nothing of a deleted one stays behind."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.registry.support import ALICE, MAIN, MALLORY, OTHER, PUMP, Registry

from weft.errors import (
    AlreadyExists,
    Conflict,
    Invalid,
    NotFound,
    QuotaExceeded,
    StaleVersion,
    StorageError,
    TooLarge,
)
from weft.model.device import MOVES, Device, Lifecycle
from weft.model.ids import DeviceId
from weft.registry.devices import DeviceChange, DevicePatch, NewDevice
from weft.registry.kinds import TOMBSTONES
from weft.registry.tenants import Quotas

PUMP_7 = NewDevice("pump-7", label="Pump 7", attributes={"hall": 3})


async def test_a_device_is_found_at_once_and_after_a_restart() -> None:
    """The gate asks on the loop thread, without waiting for a disk."""
    registry = Registry()
    made = await registry.devices.create(ALICE, PUMP_7)

    assert registry.devices.find(MAIN, "pump-7") == made
    assert (await registry.restarted()).devices.get(MAIN, "pump-7") == made
    assert made.lifecycle is Lifecycle.ACTIVE
    assert made.version == 1


async def test_a_device_without_a_name_is_named_by_its_birth() -> None:
    """Two of them never meet."""
    registry = Registry()
    one = await registry.devices.create(ALICE, NewDevice())
    two = await registry.devices.create(ALICE, NewDevice())
    assert one.device_id < two.device_id or one.device_id != two.device_id
    assert len(one.device_id) == 36


async def test_id_1_a_namesake_of_a_deleted_device_is_another_device() -> None:
    """A credential bound to the old uid stays dead though the name is back."""
    registry = Registry()
    old = await registry.devices.create(ALICE, PUMP_7)
    await registry.devices.delete(ALICE, "pump-7")
    new = await registry.devices.create(ALICE, PUMP_7)

    assert new.device_id == old.device_id
    assert new.uid != old.uid
    stone = await registry.records.read(lambda reader: reader.get(TOMBSTONES, MAIN, old.uid))
    assert stone.value.device is None


async def test_id_1_no_uid_comes_twice() -> None:
    """Ten thousand devices of one name, one after the other in effect."""
    registry = Registry()
    uids = {(await registry.devices.create(ALICE, NewDevice(f"d{i}"))).uid for i in range(300)}
    assert len(uids) == 300


@pytest.mark.parametrize(
    "name", ["+", "#", "a/b", "$SYS", "a b", "a\0", "a\n", "-rf", "..", "", "ü"]
)
async def test_mq_3_names_that_mean_something_elsewhere_are_refused(name: str) -> None:
    """A device named `+` once read every device's topics (CVE-2017-7650)."""
    registry = Registry()
    with pytest.raises(Invalid):
        await registry.devices.create(ALICE, NewDevice(name))
    assert await registry.devices.list(MAIN) == []


@given(st.text(max_size=130))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_mq_3_any_name_is_safe_or_refused(name: str) -> None:
    """Whatever the owner writes: a topic level, a file name and a log line hold it."""
    registry = Registry()
    try:
        made = await registry.devices.create(ALICE, NewDevice(name))
    except Invalid:
        return
    assert made.device_id == name
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("+#/ $\\\"'<>&;|`")
    assert name[0].isalnum()


async def test_a_name_is_taken_once_per_tenant() -> None:
    """The other tenant's device of that name is another device."""
    registry = Registry()
    await registry.devices.create(ALICE, PUMP_7)
    with pytest.raises(AlreadyExists):
        await registry.devices.create(ALICE, PUMP_7)
    await registry.devices.create(MALLORY, PUMP_7)

    await registry.devices.delete(MALLORY, "pump-7")
    assert registry.devices.find(MAIN, "pump-7")
    assert registry.devices.find(OTHER, "pump-7") is None


async def test_tn_1_another_tenant_s_device_is_not_found() -> None:
    """Not forbidden: not there."""
    registry = Registry()
    await registry.devices.create(ALICE, PUMP_7)
    with pytest.raises(NotFound):
        await registry.devices.patch(MALLORY, "pump-7", DevicePatch(label="mine"))
    with pytest.raises(NotFound):
        await registry.devices.move(MALLORY, "pump-7", Lifecycle.SUSPENDED)
    with pytest.raises(NotFound):
        await registry.devices.delete(MALLORY, "pump-7")
    with pytest.raises(NotFound):
        registry.devices.get(OTHER, "pump-7")
    assert await registry.devices.list(OTHER) == []


async def test_a_patch_names_only_what_changes() -> None:
    """A label is set, an attribute removed; the rest is as it was."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    await registry.devices.create(ALICE, PUMP_7)

    patch = DevicePatch(attributes={"hall": None, "line": "B"}, type_name="pump")
    changed = await registry.devices.patch(ALICE, "pump-7", patch)

    assert changed.attributes == {"line": "B"}
    assert (changed.label, changed.type_name, changed.version) == ("Pump 7", "pump", 2)
    assert (await registry.restarted()).devices.get(MAIN, "pump-7") == changed
    assert registry.audit.entries[-1][3]["changed"] == ["attributes", "type_name"]


async def test_a_device_can_be_freed_of_its_type() -> None:
    """None is a value here, not an absence."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    await registry.devices.create(ALICE, NewDevice("p", type_name="pump"))
    freed = await registry.devices.patch(ALICE, "p", DevicePatch(type_name=None))
    assert freed.type_name is None


async def test_a_type_must_be_there() -> None:
    """A mistyped type would leave the device unchecked."""
    registry = Registry()
    with pytest.raises(NotFound, match="'pmp'"):
        await registry.devices.create(ALICE, NewDevice("p", type_name="pmp"))
    await registry.devices.create(ALICE, NewDevice("p"))
    with pytest.raises(NotFound, match="'pmp'"):
        await registry.devices.patch(ALICE, "p", DevicePatch(type_name="pmp"))


async def test_a_stale_write_is_refused_and_changes_nothing() -> None:
    """Two operators edit one pump; the slower one is told, nothing is lost."""
    registry = Registry()
    await registry.devices.create(ALICE, PUMP_7)
    await registry.devices.patch(ALICE, "pump-7", DevicePatch(label="A"), version=1)

    with pytest.raises(StaleVersion):
        await registry.devices.patch(ALICE, "pump-7", DevicePatch(label="B"), version=1)
    with pytest.raises(StaleVersion):
        await registry.devices.move(ALICE, "pump-7", Lifecycle.SUSPENDED, version=1)
    with pytest.raises(StaleVersion):
        await registry.devices.delete(ALICE, "pump-7", version=1)
    assert registry.devices.get(MAIN, "pump-7").label == "A"


async def test_a_quota_is_the_last_word() -> None:
    """A tenant's third device finds no place; deleting one makes room."""
    registry = Registry()
    await registry.tenants.create(ALICE, "main", quotas=Quotas(devices=2))
    await registry.devices.create(ALICE, NewDevice("a"))
    await registry.devices.create(ALICE, NewDevice("b"))
    with pytest.raises(QuotaExceeded, match="2 devices"):
        await registry.devices.create(ALICE, NewDevice("c"))
    await registry.devices.delete(ALICE, "a")
    await registry.devices.create(ALICE, NewDevice("c"))


async def test_labels_are_short() -> None:
    """A label stands in a table's cell."""
    registry = Registry()
    with pytest.raises(TooLarge):
        await registry.devices.create(ALICE, NewDevice("a", label="x" * 257))


async def test_devices_are_listed_in_pages_by_type_and_state() -> None:
    """The cursor is the last id seen; both filters hold at once."""
    registry = Registry()
    await registry.types.save(ALICE, "pump", PUMP)
    for i in range(6):
        type_name = "pump" if i % 2 else None
        await registry.devices.create(ALICE, NewDevice(f"d{i}", type_name=type_name))
    await registry.devices.move(ALICE, "d1", Lifecycle.SUSPENDED)
    list_ = registry.devices.list

    def ids(devices: list[Device]) -> list[DeviceId]:
        return [device.device_id for device in devices]

    assert ids(await list_(MAIN, limit=2)) == ["d0", "d1"]
    assert ids(await list_(MAIN, after="d1", limit=2)) == ["d2", "d3"]
    assert ids(await list_(MAIN, type_name="pump")) == ["d1", "d3", "d5"]
    assert ids(await list_(MAIN, type_name="")) == ["d0", "d2", "d4"]
    assert ids(await list_(MAIN, lifecycle=Lifecycle.SUSPENDED)) == ["d1"]
    assert ids(await list_(MAIN, type_name="pump", lifecycle=Lifecycle.ACTIVE)) == ["d3", "d5"]


async def test_listeners_hear_of_every_change_after_it_is_kept() -> None:
    """The gate cuts a revoked device's connection because it is told here."""
    registry = Registry()
    heard: list[DeviceChange] = []
    registry.devices.on_change(heard.append)
    await registry.devices.create(ALICE, PUMP_7)
    await registry.devices.move(ALICE, "pump-7", Lifecycle.REVOKED)
    await registry.devices.delete(ALICE, "pump-7")

    states = [(c.old and c.old.lifecycle, c.new and c.new.lifecycle) for c in heard]
    assert states == [(None, "active"), ("active", "revoked"), ("revoked", None)]
    assert {change.device.device_id for change in heard} == {"pump-7"}


async def test_a_refused_change_is_told_to_nobody() -> None:
    """Neither listeners nor caches move when the transaction did not happen."""
    registry = Registry()
    heard: list[DeviceChange] = []
    await registry.devices.create(ALICE, PUMP_7)
    registry.devices.on_change(heard.append)
    with pytest.raises(Conflict, match="active cannot become pending"):
        await registry.devices.move(ALICE, "pump-7", Lifecycle.PENDING)
    assert heard == []


async def test_all_are_told_to_forget_once_more_after_a_crash() -> None:
    """The disk of history fails in the middle of a delete; the next start finishes it."""
    registry = Registry()
    await registry.devices.create(ALICE, PUMP_7)

    async def failing(_device: Device) -> None:
        raise StorageError("history's disk is full")

    registry.devices.after_delete(failing)
    await registry.devices.delete(ALICE, "pump-7")  # it is deleted, whatever is left of it
    assert registry.devices.find(MAIN, "pump-7") is None
    with pytest.raises(AlreadyExists, match="still being forgotten"):
        await registry.devices.create(ALICE, PUMP_7)  # or its data would go with the old one's

    again = await registry.restarted()
    forgotten: list[str] = []

    async def forget(device: Device) -> None:
        forgotten.append(device.device_id)

    again.devices.after_delete(forget)
    await again.devices.finish_deletes()
    await again.devices.finish_deletes()
    assert forgotten == ["pump-7"]
    await again.devices.create(ALICE, PUMP_7)


async def test_what_could_not_be_forgotten_is_tried_again() -> None:
    """Without a restart; each that keeps something is asked again, and nobody twice at once."""
    registry = Registry()
    await registry.devices.create(ALICE, PUMP_7)
    full = True
    told: list[str] = []

    async def forget(device: Device) -> None:
        told.append(device.device_id)
        assert await registry.devices.forget_rest() == 1  # this one, which is under way
        if full:
            raise StorageError("history's disk is full")

    registry.devices.after_delete(forget)
    await registry.devices.delete(ALICE, "pump-7")
    assert await registry.devices.forget_rest() == 1
    full = False
    assert await registry.devices.forget_rest() == 0
    assert await registry.devices.forget_rest() == 0
    assert told == ["pump-7"] * 3
    await registry.devices.create(ALICE, PUMP_7)


async def test_what_is_kept_in_records_goes_in_the_same_transaction() -> None:
    """A credential whose removal fails keeps the device as well."""
    registry = Registry()
    await registry.devices.create(ALICE, PUMP_7)

    def refuse(_writer: object, _device: Device) -> None:
        raise Conflict("a work order is open")

    registry.devices.in_delete(refuse)
    with pytest.raises(Conflict):
        await registry.devices.delete(ALICE, "pump-7")
    assert registry.devices.find(MAIN, "pump-7")


async def test_every_act_is_on_record() -> None:
    """Who did what to which device (AL-4)."""
    registry = Registry()
    await registry.devices.create(ALICE, PUMP_7)
    await registry.devices.patch(ALICE, "pump-7", DevicePatch(label="x"))
    await registry.devices.move(ALICE, "pump-7", Lifecycle.SUSPENDED)
    await registry.devices.delete(ALICE, "pump-7")

    assert registry.audit.actions() == [
        "device.create",
        "device.update",
        "device.move",
        "device.delete",
    ]
    assert {(actor, target) for actor, _a, target, _d in registry.audit.entries} == {
        ("user:alice", "device:pump-7")
    }


@pytest.mark.parametrize("state", Lifecycle)
async def test_pr_6_a_device_begins_pending_or_active(state: Lifecycle) -> None:
    """No device is born revoked: that would be a move nobody made."""
    devices = Registry().devices
    new = NewDevice("d", lifecycle=state)
    if state in {Lifecycle.PENDING, Lifecycle.ACTIVE}:
        assert (await devices.create(ALICE, new)).lifecycle is state
    else:
        with pytest.raises(Invalid, match="cannot begin"):
            await devices.create(ALICE, new)


def test_pr_6_the_lifecycle_makes_only_listed_moves() -> None:
    """Any sequence of wishes against a model of the five states."""
    run_state_machine_as_test(LifecycleMachine, settings=settings(max_examples=50, deadline=None))


class LifecycleMachine(RuleBasedStateMachine):
    """One device, any wishes; the model is the table of moves."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry()
        self.state = Lifecycle.PENDING
        self.version = 1
        self.moves = 0
        _run(self.registry.devices.create(ALICE, NewDevice("d", lifecycle=Lifecycle.PENDING)))

    @rule(to=st.sampled_from(Lifecycle))
    def wish(self, to: Lifecycle) -> None:
        """Ask for a move; it happens if it is listed."""
        if to in MOVES[self.state]:
            _run(self.registry.devices.move(ALICE, "d", to))
            self.state = to
            self.version += 1
            self.moves += 1
        else:
            with pytest.raises(Conflict) as refused:
                _run(self.registry.devices.move(ALICE, "d", to))
            assert refused.value.remedy

    @rule(label=st.text(max_size=3))
    def relabel(self, label: str) -> None:
        """Change something else between moves."""
        _run(self.registry.devices.patch(ALICE, "d", DevicePatch(label=label)))
        self.version += 1

    @invariant()
    def state_is_the_model_s(self) -> None:
        """Cache, store and audit agree with the model."""
        device = self.registry.devices.get(MAIN, "d")
        again = _run(self.registry.restarted())
        assert again.devices.get(MAIN, "d") == device
        assert (device.lifecycle, device.version) == (self.state, self.version)
        assert self.registry.audit.actions().count("device.move") == self.moves


def _run(coroutine: object) -> object:
    """Drive a coroutine over the store in memory, which never waits."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration as done:
        return done.value
    raise AssertionError("the store in memory waited")


async def test_no_device_is_named_as_every_device_names_itself() -> None:
    """`devices/me/telemetry` is the sender's own; a device of that name could not be told apart."""
    registry = Registry()
    with pytest.raises(Invalid, match="stands for the device that speaks"):
        await registry.devices.create(ALICE, NewDevice("me"))
    for name in ("import", "export"):  # GET /devices/export is no device
        with pytest.raises(Invalid):
            await registry.devices.create(ALICE, NewDevice(name))


async def test_a_device_has_tags_and_a_patch_replaces_all_of_them() -> None:
    """Words to find it by; each is checked, and they are there after a restart."""
    registry = Registry()
    made = await registry.devices.create(ALICE, NewDevice("pump-7", tags=("critical", "critical")))
    assert made.tags == ("critical",)
    changed = await registry.devices.patch(ALICE, "pump-7", DevicePatch(tags=("hall-2",)))
    assert changed.tags == ("hall-2",)
    assert (await registry.restarted()).devices.get(MAIN, "pump-7").tags == ("hall-2",)
    with pytest.raises(Invalid):
        await registry.devices.patch(ALICE, "pump-7", DevicePatch(tags=("a b",)))

"""Faults: one asset, one code, one work order, in whatever order its alarms come."""

from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace
from tests.contracts.support import RECORDS
from tests.rules.faults import MS, Machine, active, clears, rule_of, trips
from tests.rules.support import ALICE, MAIN, START, S

from weft.backends.memory.records import MemoryRecords
from weft.errors import NotFound
from weft.model.alarm import WorkOrderState
from weft.model.fault import FaultState
from weft.rules.faults import Faults, active_alarms, order_changed
from weft.rules.kinds import FAULT_ALARMS, WORK_ORDERS

ROUNDS = {"memory": 1_000, "sqlite": 12}


async def end(machine: Machine, state: WorkOrderState = WorkOrderState.CLOSED) -> None:
    """Let the far side end the (only) work order, a minute after START."""
    (order,) = await machine.plant.orders()

    def work(writer: object) -> None:
        ended = replace(order, state=state, version=order.version + 1)
        writer.put(WORK_ORDERS, MAIN, order.work_order_id, ended)  # type: ignore[attr-defined]
        order_changed(writer, ended, START + 60 * S)  # type: ignore[arg-type]

    await machine.records.write(work)


@pytest.mark.parametrize("backend", RECORDS)
async def test_fifty_devices_and_three_rules_within_100_ms_are_one_fault_and_one_work_order(
    backend: str, tmp_path: Path
) -> None:
    """A press stops: 150 alarms, in any order, twice, late, with a crash in between."""
    for seed in range(ROUNDS[backend]):
        random = Random(seed)
        folder = tmp_path / str(seed)
        folder.mkdir()
        records = await RECORDS[backend](folder)
        machine = Machine(50 if seed < 20 else random.randint(2, 12), records)
        rules = await machine.ready(*(rule_of(f"hot-{number}") for number in range(3)))
        asked = [
            trips(rule, name, at=START + random.randrange(100 * MS), position=random.randint(1, 9))
            for rule in rules
            for name in machine.names
        ]
        random.shuffle(asked)
        early = [clears(one, after_s=0.2) for one in random.sample(asked, len(asked) // 3)]
        line = [*asked, *random.choices(asked, k=len(asked) // 2)]  # some are asked for twice
        for clear in early:  # a device's own order holds: raised, then cleared
            first = next(i for i, one in enumerate(line) if one.alarm_id == clear.alarm_id)
            line.insert(random.randint(first + 1, len(line)), clear)
        crash = random.randrange(len(line))
        for part in (line[:crash], line[random.randint(0, crash) :]):  # some of it comes again
            done = 0
            while done < len(part):
                size = random.randint(1, 64)
                await machine.write(*part[done : done + size])
                done += size
            machine = Machine(len(machine.names), records)  # a new process on the same disk
        (fault,) = await machine.faults()
        (order,) = await machine.plant.orders()
        assert len(await machine.plant.outbox()) == 1
        alarms = await machine.plant.raised()
        assert fault.alarms == order.alarms == len(alarms) == len(asked)
        assert fault.active == active(alarms) == len(asked) - len(early)
        assert set(order.devices) == set(machine.names)
        assert [ref.work_order_id for ref in fault.orders] == [order.work_order_id]
        await records.close()


async def test_a_fault_is_over_when_its_alarms_are_cleared_and_its_order_has_ended() -> None:
    """The technician is still there though the machine is cool: no second ticket."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    first, second = (trips(rule, name) for name in machine.names)
    await machine.write(first, second, clears(first), clears(second))
    (fault,) = await machine.faults()
    assert (fault.state, fault.active) == (FaultState.OPEN, 0)
    await machine.write(trips(rule, "sensor-00", at=START + 30 * S, position=20))
    assert len(await machine.faults()) == 1
    await machine.write(clears(trips(rule, "sensor-00", at=START + 30 * S, position=20)))
    await end(machine)
    (fault,) = await machine.faults()
    assert (fault.state, fault.over_at) == (FaultState.OVER, START + 60 * S)

    await machine.write(trips(rule, "sensor-01", at=START + 61 * S, position=30))
    assert [one.state for one in await machine.faults()] == [FaultState.OVER, FaultState.OPEN]
    assert len(await machine.plant.orders()) == 2


async def test_an_order_that_ends_first_leaves_the_fault_open_until_the_alarm_clears() -> None:
    """Closed too early: the machine is still hot."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    request = trips(rule, "sensor-00")
    await machine.write(request)
    await end(machine)
    assert [one.state for one in await machine.faults()] == [FaultState.OPEN]
    await machine.write(clears(request, after_s=300))
    (fault,) = await machine.faults()
    assert (fault.state, fault.over_at) == (FaultState.OVER, START + 300 * S)


async def test_within_quiet_a_fault_is_opened_again_with_its_order_told() -> None:
    """A pump flaps: one fault that came three times, not three."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot", quiet="10m"))
    request = trips(rule, "sensor-00")
    await machine.write(request, clears(request))
    await end(machine)
    again = trips(rule, "sensor-01", at=START + 5 * 60 * S, position=40)
    await machine.write(again)
    (fault,) = await machine.faults()
    assert (fault.state, fault.reopened, fault.over_at) == (FaultState.OPEN, 1, None)
    (order,) = await machine.plant.orders()
    assert [telling.kind for telling in order.tellings] == ["reopen"]
    await machine.write(clears(again))
    await machine.write(trips(rule, "sensor-01", at=START + 3_600 * S, position=50))
    assert len(await machine.faults()) == 2


async def test_an_alarm_that_comes_late_belongs_to_the_fault_of_its_time() -> None:
    """A device sends its buffer when the machine is long repaired: no ticket for what was."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    request = trips(rule, "sensor-00")
    await machine.write(request, clears(request))
    await end(machine)
    late = trips(rule, "sensor-01", at=START + S // 2, position=90)
    await machine.write(late, clears(late))
    (fault,) = await machine.faults()
    assert (fault.state, fault.alarms, fault.active) == (FaultState.OVER, 2, 0)
    assert len(await machine.plant.orders()) == 1


async def test_without_an_order_a_fault_is_over_with_its_alarms() -> None:
    """A code without a work order only gathers."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot", actions=[]))
    request = trips(rule, "sensor-00")
    await machine.write(request)
    assert [one.state for one in await machine.faults()] == [FaultState.OPEN]
    await machine.write(clears(request))
    assert [one.state for one in await machine.faults()] == [FaultState.OVER]


async def test_an_alarm_that_a_person_clears_counts_as_cleared() -> None:
    """By hand or by the rule: once."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    request = trips(rule, "sensor-00")
    await machine.write(request)
    await machine.plant.alarms.clear(ALICE, request.alarm_id)
    await machine.write(clears(request))
    await machine.plant.alarms.clear(ALICE, request.alarm_id)
    (fault,) = await machine.faults()
    assert fault.active == 0


async def test_the_next_owner_who_may_gets_the_work_order() -> None:
    """AZ-5: the first rule's owner has lost the right; the fault is not left without an order."""
    machine = Machine()
    elsewhere = {"work_order": {"connector": "other", "title": "Repair {device}"}}
    first, second = await machine.ready(rule_of("a", actions=[elsewhere]), rule_of("b"))
    machine.plant.policy.denied.add("connector:other")
    await machine.write(trips(first, "sensor-00"), trips(second, "sensor-00", position=2))
    (order,) = await machine.plant.orders()
    assert (order.connector, order.alarms) == ("erp", 2)


async def test_different_codes_are_different_faults() -> None:
    """By default a rule stands for itself."""
    machine = Machine()
    own = {key: value for key, value in rule_of("noisy").items() if key != "fault"}
    rules = await machine.ready(rule_of("hot"), own)
    await machine.write(*(trips(rule, "sensor-00") for rule in rules))
    assert {one.code for one in await machine.faults()} == {"overheated", "noisy"}
    assert len(await machine.plant.orders()) == 2


async def test_an_alarm_of_a_rule_that_asks_for_nobody_is_no_fault() -> None:
    """A note on a screen needs no repair."""
    machine = Machine()
    plain = {key: value for key, value in rule_of("x", actions=[]).items() if key != "fault"}
    (rule,) = await machine.ready(plain)
    await machine.write(trips(rule, "sensor-00"))
    assert not await machine.faults()


async def test_an_old_order_that_starts_again_does_not_open_a_second_fault() -> None:
    """A dead entry is redriven when the next fault of the same kind is open already."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    request = trips(rule, "sensor-00")
    await machine.write(request, clears(request))
    (order,) = await machine.plant.orders()
    await end(machine, WorkOrderState.FAILED)
    await machine.write(trips(rule, "sensor-00", at=START + 3_600 * S, position=70))
    changed = await machine.records.write(
        lambda w: (
            w.put(WORK_ORDERS, MAIN, order.work_order_id, order)
            and order_changed(w, order, START + 7_200 * S)
        )
    )
    assert changed is not None
    assert changed.state is FaultState.OVER


async def test_faults_are_listed_by_what_is_asked_for() -> None:
    """By state, asset or code; the alarms of one, the oldest first."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    await machine.write(
        trips(rule, "sensor-01", at=START + S), trips(rule, "sensor-00", position=2)
    )
    faults = Faults(machine.records)
    (fault,) = await faults.list_faults(MAIN, ("asset", "press-1"))
    assert await faults.get(MAIN, fault.fault_id) == fault
    assert fault.began_at == START
    parts = await faults.list_alarms(MAIN, fault.fault_id)
    assert [part.device_id for part in parts] == ["sensor-00", "sensor-01"]
    stands = await machine.records.read(lambda r: active_alarms(r, MAIN, fault.fault_id, 10))
    assert [alarm.alarm_id for alarm in stands] == [part.alarm_id for part in parts]
    assert not await faults.list_faults(MAIN, ("state", "over"))
    with pytest.raises(NotFound):
        await faults.get(MAIN, "none")


async def test_clearing_an_alarm_from_before_there_were_faults_is_no_error() -> None:
    """Records of an older version have alarms that belong to no fault."""
    machine = Machine(records=MemoryRecords())
    (rule,) = await machine.ready(rule_of("hot"))
    request = trips(rule, "sensor-00")
    await machine.write(request)
    await machine.records.write(lambda w: w.delete(FAULT_ALARMS, MAIN, request.alarm_id))
    await machine.write(clears(request))
    assert active(await machine.plant.raised()) == 0

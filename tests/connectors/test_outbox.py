"""The outbox: one record at the far side, whatever goes wrong, and nothing dropped."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace
from tests.connectors.support import ALICE, MAIN, OTHER, FakeConnector, Plant, alarm, entry

from weft.connectors import outbox as module
from weft.connectors.base import Delivered, Situation
from weft.connectors.outbox import OutboxSettings
from weft.connectors.registry import OWN_LABEL, Configured, Healths
from weft.errors import Conflict, ConnectorError, Invalid, NotFound, StorageError
from weft.model.alarm import OutboxEntry, OutboxState, WorkOrderState
from weft.model.ids import ActionId, TenantId
from weft.model.moments import NS_PER_S
from weft.rules.kinds import ALARMS, OUTBOX, WORK_ORDERS
from weft.security.audit import AUDIT

DOWN = ConnectorError("The connection failed.")
WRONG = ConnectorError("Create: the far side answered 422.", permanent=True, remedy="Fix it.")


async def test_an_action_becomes_one_remote_record_known_to_both_sides() -> None:
    """The rule asked, the ERP answered: entry and work order carry the remote id together."""
    plant, item = Plant(), entry()
    await plant.put(item, raised=alarm())

    assert await plant.outbox.deliver_due() == 1

    stored, order = await plant.entry(item), await plant.order(item)
    assert (stored.state, stored.remote_id, stored.attempts) == (OutboxState.DELIVERED, "1", 1)
    assert stored.delivered_at == plant.clock.now()
    assert (order.state, order.remote_id, order.remote_state) == (WorkOrderState.OPEN, "1", "Open")
    assert order.remote_url == "https://erp.example/1"
    assert plant.seen == [order]
    situation = plant.erp.made[item.action.action_id]
    assert situation.alarm == alarm()
    assert situation.work_order is not None


async def test_what_was_delivered_is_not_delivered_again() -> None:
    """A restart reads the outbox again; delivered entries are left alone."""
    plant, item = Plant(), entry()
    await plant.put(item)
    await plant.outbox.deliver_due()

    assert await plant.outbox.deliver_due() == 0
    assert len(plant.erp.calls) == 1


async def test_a_crash_between_answer_and_store_makes_no_second_record() -> None:
    """kill -9 after the ERP answered: the entry still waits, and finds its record."""
    plant, item = Plant(), entry()
    await plant.put(item)
    await plant.outbox.deliver_due()
    await plant.put(item)  # the store as it was before the crash

    await plant.outbox.deliver_due()

    assert len(plant.erp.calls) == 2
    assert len(plant.erp.made) == 1
    assert (await plant.entry(item)).remote_id == "1"


async def test_a_system_that_is_down_is_tried_again_later_and_later() -> None:
    """Pauses double, are spread, and end with the delivery; the error is to be read."""
    plant, item = Plant(FakeConnector(next=[DOWN] * 4)), entry()
    await plant.put(item)
    pauses = []
    for _ in range(4):
        await plant.outbox.deliver_due()
        stored = await plant.entry(item)
        assert stored.state is OutboxState.PENDING
        assert "connection failed" in stored.last_error
        pauses.append((stored.next_attempt_at - plant.clock.now()) / 1e9)
        plant.clock.turn(pauses[-1] + 31)
    await plant.outbox.deliver_due()

    assert [1 <= p <= 2 for p in pauses[:1]] + [pauses[3] >= 8] == [True, True]
    stored = await plant.entry(item)
    assert (stored.state, stored.attempts, stored.last_error) == (OutboxState.DELIVERED, 5, "")


async def test_retry_after_is_honoured() -> None:
    """429 with Retry-After 120: neither this entry nor another is sent before that."""
    busy = ConnectorError("Create: 429.", retry_after_s=120.0)
    plant = Plant(FakeConnector(next=[busy]))
    await plant.put(entry(1))
    await plant.outbox.deliver_due()
    await plant.put(entry(2))

    plant.clock.turn(119)
    assert await plant.outbox.deliver_due() == 0
    plant.clock.turn(2)
    assert await plant.outbox.deliver_due() == 2


async def test_an_entry_that_cannot_succeed_is_given_up_at_once() -> None:
    """A 422 stays a 422: the work order fails, with the reason and the remedy."""
    plant, item = Plant(FakeConnector(next=[WRONG])), entry()
    await plant.put(item)
    await plant.outbox.deliver_due()

    stored = await plant.entry(item)
    assert (stored.state, stored.attempts) == (OutboxState.DEAD, 1)
    assert "422" in stored.last_error
    assert "Fix it." in stored.last_error
    assert (await plant.order(item)).state is WorkOrderState.FAILED
    assert plant.seen[-1].state is WorkOrderState.FAILED


async def test_what_we_would_not_send_ourselves_is_given_up() -> None:
    """A header that cannot be carried is our refusal, not the far side's fault."""
    plant, item = Plant(FakeConnector(next=[Invalid("The header holds a line break.")])), entry()
    await plant.put(item)
    await plant.outbox.deliver_due()
    assert (await plant.entry(item)).state is OutboxState.DEAD


async def test_a_bug_of_ours_parks_the_entry_that_met_it() -> None:
    """One odd alarm must not end the platform at every start; the others go out."""

    class Buggy(FakeConnector):
        async def deliver(self, item: OutboxEntry, situation: Situation) -> Delivered:
            if item == entry(1):
                raise KeyError("x")
            return await super().deliver(item, situation)

    plant = Plant(Buggy())
    for number in (1, 2):
        await plant.put(entry(number))
    await plant.outbox.deliver_due()
    parked = await plant.entry(entry(1))
    assert (parked.state, "Weft itself" in parked.last_error) == (OutboxState.DEAD, True)
    assert (await plant.entry(entry(2))).state is OutboxState.DELIVERED


async def test_a_disk_that_fails_halts_the_outbox_and_loses_nothing() -> None:
    """The store fails while the far side is told; it works again; there is one record."""
    plant, item = Plant(), entry()
    await plant.put(item)
    write, failing = plant.records.write, [True]

    async def write_or_fail(work: Any) -> Any:
        if failing:
            failing.pop()
            raise StorageError("The disk is full.")
        return await write(work)

    plant.records.write = write_or_fail  # type: ignore[method-assign]
    with pytest.raises(StorageError):
        await plant.outbox.deliver_due()
    assert (await plant.entry(item)).state is OutboxState.PENDING
    await plant.outbox.deliver_due()
    assert (await plant.entry(item)).state is OutboxState.DELIVERED
    assert len(plant.erp.made) == 1


async def test_an_entry_is_given_up_after_its_last_try() -> None:
    """Three tries are allowed here; the third failure is the last."""
    settings = OutboxSettings(max_attempts=3)
    plant, item = Plant(FakeConnector(next=[DOWN] * 9), settings=settings), entry()
    await plant.put(item)
    for _ in range(5):
        await plant.outbox.deliver_due()
        plant.clock.turn(1_000)
    assert (await plant.entry(item)).state is OutboxState.DEAD
    assert len(plant.erp.calls) == 3


async def test_a_dead_entry_is_redriven_by_a_person_and_the_act_is_kept() -> None:
    """The key is repaired, Alice redrives: the work order is requested again, then open."""
    plant, item = Plant(FakeConnector(next=[WRONG])), entry()
    await plant.put(item)
    await plant.outbox.deliver_due()

    record = await plant.outbox.redrive(ALICE, MAIN, item.action.action_id)

    assert (record.value.state, record.value.attempts) == (OutboxState.PENDING, 0)
    assert (await plant.order(item)).state is WorkOrderState.REQUESTED
    await plant.outbox.deliver_due()
    assert (await plant.entry(item)).state is OutboxState.DELIVERED
    audits = await plant.records.read(lambda r: r.list(AUDIT, MAIN))
    assert [(a.value.actor, a.value.action) for a in audits] == [("alice", "outbox.redrive")]


async def test_what_a_person_has_ended_stays_ended_when_its_entry_is_redriven() -> None:
    """The entry died, Alice cancelled the order, then somebody redrives all that is dead."""
    plant, item = Plant(FakeConnector(next=[WRONG])), entry()
    await plant.put(item)
    await plant.outbox.deliver_due()
    order = replace(await plant.order(item), state=WorkOrderState.CANCELLED)
    await plant.records.write(lambda w: w.put(WORK_ORDERS, MAIN, order.work_order_id, order))
    await plant.outbox.redrive(ALICE, MAIN, item.action.action_id)
    assert (await plant.order(item)).state is WorkOrderState.CANCELLED


async def test_only_what_is_dead_is_redriven() -> None:
    """Two people press the button; the second is told, and nothing goes out twice."""
    plant, item = Plant(), entry()
    await plant.put(item)
    with pytest.raises(Conflict, match="pending"):
        await plant.outbox.redrive(ALICE, MAIN, item.action.action_id)
    with pytest.raises(NotFound):
        await plant.outbox.redrive(ALICE, MAIN, ActionId("nothing"))
    assert len(await plant.records.read(lambda r: r.list(AUDIT, MAIN))) == 0


async def test_a_system_that_is_down_holds_up_no_other() -> None:
    """The ERP is away for the night; webhooks go out all the same."""
    erp, hook = FakeConnector("erp", next=[DOWN] * 9), FakeConnector("hook")
    plant = Plant(erp, hook)
    await plant.put(entry(1))
    await plant.put(entry(2, kind="webhook", connector="hook"))
    await plant.outbox.deliver_due()
    assert len(hook.made) == 1


async def test_a_poisoned_entry_does_not_starve_those_behind_it() -> None:
    """One entry always fails with 500; the next ones still get through after a short pause."""
    erp = FakeConnector(next=[DOWN, None, None])
    plant = Plant(erp)
    for number in (1, 2, 3):
        await plant.put(entry(number))
    assert await plant.outbox.deliver_due() == 1  # the lane pauses
    plant.clock.turn(2.1)
    await plant.outbox.deliver_due()
    assert len(erp.made) == 3


async def test_older_actions_go_first() -> None:
    """A burst is delivered in the order in which the faults happened."""
    plant = Plant()
    for number in (3, 1, 2):
        await plant.put(entry(number))
    await plant.outbox.deliver_due()
    assert plant.erp.calls == [entry(n).action.action_id for n in (1, 2, 3)]


@pytest.mark.parametrize("changes", [{"connector": "gone"}, {"tenant": OTHER}])
async def test_an_action_without_its_connector_waits_with_a_reason(
    changes: dict[str, str],
) -> None:
    """A removed connector, or another tenant's: nothing is sent, nothing is dropped."""
    plant, item = Plant(), entry(**changes)
    await plant.put(item)
    await plant.outbox.deliver_due()
    stored = await plant.entry(item)
    assert stored.state is OutboxState.PENDING
    assert "No connector named" in stored.last_error
    assert plant.erp.calls == []


async def test_a_delivery_that_never_ends_is_cut_off() -> None:
    """A connector that hangs must not hold its lane for ever."""

    class Hanging(FakeConnector):
        async def deliver(self, item: object, situation: object) -> object:  # type: ignore[override]
            await asyncio.Event().wait()
            return None

    plant = Plant(Hanging(), settings=OutboxSettings(attempt_timeout_s=0.01))
    await plant.put(entry())
    await plant.outbox.deliver_due()
    assert "No end within" in (await plant.entry(entry())).last_error


async def test_a_delivery_that_is_cut_off_is_not_repeated_before_the_far_side_has_settled() -> None:
    """The record may be on its way into its database: a look-up too early makes a second one."""

    class Slow(FakeConnector):
        async def deliver(self, item: Any, situation: Any) -> Delivered:
            if not self.calls:
                self.calls.append("cut off")
                await asyncio.Event().wait()
            return await super().deliver(item, situation)

    settings = OutboxSettings(attempt_timeout_s=0.01, pause_s=1.0)
    plant = Plant(Slow(), settings=settings)
    plant.connectors.require(MAIN, "erp").settle_s = 40.0
    await plant.put(entry())
    await plant.outbox.deliver_due()
    waiting = await plant.entry(entry())
    assert (waiting.unanswered, waiting.next_attempt_at) == (1, plant.clock.now() + 40 * NS_PER_S)
    plant.clock.turn(39)
    await plant.outbox.deliver_due()
    assert plant.erp.calls == ["cut off"]
    plant.clock.turn(1)
    await plant.outbox.deliver_due()
    assert (await plant.entry(entry())).state is OutboxState.DELIVERED


async def test_a_work_order_that_was_not_written_is_made_up_for() -> None:
    """An action of kind work_order always ends with a work order that can be shown."""
    plant, item = Plant(), entry()
    await plant.records.write(lambda w: w.put(ALARMS, MAIN, alarm().alarm_id, alarm()))
    await plant.records.write(lambda w: w.put(OUTBOX, MAIN, item.action.action_id, item))
    await plant.outbox.deliver_due()
    order = await plant.order(item)
    assert (order.state, order.device_id, order.version) == (WorkOrderState.OPEN, "pump-7", 1)


async def test_entries_are_listed_by_state_and_by_alarm() -> None:
    """The operator asks: what is dead? The alarm's page asks: what came of it?"""
    plant = Plant(FakeConnector(next=[WRONG]))
    await plant.put(entry(1))
    await plant.put(entry(2))
    await plant.outbox.deliver_due()
    dead = await plant.outbox.list_entries(MAIN, state=OutboxState.DEAD)
    assert [record.value.action.alarm_id for record in dead] == [entry(1).action.alarm_id]
    mine = await plant.outbox.list_entries(MAIN, alarm_id=entry(2).action.alarm_id)
    assert [record.value.state for record in mine] == [OutboxState.DELIVERED]
    assert len(await plant.outbox.list_entries(MAIN)) == 2
    assert await plant.outbox.list_entries(OTHER) == []


async def test_entries_are_listed_by_connector_in_every_state() -> None:
    """The page of a system asks what goes there: all of it, what waits, what is dead or done."""
    plant = Plant(FakeConnector(next=[WRONG]))
    for number in (1, 2):
        await plant.put(entry(number))
    await plant.outbox.deliver_due()
    await plant.put(entry(3))
    await plant.put(entry(4, connector="crm"))

    async def listed(connector: str, state: OutboxState | None = None) -> list[str]:
        found = await plant.outbox.list_entries(MAIN, connector=connector, state=state)
        return [record.key for record in found]

    keys = [entry(number).action.action_id for number in (1, 2, 3, 4)]
    assert sorted(await listed("erp")) == sorted(keys[:3])
    assert await listed("crm") == [keys[3]]
    assert await listed("erp", OutboxState.DEAD) == [keys[0]]
    assert await listed("erp", OutboxState.DELIVERED) == [keys[1]]
    assert await listed("erp", OutboxState.PENDING) == [keys[2]]
    assert await listed("crm", OutboxState.DEAD) == []
    assert await plant.outbox.list_entries(OTHER, connector="erp") == []


async def test_health_says_what_works_and_what_waits() -> None:
    """One look tells which system is down, since when, why, and how much waits for it."""
    plant = Plant(FakeConnector(next=[DOWN]))
    await plant.put(entry())
    await plant.outbox.deliver_due()
    await plant.outbox.deliver_due()
    view = plant.connectors.get(MAIN, "erp")
    assert (view.healthy, view.waiting) == (False, 1)
    assert "connection failed" in view.last_error

    plant.clock.turn(60)
    await plant.outbox.deliver_due()
    view = plant.connectors.get(MAIN, "erp")
    assert (view.healthy, view.last_success_at) == (True, plant.clock.now())


async def test_tn_1_the_health_of_a_shared_connector_tells_each_tenant_its_own() -> None:
    """TN-1: what the far side said to one, with its words, is not read by another."""
    wrong = ConnectorError("Create: 422, 'Pump of MAIN' is no asset.", permanent=True)
    plant = Plant(FakeConnector(next=[wrong, DOWN]), tenants=(MAIN, OTHER))
    await plant.put(entry(1))
    await plant.put(entry(2))
    await plant.outbox.deliver_due()
    await plant.outbox.deliver_due()
    mine, theirs = plant.connectors.get(MAIN, "erp"), plant.connectors.get(OTHER, "erp")
    assert (mine.healthy, mine.waiting) == (False, 1)
    assert (theirs.healthy, theirs.last_error, theirs.waiting) == (True, "", 0)
    assert theirs.last_failure_at is None


async def test_tn_3_a_fault_of_one_tenant_pauses_nobody_else_at_a_shared_connector() -> None:
    """TN-3: one tenant's mapping makes the ERP answer 500; the other's action goes out at once."""
    plant = Plant(FakeConnector(next=[DOWN]), tenants=(MAIN, OTHER))
    await plant.put(entry(1))
    await plant.put(entry(2))
    await plant.put(entry(3, tenant=OTHER))
    assert await plant.outbox.deliver_due() == 2
    assert (await plant.entry(entry(3, tenant=OTHER))).state is OutboxState.DELIVERED
    assert (await plant.entry(entry(2))).attempts == 0


async def test_rl_1_a_429_holds_the_tenant_that_got_it_until_then_and_no_other() -> None:
    """RL-1: the share of a connector is a tenant's own, and so is being told to wait."""
    busy = ConnectorError("Create: 429.", retry_after_s=120.0)
    plant = Plant(FakeConnector(next=[busy]), tenants=(MAIN, OTHER))
    for number in range(3):
        await plant.put(entry(number))
    await plant.put(entry(9, tenant=OTHER))
    assert await plant.outbox.deliver_due() == 2
    plant.clock.turn(119)
    assert await plant.outbox.deliver_due() == 0
    plant.clock.turn(2)
    assert await plant.outbox.deliver_due() == 3


async def test_tn_3_tenants_have_their_turns_at_a_shared_connector() -> None:
    """TN-3: five older actions wait; another tenant's is the second that is told."""
    plant = Plant(tenants=(MAIN, OTHER))
    for number in range(5):
        await plant.put(entry(number))
    last = entry(9, tenant=OTHER)
    await plant.put(last)
    await plant.outbox.deliver_due()
    assert plant.erp.calls.index(last.action.action_id) == 1
    assert len(plant.erp.made) == 6


async def test_tn_3_a_scan_reads_so_much_of_each_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """TN-3: of a long queue a part is read, then the next tenant; the rest comes with the next."""
    monkeypatch.setattr(module, "_PAGE", 2)
    monkeypatch.setattr(module, "_PAGES", 2)
    plant = Plant(tenants=(MAIN, OTHER))
    for number in range(9):
        await plant.put(entry(number))
    await plant.put(entry(99, tenant=OTHER))
    more = await plant.outbox._scan()
    views = [plant.connectors.get(tenant, "erp").waiting for tenant in (MAIN, OTHER)]
    assert (more, views) == (True, [4, 1])
    assert [await plant.outbox._scan(), await plant.outbox._scan()] == [True, False]
    assert plant.connectors.get(MAIN, "erp").waiting == 9


async def test_tn_3_hanging_systems_of_one_tenant_leave_a_place_for_another() -> None:
    """TN-3: as many hang as run at a time; another tenant's action is told all the same."""

    class Hanging(FakeConnector):
        async def deliver(self, item: OutboxEntry, situation: Situation) -> Delivered:
            if item.action.tenant == MAIN:
                await asyncio.Event().wait()
            return await super().deliver(item, situation)

    names = ("erp", "crm", "cmms", "bms")
    plant = Plant(
        *(Hanging(name) for name in names), tenants=(MAIN, OTHER),
        settings=OutboxSettings(parallel=2, scan_interval_s=60),
    )  # fmt: skip
    for number, name in enumerate(names[:3]):
        await plant.put(entry(number, connector=name))
    theirs = entry(9, tenant=OTHER, connector="bms")
    await plant.put(theirs)
    delivered = asyncio.Event()
    plant.work_orders.on_change(lambda _order: delivered.set())
    async with plant.outbox.running():
        await asyncio.wait_for(delivered.wait(), 10)
    assert (await plant.entry(theirs)).state is OutboxState.DELIVERED


async def test_running_delivers_what_it_is_notified_of_and_stops() -> None:
    """The outbox runs, an entry comes in, it is delivered without waiting for a scan."""
    delivered = asyncio.Event()
    plant, item = Plant(settings=OutboxSettings(scan_interval_s=60)), entry()
    plant.work_orders.on_change(lambda _order: delivered.set())
    async with plant.outbox.running():
        await asyncio.sleep(0)
        await plant.put(item)
        plant.outbox.notify()
        await asyncio.wait_for(delivered.wait(), 10)
    assert (await plant.entry(item)).state is OutboxState.DELIVERED


async def test_running_begins_with_what_a_crash_left() -> None:
    """No one notifies after a restart; what waits is found."""
    delivered = asyncio.Event()
    plant = Plant(settings=OutboxSettings(scan_interval_s=60))
    await plant.put(entry())
    plant.work_orders.on_change(lambda _order: delivered.set())
    async with plant.outbox.running():
        await asyncio.wait_for(delivered.wait(), 10)


async def test_more_entries_than_fit_in_memory_are_all_delivered() -> None:
    """The lane holds three; forty wait on disk. None is forgotten."""
    plant = Plant(settings=OutboxSettings(lane_size=3, scan_interval_s=60))
    done = asyncio.Event()
    plant.work_orders.on_change(lambda _order: done.set() if len(plant.erp.made) == 40 else None)
    for number in range(40):
        await plant.put(entry(number))
    async with plant.outbox.running():
        await asyncio.wait_for(done.wait(), 20)
    assert len(plant.erp.calls) == 40


def own(connector: FakeConnector, tenant: TenantId = MAIN) -> Configured:
    """What a tenant has set up itself."""
    return Configured(connector, frozenset({tenant}), "", Healths(), own=True)


async def test_tn_1_two_tenants_own_connectors_of_one_name_never_mix() -> None:
    """Each queue, pause and count of health is its tenant's; metrics tell no name."""
    plant = Plant()
    ours, theirs = FakeConnector("mes", next=[DOWN]), FakeConnector("mes")
    await plant.connectors.put_own(MAIN, "mes", own(ours))
    await plant.connectors.put_own(OTHER, "mes", own(theirs, OTHER))
    for number, tenant in ((1, MAIN), (2, MAIN), (3, OTHER)):
        await plant.put(entry(number, connector="mes", tenant=tenant))
    await plant.outbox.deliver_due()
    assert ours.calls == [entry(1).action.action_id]  # and pauses
    assert theirs.calls == [entry(3).action.action_id]
    mine, other = (plant.connectors.get(tenant, "mes") for tenant in (MAIN, OTHER))
    assert (mine.healthy, other.healthy) == (False, True)
    await plant.outbox._scan()
    assert plant.connectors.get(MAIN, "mes").waiting == 2
    assert plant.connectors.get(OTHER, "mes").waiting == 0
    labels = {lanes.name for lanes in plant.outbox._lanes.values()}
    assert labels == {"erp", "", OWN_LABEL}


async def test_an_entry_follows_its_connector_from_lane_to_lane() -> None:
    """It waits for one that is not there, then for the one that was set up, and goes once."""
    plant, item = Plant(), entry(connector="mes")
    await plant.put(item)
    await plant.outbox.deliver_due()
    assert "Set mes up again" in (await plant.entry(item)).last_error
    made = FakeConnector("mes")
    await plant.connectors.put_own(MAIN, "mes", own(made))
    plant.clock.turn(60)  # it is still known in the lane of the unknown
    await plant.outbox.deliver_due()
    assert made.calls == [item.action.action_id]
    assert (await plant.entry(item)).state is OutboxState.DELIVERED


async def test_a_pause_ends_when_the_settings_are_mended() -> None:
    """Thirty seconds of quiet were for the address before; what is due goes at once."""
    plant = Plant()
    await plant.connectors.put_own(MAIN, "mes", own(FakeConnector("mes", next=[DOWN] * 9)))
    for number in range(9):
        await plant.put(entry(number, connector="mes"))
        plant.clock.turn(60)
        await plant.outbox.deliver_due()
    mended = FakeConnector("mes")
    waiting = entry(10, connector="mes")
    await plant.put(waiting)
    await plant.outbox.deliver_due()
    assert (await plant.entry(waiting)).attempts == 0
    await plant.connectors.put_own(MAIN, "mes", own(mended))
    await plant.outbox.deliver_due()
    assert (await plant.entry(waiting)).state is OutboxState.DELIVERED


async def test_tn_3_what_tenants_name_holds_up_no_system_of_the_operators() -> None:
    """TN-3: own connectors of three tenants hang; the shared ERP is told, and a fourth's own."""

    class Hanging(FakeConnector):
        async def deliver(self, item: OutboxEntry, situation: Situation) -> Delivered:
            await asyncio.Event().wait()
            return await super().deliver(item, situation)

    plant = Plant(settings=OutboxSettings(parallel=8, scan_interval_s=60))
    tenants = [TenantId(f"t{number}") for number in range(3)]
    for place, tenant in enumerate(tenants):
        for number in range(4):
            name = f"mes-{number}"
            await plant.connectors.put_own(tenant, name, own(Hanging(name), tenant))
            await plant.put(entry(10 * place + number, connector=name, tenant=tenant))
    await plant.connectors.put_own(OTHER, "mes", own(FakeConnector("mes"), OTHER))
    shared, theirs = entry(90), entry(91, connector="mes", tenant=OTHER)
    for item in (shared, theirs):
        await plant.put(item)
    told = asyncio.Event()
    plant.work_orders.on_change(lambda _order: told.set() if len(plant.seen) == 2 else None)
    async with plant.outbox.running():
        await asyncio.wait_for(told.wait(), 10)
    assert (await plant.entry(shared)).state is OutboxState.DELIVERED
    assert (await plant.entry(theirs)).state is OutboxState.DELIVERED


async def test_who_delivers_for_an_own_connector_ends_and_begins_again() -> None:
    """Nothing is held for a connector to which nothing goes; the next entry is told as well."""
    plant = Plant(settings=OutboxSettings(scan_interval_s=0.01))
    await plant.connectors.put_own(MAIN, "mes", own(FakeConnector("mes")))
    told: asyncio.Queue[str] = asyncio.Queue()
    plant.work_orders.on_change(lambda order: told.put_nowait(order.work_order_id))
    async with plant.outbox.running():
        for number in (1, 2):
            item = entry(number, connector="mes")
            await plant.put(item)
            plant.outbox.notify()
            assert await asyncio.wait_for(told.get(), 10) == item.action.action_id
            for _ in range(2_000):
                if "main/mes" not in plant.outbox._lanes:
                    break
                await asyncio.sleep(0.005)
            assert "main/mes" not in plant.outbox._lanes


@pytest.mark.parametrize("ends_well", [True, False])
async def test_an_attempt_that_outlives_its_settings_says_nothing_of_the_new_ones(
    *, ends_well: bool
) -> None:
    """It fails, or is taken, at the address of before: no pause, no health, nobody follows."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(FakeConnector):
        async def deliver(self, item: OutboxEntry, situation: Situation) -> Delivered:
            begun.set()
            await go_on.wait()
            return await super().deliver(item, situation)

    plant = Plant()
    before = own(Slow("mes", next=[None if ends_well else DOWN]))
    before.place = "p-1"
    await plant.connectors.put_own(MAIN, "mes", before)
    await plant.put(entry(1, connector="mes"))
    await plant.put(entry(2, connector="mes"))
    delivering = asyncio.create_task(plant.outbox.deliver_due())
    await begun.wait()
    after = own(made := FakeConnector("mes"))
    after.place = "p-2"
    await plant.connectors.put_own(MAIN, "mes", after)
    after.health.of(MAIN).failed(plant.clock.now(), "It was down before.")
    go_on.set()
    await delivering
    assert made.calls == [entry(2).action.action_id]  # at once: the lane has no pause
    order = await plant.order(entry(2, connector="mes"))
    assert (order.place, order.remarks) == ("p-2", ())
    assert plant.connectors.get(MAIN, "mes").last_error == "It was down before."
    if ends_well:
        order = await plant.order(entry(1, connector="mes"))
        assert order.place == "p-1"
        assert "not followed" in order.remarks[0].text

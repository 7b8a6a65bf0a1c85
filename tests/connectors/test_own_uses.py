"""What would miss a connector: said in words before it is taken away."""

from typing import Any

import pytest
from msgspec import structs
from tests.connectors.support import ALICE, MAIN, NOON, OTHER, entry, order_of

from weft.backends.memory.records import MemoryRecords
from weft.connectors import own_uses as module
from weft.connectors.own_uses import require_left, require_unused
from weft.errors import Conflict
from weft.groups.notification_policies import POLICIES, Channel, NotifyStep, Policy, PolicyBody
from weft.model.alarm import OutboxState, WorkOrderState
from weft.model.ids import RuleId
from weft.model.work_order import Telling, TellingKind
from weft.ports import Writer
from weft.rules.documents import read_rule
from weft.rules.kinds import OUTBOX, RULES, WORK_ORDERS
from weft.rules.model import Rule
from weft.rules.plans import PLANS, Plan

TELLING = Telling(TellingKind.CLOSE, "Done by Weft.", NOON)


def put_rule(writer: Writer, name: str, connector: str, tenant: Any = MAIN) -> None:
    """Write a rule that asks something of a connector."""
    source = {
        "name": name,
        "when": "temperature > 80",
        "actions": [{"webhook": {"connector": connector}}],
    }
    document, _ = read_rule(source)
    rule = Rule(RuleId(name), name, tenant, 1, ALICE, document, source, NOON, NOON, True)
    writer.put(RULES, tenant, name, rule)


async def test_what_names_it_and_what_waits_is_said() -> None:
    """Rules, policies, plans, entries and work orders; of others' nothing is counted."""
    records = MemoryRecords()

    def work(writer: Writer) -> None:
        for number in range(3):
            put_rule(writer, f"hot-{number}", "erp")
        put_rule(writer, "cold", "crm")
        put_rule(writer, "theirs", "erp", OTHER)
        step = NotifyStep(channels=(Channel(connector="erp"),))
        policy = Policy(MAIN, "night", PolicyBody(steps=(step,)), NOON, "alice")
        writer.put(POLICIES, MAIN, "night", policy)
        plan = Plan(MAIN, "yearly", "p-1", ALICE, "erp", "Look at it")
        writer.put(PLANS, MAIN, "yearly", plan)
        waiting, done = entry(1), structs.replace(entry(2), state=OutboxState.DELIVERED)
        dead = structs.replace(entry(4), state=OutboxState.DEAD)
        for item in (waiting, done, dead, entry(3, connector="crm")):
            writer.put(OUTBOX, MAIN, item.action.action_id, item)
        told = {"state": WorkOrderState.CLOSED, "tellings": (TELLING,)}
        orders = [
            order_of(done, state=WorkOrderState.OPEN, place="p-1"),
            order_of(entry(5), place="p-1", **told),
            order_of(entry(6), place="p-1", state=WorkOrderState.CLOSED, watch_until=NOON),
            order_of(entry(7), place="p-0", state=WorkOrderState.OPEN),
        ]
        for order in orders:
            writer.put(WORK_ORDERS, MAIN, order.work_order_id, order)

    await records.write(work)
    with pytest.raises(Conflict) as refused:
        await records.read(lambda r: require_unused(r, MAIN, "erp", "p-1"))
    assert refused.value.detail == (
        "The connector 'erp' is in use: 1 waiting in the outbox; 1 given up in the outbox; "
        "1 of its work orders open; 1 ended ones still to be told; "
        "rules hot-0, hot-1, hot-2; notification policies night; maintenance plans yearly."
    )
    assert "force" in refused.value.remedy
    await records.read(lambda r: require_unused(r, MAIN, "other", "p-1"))
    await records.read(lambda r: require_unused(r, OTHER, "crm", "p-1"))


async def test_many_are_counted_so_far_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is its own: what waits for others is not even looked at, however much it is."""
    monkeypatch.setattr(module, "COUNTED_MAX", 4)
    monkeypatch.setattr(module, "_PAGE", 2)
    records = MemoryRecords()

    def work(writer: Writer) -> None:
        for number in range(7):
            put_rule(writer, f"r{number}", "erp")
            order = order_of(entry(number), state=WorkOrderState.OPEN, place="p-1")
            writer.put(WORK_ORDERS, MAIN, order.work_order_id, order)
            other = order_of(entry(10 + number, connector="crm"), state=WorkOrderState.OPEN)
            writer.put(WORK_ORDERS, MAIN, other.work_order_id, other)
        last = order_of(entry(99, connector="mes"), state=WorkOrderState.OPEN, place="p-2")
        writer.put(WORK_ORDERS, MAIN, "zzz", last)

    await records.write(work)
    monkeypatch.setattr(module, "NAMED_MAX", 2)
    with pytest.raises(Conflict, match="4 or more of its work orders open; rules r0, r1 and 2 mo"):
        await records.read(lambda r: require_unused(r, MAIN, "erp", "p-1"))
    with pytest.raises(Conflict, match="'mes' is in use: 1 of its work orders open"):
        await records.read(lambda r: require_unused(r, MAIN, "mes", "p-2"))


async def test_what_has_not_ended_at_a_system_is_said() -> None:
    """An entry without an answer may have left a record there; one that never went has not."""
    records = MemoryRecords()
    lost = structs.replace(entry(1), unanswered=1)
    await records.write(lambda w: w.put(OUTBOX, MAIN, "1", entry(2)))
    await records.read(lambda r: require_left(r, MAIN, "erp", "p-1"))
    await records.write(lambda w: w.put(OUTBOX, MAIN, "2", lost))
    with pytest.raises(Conflict, match="another system: 1 handed over without an answer"):
        await records.read(lambda r: require_left(r, MAIN, "erp", "p-1"))
    order = order_of(entry(3), state=WorkOrderState.OPEN, place="p-1")
    await records.write(lambda w: w.put(WORK_ORDERS, MAIN, order.work_order_id, order))
    with pytest.raises(Conflict, match="1 of its work orders open; 1 handed over") as refused:
        await records.read(lambda r: require_left(r, MAIN, "erp", "p-1"))
    assert "another name" in refused.value.remedy

"""What would miss a connector: said in words before it is taken away."""

from typing import Any

import pytest
from msgspec import structs
from tests.connectors.support import ALICE, MAIN, NOON, OTHER, entry, order_of

from weft.backends.memory.records import MemoryRecords
from weft.connectors import own_uses as module
from weft.connectors.own_uses import require_unused
from weft.errors import Conflict
from weft.groups.notification_policies import POLICIES, Channel, NotifyStep, Policy, PolicyBody
from weft.model.alarm import OutboxState, WorkOrderState
from weft.model.ids import RuleId
from weft.ports import Writer
from weft.rules.documents import read_rule
from weft.rules.kinds import OUTBOX, RULES, WORK_ORDERS
from weft.rules.model import Rule
from weft.rules.plans import PLANS, Plan


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
    """Rules, policies, plans, entries and open work orders; of others' nothing is counted."""
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
        for item in (waiting, done, entry(3, connector="crm")):
            writer.put(OUTBOX, MAIN, item.action.action_id, item)
        order = order_of(done, state=WorkOrderState.OPEN)
        writer.put(WORK_ORDERS, MAIN, order.work_order_id, order)

    await records.write(work)
    with pytest.raises(Conflict) as refused:
        await require_unused(records, MAIN, "erp")
    assert refused.value.detail == (
        "The connector 'erp' is in use: 1 waiting in the outbox; 1 of its work orders open; "
        "rules hot-0, hot-1, hot-2; notification policies night; maintenance plans yearly."
    )
    assert "force" in refused.value.remedy
    await require_unused(records, MAIN, "other")
    await require_unused(records, OTHER, "crm")


async def test_many_are_counted_so_far_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question of an administrator reads a bounded part of the records."""
    monkeypatch.setattr(module, "COUNTED_MAX", 4)
    monkeypatch.setattr(module, "_PAGE", 2)
    records = MemoryRecords()

    def work(writer: Writer) -> None:
        for number in range(7):
            put_rule(writer, f"r{number}", "erp")
            item = entry(number)
            writer.put(OUTBOX, MAIN, item.action.action_id, item)

    await records.write(work)
    monkeypatch.setattr(module, "NAMED_MAX", 2)
    with pytest.raises(Conflict, match="4 or more waiting in the outbox; rules r0, r1 and 2 more"):
        await require_unused(records, MAIN, "erp")

"""Lineage: the chain from either side."""

import pytest
from msgspec.structs import replace
from tests.rules.faults import Machine, rule_of, trips
from tests.rules.support import ALICE, HOOK, MAIN, ORDER, Plant, device, hot, members_of

from weft.errors import NotFound
from weft.model.ids import TenantId
from weft.rules.kinds import WORK_ORDERS
from weft.rules.lineage import Lineage, LineageKind


async def plant_with_order() -> Plant:
    plant = Plant(device(), device("pump-8"))
    await plant.rules.create(ALICE, hot(actions=[ORDER, HOOK]))
    await plant.hear(0, {"temperature": 20.0})
    await plant.hear(1, {"temperature": 90.0})
    (order,) = await plant.orders()
    opened = replace(order, remote_id="WO-17", remote_state="done", state="closed", closed_at=9)
    await plant.records.write(
        lambda writer: writer.put(WORK_ORDERS, MAIN, order.work_order_id, opened)
    )
    return plant


async def test_the_chain_is_the_same_from_every_link() -> None:
    """Sample, device, rule, alarm, fault, action, order, remote id, closing: one graph."""
    plant = await plant_with_order()
    (alarm,) = await plant.raised()
    (order,) = await plant.orders()
    lineage = Lineage(plant.records)
    graphs = [
        await lineage.trace(MAIN, kind, key)
        for kind, key in [
            (LineageKind.ALARM, alarm.alarm_id),
            (LineageKind.SAMPLE, "2"),
            (LineageKind.DEVICE, "pump-7"),
            (LineageKind.RULE, "overheating"),
            (LineageKind.ACTION, order.work_order_id),
            (LineageKind.WORK_ORDER, order.work_order_id),
            (LineageKind.REMOTE, "WO-17"),
            (LineageKind.FAULT, order.fault_id),
            (LineageKind.CLOSING, order.work_order_id),
        ]
    ]
    assert all(one.nodes == graphs[0].nodes and one.edges == graphs[0].edges for one in graphs)
    assert all(one.root in {node.id for node in one.nodes} for one in graphs)
    of_many = {LineageKind.GROUP, LineageKind.ASSET}
    assert {node.kind for node in graphs[0].nodes} == set(LineageKind) - of_many
    ids = {node.id for node in graphs[0].nodes}
    assert all(edge.source in ids and edge.target in ids for edge in graphs[0].edges)
    relations = {(edge.source.split(":")[0], edge.relation) for edge in graphs[0].edges}
    assert relations == {
        ("device", "measured"), ("sample", "proved"), ("rule", "judged"), ("alarm", "asked"),
        ("alarm", "part of"), ("fault", "asked"), ("action", "ordered"),
        ("work_order", "became"), ("remote", "ended"),
    }  # fmt: skip


async def test_the_samples_outlive_the_journal() -> None:
    """The graph holds what was measured, not where it once stood."""
    plant = await plant_with_order()
    graph = await Lineage(plant.records).trace(MAIN, LineageKind.DEVICE, "pump-7")
    (sample,) = [node for node in graph.nodes if node.kind is LineageKind.SAMPLE]
    assert sample.facts["values"] == {"temperature": 90.0}
    (rule,) = [node for node in graph.nodes if node.kind is LineageKind.RULE]
    assert rule.facts == {
        "rule": "overheating", "version": 1, "when": "temperature > 80", "owner": "user:alice"
    }  # fmt: skip


@pytest.mark.parametrize("kind", list(LineageKind))
async def test_what_led_to_nothing_is_not_found(kind: LineageKind) -> None:
    """And neither is anything of another tenant."""
    plant = await plant_with_order()
    lineage = Lineage(plant.records)
    with pytest.raises(NotFound):
        await lineage.trace(MAIN, kind, "999")
    with pytest.raises(NotFound):
        await lineage.trace(TenantId("other"), kind, "2")


async def test_an_alarm_of_a_group_leads_to_the_member_that_spoke() -> None:
    """The group is concerned; the sample is the member's."""
    plant = Plant()
    members_of(plant.around).groups["pumps"] = {"pump-7"}
    rule = hot(when="any(temperature > 80)", scope={"group": "pumps"}, message="")
    await plant.rules.create(ALICE, rule)
    await plant.hear(1, {"temperature": 90.0})

    graph = await Lineage(plant.records).trace(MAIN, LineageKind.GROUP, "pumps")

    (alarm,) = await plant.raised()
    assert {f"{edge.source} {edge.relation} {edge.target}" for edge in graph.edges} >= {
        f"group:pumps concerned alarm:{alarm.alarm_id}",
        "device:pump-7 measured sample:1",
    }


async def test_every_alarm_of_a_fault_leads_to_its_one_work_order() -> None:
    """The second device made no work order; its alarm is followed to the first one's."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    first, second = (trips(rule, name) for name in machine.names)
    await machine.write(first, second)
    (order,) = await machine.plant.orders()
    lineage = Lineage(machine.records)
    from_second = await lineage.trace(MAIN, LineageKind.ALARM, second.alarm_id)
    assert f"work_order:{order.work_order_id}" in {node.id for node in from_second.nodes}
    back = await lineage.trace(MAIN, LineageKind.WORK_ORDER, order.work_order_id)
    alarms = {node.key for node in back.nodes if node.kind is LineageKind.ALARM}
    assert alarms == {first.alarm_id, second.alarm_id}

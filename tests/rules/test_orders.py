"""Orders: what the business is told of a fault, and what later alarms add."""

import pytest
from msgspec.structs import replace
from tests.connectors.support import alarm as alarm_of
from tests.rules.faults import Machine, clears, rule_of, trips
from tests.rules.support import MAIN, START, S

from weft.model.alarm import Evidence, Priority, Severity, WorkOrder, WorkOrderState
from weft.model.work_order import Telling, TellingKind
from weft.ports import Writer
from weft.rules.faults import order_changed
from weft.rules.kinds import WORK_ORDERS
from weft.rules.orders import EVIDENCE_MAX, LISTED_MAX, urgency_of


async def test_a_work_order_names_asset_fault_and_why() -> None:
    """What a planner reads: where, what, how urgent, what to do, by which samples."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot"))
    sample = Evidence(7, START, {"temperature": 99.0})
    await machine.write(replace(trips(rule, "sensor-00"), evidence=(sample,)))
    (order,) = await machine.plant.orders()
    assert (order.asset_id, order.fault_code, order.instructions) == (
        "press-1",
        "overheated",
        "Stop it first.",
    )
    (proof,) = order.evidence
    assert (proof.condition, proof.rule_version, proof.samples) == (
        "temperature > 80",
        1,
        (sample,),
    )
    assert order.details == {}


async def test_evidence_and_lists_are_bounded_and_the_count_is_not() -> None:
    """A thousand alarms of one fault must not make a record of a megabyte."""
    machine = Machine(1)
    (rule,) = await machine.ready(rule_of("hot"))
    many = LISTED_MAX + 20
    for number in range(many):
        await machine.write(trips(rule, "sensor-00", at=START + number * S, position=number + 1))
    (order,) = await machine.plant.orders()
    assert (order.alarms, len(order.alarm_ids), len(order.evidence)) == (
        many,
        LISTED_MAX,
        EVIDENCE_MAX,
    )


@pytest.mark.parametrize(
    ("severity", "criticality", "given", "priority"),
    [
        (Severity.MAJOR, None, None, Priority.HIGH),
        (Severity.MAJOR, "high", None, Priority.URGENT),
        (Severity.CRITICAL, "critical", None, Priority.URGENT),
        (Severity.INFO, "low", None, Priority.LOW),
        (Severity.WARNING, "Low", None, Priority.LOW),
        (Severity.INFO, "low", "urgent", Priority.URGENT),
        (Severity.WARNING, None, "2 - their own word", Priority.MEDIUM),
    ],
)
def test_priority_comes_of_severity_and_criticality(
    severity: Severity, criticality: str | None, given: str | None, priority: Priority
) -> None:
    """What the rule says goes first; a word that is not ours goes to the far side as it is."""
    attributes = {} if criticality is None else {"criticality": criticality}
    raised = alarm_of(severity=severity)
    assert urgency_of(raised, attributes, given) is priority


async def test_a_worse_alarm_makes_the_order_more_urgent() -> None:
    """First a warning, then the critical one; a lesser one later changes nothing."""
    machine = Machine()
    warning, critical = await machine.ready(
        rule_of("warm", severity="info"), rule_of("hot", severity="critical")
    )
    await machine.write(trips(warning, "sensor-00"))
    (order,) = await machine.plant.orders()
    assert order.priority is Priority.MEDIUM
    await machine.write(trips(critical, "sensor-00"), trips(warning, "sensor-01"))
    (order,) = await machine.plant.orders()
    assert order.priority is Priority.URGENT


async def stand(machine: Machine, order: WorkOrder) -> None:
    def work(writer: Writer) -> None:
        writer.put(WORK_ORDERS, MAIN, order.work_order_id, order)
        order_changed(writer, order, START)

    await machine.records.write(work)


async def test_a_fault_that_flaps_while_nobody_can_be_told_is_told_as_one() -> None:
    """The ERP is down for a night, the closed fault comes again a thousand times: one telling."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot", quiet="1d"))
    await machine.write(trips(rule, "sensor-00"), clears(trips(rule, "sensor-00")))
    (order,) = await machine.plant.orders()
    await stand(machine, replace(order, state=WorkOrderState.CLOSED))
    for number in range(1, 1_001):
        again = trips(rule, "sensor-00", at=START + number * 60 * S, position=number + 1)
        await machine.write(again, clears(again))
    (order,) = await machine.plant.orders()
    (telling,) = order.tellings
    assert (telling.kind, telling.times) == (TellingKind.REOPEN, 1_000)
    assert telling.text == "Weft: the fault has come again 1000 times: sensor-00 is at 99."


async def test_what_a_person_did_in_between_keeps_its_place() -> None:
    """Opened again by the fault, closed by a person, and it came again: told in this order."""
    machine = Machine()
    (rule,) = await machine.ready(rule_of("hot", quiet="1d"))
    await machine.write(trips(rule, "sensor-00"), clears(trips(rule, "sensor-00")))
    (order,) = await machine.plant.orders()
    closed = Telling(TellingKind.CLOSE, "closed by alice", START)
    for place in (1, 2, 3):
        told = (*order.tellings, closed) if place == 2 else order.tellings
        await stand(machine, replace(order, state=WorkOrderState.CLOSED, tellings=told))
        again = trips(rule, "sensor-00", at=START + place * 60 * S, position=place + 1)
        await machine.write(again, clears(again))
        (order,) = await machine.plant.orders()
    assert [(one.kind, one.times) for one in order.tellings] == [
        (TellingKind.REOPEN, 1),
        (TellingKind.CLOSE, 0),
        (TellingKind.REOPEN, 2),
    ]


async def test_an_order_that_weft_closed_is_opened_again_though_its_fault_goes_on() -> None:
    """Another system's order keeps the fault open; ours was closed as all had cleared."""
    machine = Machine()
    orders = [{"work_order": {"connector": name, "title": "Repair"}} for name in ("erp", "desk")]
    (rule,) = await machine.ready(rule_of("hot", actions=orders))
    await machine.write(trips(rule, "sensor-00"), clears(trips(rule, "sensor-00")))
    (mine,) = [one for one in await machine.plant.orders() if one.connector == "erp"]
    await stand(machine, replace(mine, state=WorkOrderState.CLOSED, closed_by="weft"))
    for number in (1, 2):
        await machine.write(trips(rule, f"sensor-0{number - 1}", at=START + S, position=2))
    found = {one.connector: one.tellings for one in await machine.plant.orders()}
    assert [(one.kind, one.times) for one in found["erp"]] == [(TellingKind.REOPEN, 1)]
    assert found["desk"] == ()

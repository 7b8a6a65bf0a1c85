"""Orders: what the business is told of a fault, and what later alarms add."""

import pytest
from msgspec.structs import replace
from tests.connectors.support import alarm as alarm_of
from tests.rules.faults import Machine, rule_of, trips
from tests.rules.support import START, S

from weft.model.alarm import Evidence, Priority, Severity
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

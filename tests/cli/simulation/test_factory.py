"""The factory: its script fits its type, its rules compile, and an order comes within a minute."""

import json
from pathlib import Path

import pytest
from tests.app.support import served

from weft.app.compose import MACHINE, MAIN
from weft.cli.simulation.factory import (
    BREAKDOWNS,
    CONNECTOR,
    EVERY_S,
    MACHINES,
    PASSING_S,
    RULES,
    TYPE,
    TYPE_DOCUMENT,
)
from weft.cli.simulation.faults import Fault
from weft.cli.simulation.machine import Machine
from weft.registry.devices import NewDevice
from weft.registry.documents import read_document

STEP_S = 0.5


@pytest.fixture
async def machines(tmp_path: Path) -> dict[str, Machine]:
    """The plant as the demonstration makes it."""
    async with served(tmp_path) as weft:
        await weft.identity.types.save(MACHINE, TYPE, TYPE_DOCUMENT)
        for name in MACHINES:
            await weft.identity.devices.create(MACHINE, NewDevice(name, TYPE))
        telemetry = weft.identity.types.get(MAIN, TYPE).telemetry
        return {name: Machine(telemetry, seed) for seed, name in enumerate(MACHINES)}


def seconds_until(machine: Machine, key: str, above: float) -> float:
    """Return how long it takes until a value is above a threshold."""
    for step in range(1_000):
        values = machine.step(STEP_S)
        if values is not None and values.get(key, 0) > above:
            return step * STEP_S
    return float("inf")


async def test_a_healthy_plant_raises_no_alarm(machines: dict[str, Machine]) -> None:
    """Ten minutes of every machine stay below every rule's threshold."""
    for name, machine in machines.items():
        for _ in range(1_200):
            values = machine.step(STEP_S)
            assert values is not None
            assert values["vibration"] < 5.0, name
            assert values["temperature"] < 95.0, name


async def test_the_first_fault_crosses_its_rule_within_a_minute(
    machines: dict[str, Machine],
) -> None:
    """With the time that the rule waits and a poll of the ERP to spare."""
    first = min(BREAKDOWNS, key=lambda one: one.after_s)
    assert first.fault is Fault.BEARING_WEAR
    machine = machines[first.device_id]
    machine.break_with(first.fault)
    assert first.after_s + seconds_until(machine, "vibration", 6.0) < 45


async def test_overheating_crosses_its_rule_before_the_round_ends(
    machines: dict[str, Machine],
) -> None:
    """Otherwise nobody would see the second alarm."""
    hot = next(one for one in BREAKDOWNS if one.fault is Fault.OVERHEATING)
    machine = machines[hot.device_id]
    machine.break_with(hot.fault)
    assert hot.after_s + seconds_until(machine, "temperature", 110.0) < EVERY_S - 30


def test_the_script_names_machines_of_the_plant() -> None:
    """In order of time, and done when it begins again."""
    assert len(set(MACHINES)) == len(MACHINES)
    moments = [one.after_s for one in BREAKDOWNS]
    assert moments == sorted(moments)
    assert max(moments) + PASSING_S < EVERY_S
    for one in BREAKDOWNS:
        assert one.device_id in MACHINES


def test_the_type_is_a_document_that_anybody_could_have_written() -> None:
    """As JSON or YAML; nothing of the demonstration is built in."""
    assert read_document(json.dumps(TYPE_DOCUMENT), "device type") == TYPE_DOCUMENT


def test_every_rule_ends_in_a_work_order_of_the_erp() -> None:
    """With a title that names the machine."""
    for rule in RULES:
        (action,) = rule["actions"]
        assert action["work_order"]["connector"] == CONNECTOR
        assert "{device}" in action["work_order"]["title"]

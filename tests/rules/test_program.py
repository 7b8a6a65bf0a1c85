"""Programs: many rules in one function, each with its own three bits."""

from typing import Any

import pytest
from fuzz.fuzz_rules import SEEDS, eat
from fuzz.harness import run
from msgspec import UNSET
from tests.rules.support import ALICE, MACHINE, MachineValues, Plant, hot

from weft.rules.conditions import compile_rule
from weft.rules.language import scope_of
from weft.rules.language.syntax import Type
from weft.rules.program import BITS, CLEAR, ERROR, MASK, TRUE, Program, coerced


async def program(*documents: dict[str, Any]) -> Program:
    plant = Plant()
    rules = [
        await plant.rules.create(ALICE, hot(name=f"r{place}", message="") | document)
        for place, document in enumerate(documents)
    ]
    return Program([compile_rule(rule, scope_of(MACHINE)) for rule in rules])


async def test_each_rule_has_its_own_answer() -> None:
    """True, clear, failed, unknown and in between, side by side."""
    made = await program(
        {"when": "temperature > 80"},
        {"when": "temperature < 80"},
        {"when": "1 / rpm > 0"},
        {"when": "pressure > 1"},
        {"when": "temperature > 95", "clear": "temperature < 20"},
        {"when": "temperature > 95", "clear": "1 / rpm > 0"},
    )
    slots: list[Any] = [UNSET] * len(made.paths)
    mask = made.function(MachineValues)(MachineValues(temperature=90.0, rpm=0), slots)
    answers = [mask >> BITS * place & MASK for place in range(6)]
    assert answers == [TRUE, CLEAR, ERROR, 0, 0, ERROR]
    assert made.problem(2, slots) == made.problem(5, slots) == "division by zero"


async def test_slots_keep_what_a_message_lacks() -> None:
    """The second message says only the pressure; the third is free JSON with a whole number."""
    made = await program({"when": "temperature > 80 && pressure > 5"})
    slots: list[Any] = [UNSET] * 2
    typed = made.function(MachineValues)
    assert typed(MachineValues(temperature=90.0), slots) == 0
    assert typed(MachineValues(pressure=6.0), slots) == TRUE
    assert made.function(None)(None, slots) == TRUE
    assert made.function(MachineValues) is typed


async def test_a_class_without_the_key_reads_the_slot() -> None:
    """An older version of the type never had it."""
    made = await program({"when": "temperature > 80"})
    older = type(MachineValues())
    assert made.function(older)(MachineValues(), [81.0]) == TRUE


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (21, Type.DOUBLE, 21.0), (21, Type.INT, 21), (True, Type.INT, UNSET),
        ("a", Type.DOUBLE, UNSET),
        (21, Type.DYN, 21.0), (None, Type.DYN, None), ([], Type.LIST, []), ({}, Type.MAP, {}),
    ],
)  # fmt: skip
def test_reported_values_fit_their_declared_type_or_are_absent(
    value: Any, kind: Type, expected: Any
) -> None:
    """JSON says 21 where a double is declared; a text there is as good as nothing."""
    made = coerced(value, kind)
    assert made == expected
    assert made.__class__ is expected.__class__


def test_a_short_fuzz_run_finds_nothing() -> None:
    """Mutated conditions through both compilers; the long run is fuzz/fuzz_rules.py."""
    found = run(eat, [seed.encode() for seed in SEEDS], inputs=1_000, seed=3, held_bytes=64 * 1024)
    assert found["inputs"] == 1_000

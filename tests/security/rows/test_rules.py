"""RU-1 and RU-2: a rule cannot get out, cannot take long, and stops nobody else."""

import pytest
from tests.rules.language.test_hostile import HOSTILE
from tests.rules.support import ALICE, Plant, hot

from weft.errors import Invalid
from weft.rules.language.generate import NAMESPACE


async def test_ru_1_nothing_hostile_is_saved() -> None:
    """As `when`, as `clear`, on create and on update: refused with a remedy, nothing kept."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(name="good", selector={}))
    saved: set[str] = set()
    for name, row in HOSTILE.items():
        for part in ("when", "clear"):
            document = hot(name="good", selector={}, **{part: row["text"]})
            try:
                await plant.rules.update(ALICE, "good", document)
            except Invalid:
                continue
            saved.add(name)
    # A device without a type may have any key: what is left reads a key of that name, and
    # nothing else.
    strangers = {name for name in saved if "no telemetry key" not in HOSTILE[name]["refused"]}
    assert strangers <= ANY_KEY
    assert NAMESPACE["__builtins__"] == {}


# Refused by the types of a device type; of a device without one they fail as they are read.
ANY_KEY = {
    "dunder-class", "dunder-of-text", "format-spec", "window-over-text", "no-bool",
    "truthy-text", "schedule-from-an-input", "text-doubling",
}  # fmt: skip


async def test_ru_2_a_rule_that_fails_is_paused_alone_and_recovers() -> None:
    """Bad messages: that rule stops, the others of the tenant go on, and it can return."""
    plant = Plant(errors_in_a_row=5)
    await plant.rules.create(ALICE, hot(name="fails", when="100 / rpm > 3"))
    await plant.rules.create(ALICE, hot(name="works"))
    for second in range(10):
        await plant.hear(second, {"rpm": 0, "temperature": 60.0})
    assert (await plant.rules.get(ALICE.tenant, "fails")).paused
    assert not (await plant.rules.get(ALICE.tenant, "works")).paused
    await plant.hear(20, {"temperature": 90.0})
    assert [str(one.rule_id) for one in await plant.raised()] == ["works"]
    await plant.rules.set_enabled(ALICE, "fails", enabled=True)
    await plant.hear(21, {"rpm": 2})
    assert {str(one.rule_id) for one in await plant.raised()} == {"works", "fails"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("temperature > 80" + " || temperature > 80" * 300, "4096 are read"),
        ("(" * 40 + "running" + ")" * 40, "deeper than 32"),
        ("rpm in [" + "1, " * 300 + "1]", "more than 256"),
        (" && ".join([f"max(temperature, {n} samples) > 80" for n in range(450, 500)]), "may keep"),
    ],
)
async def test_ru_2_limits_hold_on_save(text: str, told: str) -> None:
    """Characters, nesting, items, memory."""
    with pytest.raises(Invalid, match=told):
        await Plant().rules.create(ALICE, hot(when=text))

"""RU-2: what a rule may remember is estimated and bounded when it is saved."""

import pytest
from tests.rules.support import ALICE, Plant, hot

from weft.errors import Invalid, QuotaExceeded
from weft.rules import memory
from weft.rules.feeds.base import Cost
from weft.rules.language import ANY, compile_condition
from weft.rules.memory import RULE_MAX, memory_of, require_bounded


def test_one_call_written_twice_is_remembered_once() -> None:
    """In `when` and in `clear`, in two spellings."""
    once = compile_condition("mean(x, 5m) > 80", ANY)
    again = compile_condition("mean( x, 300s ) < 75 && max(x, 10 samples) < 9", ANY)
    one, both = memory_of(once, None), memory_of(once, again)
    assert one.state_bytes < both.state_bytes < 2 * one.state_bytes
    assert memory_of(compile_condition("x > 80", ANY), None) == Cost(state_bytes=0, sample_ns=0)


async def test_ru_2_a_rule_that_remembers_too_much_is_refused() -> None:
    """Short to write, and a megabyte for each device: nothing of it is saved."""
    plant = Plant()
    calls = [f"percentile(temperature, {n}, 500 samples) > 1" for n in range(20)]
    with pytest.raises(Invalid, match=r"may keep \d+ KiB a device") as caught:
        await plant.rules.create(ALICE, hot(when=" || ".join(calls)))
    assert caught.value.remedy
    assert not await plant.rules.list(ALICE.tenant)
    with pytest.raises(Invalid, match="µs a sample"):
        require_bounded(Cost(state_bytes=0, sample_ns=RULE_MAX.sample_ns + 1))


async def test_ru_2_all_rules_of_a_tenant_together_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is small; the one that is too much is refused, the others stay, an edit counts once."""
    plant = Plant()
    first = await plant.rules.create(ALICE, hot(name="first", when="mean(temperature, 5m) > 80"))
    room = Cost(state_bytes=first.state_bytes * 2, sample_ns=memory.TENANT_MAX.sample_ns)
    monkeypatch.setattr(memory, "TENANT_MAX", room)
    await plant.rules.create(ALICE, hot(name="second", when="max(temperature, 5m) > 80"))
    await plant.rules.update(ALICE, "first", hot(name="first", when="min(temperature, 5m) > 80"))
    with pytest.raises(QuotaExceeded, match="All rules together may keep"):
        await plant.rules.create(ALICE, hot(name="third", when="sum(temperature, 5m) > 80"))
    await plant.rules.create(ALICE, hot(name="plain", when="temperature > 80"))
    assert len(await plant.rules.list(ALICE.tenant)) == 3

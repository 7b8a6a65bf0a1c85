"""Again: what all of the data gives, and nothing is changed that cannot be told."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from tests.rules.derived.support import derivation
from tests.rules.support import MAIN, START, S, around, device, members_of

from weft.backends.memory.history import MemoryHistory
from weft.errors import TooLarge
from weft.model.ids import DeviceId
from weft.ports import Rows
from weft.rules.derived import again
from weft.rules.derived.again import Again, Change, Outcome, Task, is_same
from weft.rules.derived.model import Derivation, DerivationDocument
from weft.rules.model import RuleScope, Selector
from weft.rules.surroundings import Surroundings

PUMP = DeviceId("pump-7")


def made(key: str, value: str, inputs: Sequence[str], **more: Any) -> Derivation:
    document = DerivationDocument(key, value, **{"selector": Selector(type_name="machine"), **more})
    return replace(derivation(key, key, inputs), document=document, updated_at=START)


async def kept(samples: Sequence[tuple[float, str, dict[str, Any]]]) -> MemoryHistory:
    """Return a history of these samples, in this order."""
    history = MemoryHistory()
    for position, (second, name, values) in enumerate(samples, 1):
        rows = Rows(
            tenants=[MAIN],
            devices=[name],
            at=[START + round(second * S)],
            positions=[position],
            keys=tuple(values),
            columns=tuple([value] for value in values.values()),
        )
        await history.append([rows], position)
    return history


def task(start: float, **more: Any) -> Task:
    given: dict[str, Any] = {
        "tenant": MAIN,
        "devices": (PUMP,),
        "start": START + round(start * S),
        "end": START + 10_000 * S,
        "warm_up_ns": 3_600 * S,
        "samples_max": 1_000,
        **more,
    }
    return Task(**given)


async def run(
    what: Task,
    samples: Sequence[tuple[float, str, dict[str, Any]]],
    *derivations: Derivation,
    surroundings: Surroundings | None = None,
) -> Outcome:
    history = await kept(samples)
    return await Again(what, surroundings or around(device()), derivations, history).run()


async def test_a_late_sample_gives_its_own_value_and_changes_those_behind_it() -> None:
    """A mean of a minute over 2, (3), 6: what was 4 is three and two thirds."""
    usual = made("usual", "mean(temperature, 1m)", ["temperature"])
    samples = [
        (0, PUMP, {"temperature": 2.0}), (0, PUMP, {"usual": 2.0}),
        (20, PUMP, {"temperature": 6.0}), (20, PUMP, {"usual": 4.0}),
        (10, PUMP, {"temperature": 3.0}),
    ]  # fmt: skip
    found = await run(task(10), samples, usual)
    assert found.changes == [
        Change(PUMP, "usual", START + 10 * S, None, 2.5),
        Change(PUMP, "usual", START + 20 * S, 4.0, 11 / 3),
    ]
    assert (found.samples, found.uncertain) == (3, [])


async def test_what_is_as_it_was_is_no_change() -> None:
    """The late sample was of a key that nobody reads, or says what is known."""
    double = made("double", "temperature * 2.0", ["temperature"])
    samples = [(0, PUMP, {"temperature": 2.0}), (0, PUMP, {"double": 4.0})]
    assert (await run(task(0), samples, double)).changes == []


async def test_where_too_little_of_the_past_is_read_nothing_is_changed() -> None:
    """The state had lasted since before what is read; to say less would be wrong."""
    lasted = made("on", "lasted(running)", ["running"])
    samples = [
        (5_000, PUMP, {"running": True}), (5_000, PUMP, {"on": 5_000.0}),
        (5_010, PUMP, {"running": True}), (5_010, PUMP, {"on": 5_010.0}),
        (5_005, PUMP, {"running": True}),
    ]  # fmt: skip
    found = await run(task(5_005), samples, lasted)
    assert (found.changes, found.uncertain) == ([], ["pump-7/on"])


async def test_before_a_derivation_was_saved_nothing_is_computed() -> None:
    """As live."""
    double = replace(made("double", "temperature * 2.0", ["temperature"]), updated_at=START + S)
    samples = [(0, PUMP, {"temperature": 2.0}), (2, PUMP, {"temperature": 3.0})]
    found = await run(task(0), samples, double)
    assert [(one.at, one.new) for one in found.changes] == [(START + 2 * S, 6.0)]


async def test_a_late_member_changes_the_whole_and_what_stands_on_it() -> None:
    """Two machines of a line; the sum of the line, and its half."""
    surroundings = around(device("m1"), device("m2"), device("line", type_name=None))
    members_of(surroundings).assets["line-1"] = {"m1", "m2"}
    scope = RuleScope(asset="line-1")
    total = made("total", "sum_of(temperature)", ["temperature"], scope=scope, device="line")
    half = made("half", "total / 2.0", ["total"], selector=Selector(devices=("line",)))
    samples = [
        (0, "m1", {"temperature": 1.0}), (0, "line", {"total": 1.0, "half": 0.5}),
        (9, "m1", {"temperature": 2.0}), (9, "line", {"total": 2.0, "half": 1.0}),
        (5, "m2", {"temperature": 10.0}),
    ]  # fmt: skip
    found = await run(
        task(5, devices=(DeviceId("m2"),)), samples, total, half, surroundings=surroundings
    )
    assert [(one.device_id, one.key, one.old, one.new) for one in found.changes] == [
        ("line", "half", None, 5.5), ("line", "half", 1.0, 6.0),
        ("line", "total", None, 11.0), ("line", "total", 2.0, 12.0),
    ]  # fmt: skip


async def test_whole_numbers_of_a_type_are_whole_again() -> None:
    """History keeps them as doubles, and the expression takes ints."""
    odd = made("odd", "rpm % 2 == 1", ["rpm"])
    found = await run(task(0), [(0, PUMP, {"rpm": 901})], odd)
    assert [one.new for one in found.changes] == [True]


async def test_more_than_may_be_read_is_refused() -> None:
    """And the setting is named."""
    double = made("double", "temperature * 2.0", ["temperature"])
    samples = [(n, PUMP, {"temperature": 1.0}) for n in range(5)]
    with pytest.raises(TooLarge, match="5 samples"):
        await run(task(0, samples_max=4), samples, double)


async def test_what_was_computed_counts_as_it_is_read_as_well() -> None:
    """Two samples that came in, and the three keys that were computed of each."""
    every = [made(key, "temperature * 2.0", ["temperature"]) for key in ("a", "b", "c")]
    samples = [(n, PUMP, {"temperature": 1.0}) for n in range(2)]
    samples += [(n, PUMP, {"a": 2.0, "b": 2.0, "c": 2.0}) for n in range(2)]
    with pytest.raises(TooLarge, match="8 samples"):
        await run(task(0, samples_max=7), samples, *every)
    assert (await run(task(0, samples_max=8), samples, *every)).changes == []


async def test_devices_are_served_while_what_is_stored_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half a million values are looked at beside the loop."""
    seen: list[int] = []
    for name in ("_samples", "is_same"):
        work = getattr(again, name)

        def watched(*given: Any, work: Any = work) -> Any:
            seen.append(threading.get_ident())
            return work(*given)

        monkeypatch.setattr(again, name, watched)
    double = made("double", "temperature * 2.0", ["temperature"])
    samples = [(0, PUMP, {"temperature": 2.0}), (0, PUMP, {"double": 4.0})]
    await run(task(0), samples, double)
    assert len(seen) == 3
    assert threading.get_ident() not in seen


def test_rounding_is_no_difference() -> None:
    """A window is joined in another order."""
    assert is_same(0.1 + 0.2, 0.3)
    assert not is_same(0.3, 0.31)
    assert not is_same(True, 1.0)
    assert is_same("run", "run")

"""Roll-ups: one value of what all members said last, and nobody counted twice."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from tests.rules.derived.support import Works, roll_up
from tests.rules.support import ALICE, MAIN, S, device, members_of

from weft.errors import Invalid
from weft.model.ids import DeviceId
from weft.rules.derived.rollups import RollUp, RollUps, compile_roll_up
from weft.rules.model import Selector

MACHINES = ("m1", "m2", "m3")


async def works(value: str = "sum_of(temperature)", **more: Any) -> Works:
    """Three machines of a line, and the line's own device."""
    made = Works(*(device(name) for name in MACHINES), device("line", type_name=None))
    members_of(made.around).assets["line-1"] = {*MACHINES, "line"}
    made.start()
    await made.derivations.save(ALICE, "total", roll_up(value, **more))
    return made


async def test_a_member_moves_its_own_part() -> None:
    """The newest word of each; telemetry of the device that stands for them."""
    made = await works()
    for second, (name, value) in enumerate([("m1", 1.0), ("m2", 2.0), ("m1", 5.0)]):
        made.hear(second, {"temperature": value}, name=name)
    made.write()
    assert made.told() == [(0.0, {"total": 1.0}), (1.0, {"total": 3.0}), (2.0, {"total": 7.0})]
    assert {batch.envelopes[0].route.device_id for batch in made.line.batches[3:]} == {"line"}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(MACHINES), st.floats(-1e6, 1e6)), min_size=1, max_size=20),
    st.data(),
)
async def test_a_roll_up_is_the_sum_of_the_newest_values(
    said: list[tuple[str, float]], data: st.DataObject
) -> None:
    """With kills and checkpoints at any moment."""
    made = await works()
    newest: dict[str, float] = {}
    expected = []
    for second, (name, value) in enumerate(said):
        made.hear(second, {"temperature": value}, name=name)
        newest[name] = value
        expected.append((float(second), {"total": math.fsum(newest.values())}))
        act = data.draw(st.sampled_from(["", "write", "checkpoint", "kill"]))
        if act == "write":
            made.write()
        elif act == "checkpoint":
            await made.deriver.checkpoint()
        elif act == "kill":
            await made.restart()
    made.write()
    assert sorted(made.told(), key=lambda one: one[0]) == expected


async def test_a_chain_of_devices_comes_from_one_message() -> None:
    """A derived key of a machine, the line's sum of it, and what is computed of that sum."""
    made = await works()
    await made.derivations.save(ALICE, "double", made.document("double", "temperature * 2.0"))
    await made.derivations.save(ALICE, "total", roll_up("sum_of(double)"))
    line = Selector(devices=("line",))
    await made.derivations.save(ALICE, "half", made.document("half", "total / 2.0", selector=line))
    made.hear(0, {"temperature": 3.0}, name="m1")
    made.write()
    assert sorted(made.told(), key=str) == [
        (0.0, {"double": 6.0}), (0.0, {"total": 6.0, "half": 3.0}),
    ]  # fmt: skip


async def test_a_slow_member_does_not_set_the_whole_back() -> None:
    """Its sample is older than the newest of another: the whole stays at that one's moment."""
    made = await works()
    made.hear(10, {"temperature": 1.0}, name="m1")
    made.hear(5, {"temperature": 2.0}, name="m2", received=11)
    made.write()
    assert made.told() == [(10.0, {"total": 1.0}), (10.0, {"total": 3.0})]


async def test_who_leaves_counts_no_more_and_who_joins_does_with_what_it_said() -> None:
    """At the next message of anybody."""
    made = await works()
    for second, name in enumerate(MACHINES):
        made.hear(second, {"temperature": 1.0}, name=name)
    members_of(made.around).assets["line-1"] = {"m2", "m3"}
    made.deriver.deriving.place_members(MAIN)
    made.hear(5, {"temperature": 4.0}, name="m2")
    members_of(made.around).assets["line-1"] = set(MACHINES)
    made.deriver.deriving.place_device(device("m1"))
    made.hear(6, {"temperature": 4.0}, name="m3")
    made.write()
    assert [values["total"] for _at, values in made.told()] == [1.0, 2.0, 3.0, 5.0, 9.0]


async def test_a_silent_member_does_not_count_until_it_speaks() -> None:
    """Ten seconds without a word."""
    made = await works(stale_after_ns=10 * S)
    made.hear(0, {"temperature": 1.0}, name="m1")
    made.hear(5, {"temperature": 2.0}, name="m2")
    made.hear(12, {"temperature": 2.5}, name="m2")
    made.hear(13, {"temperature": 1.5}, name="m1")
    made.write()
    assert [values["total"] for _at, values in made.told()] == [1.0, 3.0, 2.5, 4.0]


async def test_a_device_that_is_gone_is_no_member() -> None:
    """Nor is its namesake, before it speaks."""
    made = await works()
    made.hear(0, {"temperature": 1.0}, name="m1")
    made.deriver.device_changed(device("m1"), None)
    made.hear(1, {"temperature": 2.0}, name="m2")
    made.write()
    assert made.told()[-1] == (1.0, {"total": 2.0})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("temperature * 2.0", "is of each member"),
        ("1.0", "asks nothing of any member"),
        ("sum_of(mode == 'a')", "takes a number"),
        ("sum_of(sum_of(x))", "inside another"),
    ],
)
def test_what_is_no_roll_up_is_refused(value: str, says: str) -> None:
    """With what to write instead."""
    with pytest.raises(Invalid, match=says):
        compile_roll_up(value)


async def test_no_members_are_no_value() -> None:
    """Nothing is known of nobody."""
    made = await works()
    held = RollUp(await made.derivations.get(MAIN, "total"))
    assert held.value() is UNSET
    held.join(DeviceId("m1"), {}, 0)
    assert held.value() is UNSET
    assert held.has(DeviceId("m1"))
    assert RollUps(made.around.members).of(MAIN) == []

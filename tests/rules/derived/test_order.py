"""Order: what stands on what, loops by name, and an end to depth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rules.derived.support import derivation

from weft.errors import Conflict, Invalid
from weft.rules.derived.model import DEPTH_MAX
from weft.rules.derived.order import feeds, levels, may_meet, require_ordered
from weft.rules.model import Selector


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (Selector(), Selector(type_name="pump"), True),
        (Selector(type_name="fan"), Selector(type_name="pump"), False),
        (Selector(devices=("a", "b")), Selector(devices=("b",)), True),
        (Selector(devices=("a",)), Selector(devices=("b",)), False),
        (Selector(attributes={"hall": 1}), Selector(attributes={"hall": 2}), False),
        (Selector(attributes={"hall": 1}), Selector(attributes={"line": 2}), True),
    ],
)
def test_selectors_meet_where_one_device_can_be_meant_by_both(
    one: Selector, other: Selector, *, meet: bool
) -> None:
    """Whichever is asked first."""
    assert may_meet(one, other) is may_meet(other, one) is meet


def test_a_loop_is_refused_and_shown() -> None:
    """Over three steps, by name and key."""
    others = [derivation("b", "b1", ["a1"]), derivation("c", "c1", ["b1"])]
    with pytest.raises(Invalid, match=r"a \(a1\) -> b \(b1\) -> c \(c1\) -> a \(a1\)"):
        require_ordered(derivation("a", "a1", ["c1"]), others)


def test_a_key_is_never_computed_from_itself() -> None:
    """The shortest loop."""
    with pytest.raises(Invalid, match="from itself: a"):
        require_ordered(derivation("a", "a1", ["a1"]), [])


def test_a_key_is_given_once() -> None:
    """Two answers for one key are none; apart, they are two keys of two kinds of device."""
    held = derivation("a", "power", ["x"], selector=Selector(type_name="pump"))
    with pytest.raises(Conflict, match="'a'"):
        require_ordered(derivation("b", "power", ["y"]), [held])
    require_ordered(derivation("b", "power", ["y"], selector=Selector(type_name="fan")), [held])


def test_depth_has_an_end() -> None:
    """One more step than is allowed."""
    chain = [derivation(f"d{n}", f"k{n}", [f"k{n - 1}"]) for n in range(1, DEPTH_MAX + 1)]
    require_ordered(chain[-1], chain[:-1])
    with pytest.raises(Invalid, match="deep"):
        require_ordered(derivation("more", "more", [f"k{DEPTH_MAX}"]), chain)


@given(st.lists(st.sets(st.integers(0, 5), max_size=3), min_size=1, max_size=6))
def test_whatever_is_taken_has_an_order(reads: list[set[int]]) -> None:
    """Saved one by one, each that is taken stands above all that it reads."""
    held = []
    for number, read in enumerate(reads):
        new = derivation(f"d{number}", f"k{number}", [f"k{one}" for one in sorted(read)] or ["x"])
        try:
            require_ordered(new, held)
        except Invalid:
            continue
        held.append(new)
    found = levels(held)
    assert found.keys() == {one.name for one in held}
    for one in held:
        for other in held:
            if feeds(other, one):
                assert found[other.name] < found[one.name]

"""Tallies: moved part by part, and always what counting all of them anew would tell."""

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from weft.model.ids import DeviceId
from weft.rules.tallies import NAMED_MAX, Numbers, Truths

NAMES = [DeviceId(name) for name in "abcdef"]
WORDS = st.sampled_from([True, False, UNSET])
NUMBERS = st.one_of(st.floats(), st.just(UNSET), st.sampled_from([0.1, 0.2, -0.3, 1e300, -1e300]))


def truths_told(words: list[object], name: str) -> object:
    """Count them all, in the words of the manual."""
    true, false = words.count(True), words.count(False)
    if name == "any":
        return True if true else (False if words and false == len(words) else UNSET)
    if name == "all":
        return False if false else (True if words and true == len(words) else UNSET)
    if not true + false:
        return UNSET
    return true if name == "count" else true / (true + false)


def numbers_told(words: list[float], name: str) -> object:
    """Add and compare them all."""
    if not words:
        return UNSET
    if name == "min_of":
        return min(words)
    if name == "max_of":
        return max(words)
    try:
        total = math.fsum(words)
    except OverflowError:
        return None  # beyond the doubles on the way: the exact sum tells, fsum cannot
    return total if name == "sum_of" else None


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(WORDS, st.none()))))
def test_conditions_are_told_as_if_all_were_counted(steps: list[tuple[DeviceId, object]]) -> None:
    """None lets a member leave."""
    tally = Truths()
    held: dict[DeviceId, object] = {}
    for member, word in steps:
        if word is None:
            if member in held:
                tally.drop(member)
                del held[member]
            continue
        tally.put(member, word)
        held[member] = word
        for name in ("any", "all", "count", "share"):
            told, wanted = tally.tell(name), truths_told(list(held.values()), name)
            assert told == wanted
            assert (told is UNSET) == (wanted is UNSET)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(NUMBERS, st.none()))))
def test_numbers_are_told_to_the_last_bit(steps: list[tuple[DeviceId, object]]) -> None:
    """Whatever came and went: no rounding is left behind."""
    tally = Numbers()
    held: dict[DeviceId, float] = {}
    for member, word in steps:
        if word is None:
            if member in tally.words:
                tally.drop(member)
                held.pop(member, None)
            continue
        tally.put(member, word)
        held.pop(member, None)
        if isinstance(word, float) and math.isfinite(word):
            held[member] = word
        for name in ("sum_of", "min_of", "max_of"):
            wanted = numbers_told(list(held.values()), name)
            assert wanted is None or tally.tell(name) == wanted


def test_the_order_in_which_members_speak_does_not_matter() -> None:
    """A running sum of these, kept with doubles, tells 0.0 one way and 1.0 the other."""
    one, other = Numbers(), Numbers()
    words = dict(zip(NAMES, [1e16, 1.0, -1e16], strict=False))
    for member, word in words.items():
        one.put(member, word)
    for member, word in reversed(words.items()):
        other.put(member, word)

    assert one.tell("sum_of") == other.tell("sum_of") == 1.0
    assert one.tell("mean_of") == 1 / 3


def test_a_sum_beyond_the_doubles_is_infinite() -> None:
    """It compares as what it is."""
    tally = Numbers()
    for member in NAMES[:2]:
        tally.put(member, 1.7e308)

    assert tally.tell("sum_of") == math.inf
    assert tally.tell("mean_of") == 1.7e308


def test_members_that_made_it_so_are_named() -> None:
    """A bounded number, in the order of their names."""
    truths, numbers = Truths(), Numbers()
    for place in range(NAMED_MAX + 5):
        truths.put(DeviceId(f"p{place:02d}"), place != 3)
        numbers.put(DeviceId(f"p{place:02d}"), float(place % 7))

    assert len(truths.named("any")) == NAMED_MAX
    assert truths.named("all") == ("p03",)
    assert set(numbers.named("max_of")) == {"p06", "p13", "p20"}
    assert numbers.named("sum_of") == ()


def test_a_text_or_a_truth_is_no_number() -> None:
    """A member that answers otherwise is unknown, and takes nothing away."""
    tally = Numbers()
    tally.put(NAMES[0], True)
    tally.put(NAMES[1], 2.0)

    assert tally.tell("sum_of") == 2.0

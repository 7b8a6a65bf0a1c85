"""The working state of a twin: the newest value counts, however it arrives."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType, defstruct

from weft.model.telemetry import Reading
from weft.model.twin import Stamp
from weft.twins.state import KEYS_MAX, NOTED_MAX, Reported, TwinState, merge_patch

Values = defstruct("Values", [("a", int | UnsetType, UNSET), ("b", int | UnsetType, UNSET)])

readings = st.lists(
    st.tuples(
        st.integers(1, 6),
        st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 9), min_size=1),
        st.booleans(),
    ),
    max_size=12,
)


@given(st.lists(readings, max_size=4))
def test_the_newest_value_of_each_key_counts(rounds: list[list[tuple[int, Any, bool]]]) -> None:
    """Whatever the order of arrival, the shapes and the moments of merging."""
    state = TwinState(Reported(last_seen_at=10))
    expected: dict[str, tuple[int, int]] = {}
    for batch in rounds:
        for at, values, typed in batch:
            state.note([Reading(at, Values(**values) if typed else values)])
            for key, value in values.items():
                if key not in expected or expected[key][1] <= at:
                    expected[key] = (value, at)
        merged = state.merge()
        assert {k: (v.value, v.at) for k, v in merged.telemetry.items()} == expected


def test_a_late_value_does_not_overwrite_a_newer_one() -> None:
    state = TwinState(Reported(last_seen_at=10))
    state.note([Reading(10, {"a": 1})])
    state.merge()
    state.note([Reading(5, {"a": 2, "b": 3})])
    assert {k: v.value for k, v in state.merge().telemetry.items()} == {"a": 1, "b": 3}


def test_a_report_is_a_merge_patch() -> None:
    state = TwinState(Reported({"a": 1, "n": {"x": 1, "y": 2}}))
    state.report({"a": None, "b": 2, "n": {"x": None}}, Stamp(7, "device:d"))
    assert state.merge().properties == {"b": 2, "n": {"y": 2}}
    assert state.stored.version == 1


def test_rfc_7396_examples_hold() -> None:
    """The cases of appendix A that a document can meet."""
    assert merge_patch({"a": "b"}, {"a": "c"}) == {"a": "c"}
    assert merge_patch({"a": "b", "b": "c"}, {"a": None}) == {"b": "c"}
    assert merge_patch({"a": ["b"]}, {"a": "c"}) == {"a": "c"}
    assert merge_patch({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}) == {"a": {"b": "d"}}
    assert merge_patch({"a": "b"}, {"a": {"x": None, "y": 1}}) == {"a": {"y": 1}}


def test_readings_that_nobody_looks_at_are_worked_in_before_they_fill_the_memory() -> None:
    """A thousand readings in one message, and the disk takes no checkpoint for a while."""
    state = TwinState(Reported(last_seen_at=NOTED_MAX * 4))
    for start in range(0, NOTED_MAX * 3, 1_000):
        state.note([Reading(at, {"a": at}) for at in range(start, start + 1_000)])
    assert len(state._noted) <= NOTED_MAX
    newest = state.merge().telemetry["a"]
    assert newest.value == newest.at >= NOTED_MAX * 3 - 1


def test_of_keys_without_end_the_newest_are_kept() -> None:
    """A device that makes up a new key each time has a twin of bounded size."""
    state = TwinState(Reported())
    for at in range(KEYS_MAX + 10):
        state.note([Reading(at, {f"key{at}": at})])
    merged = state.merge().telemetry
    assert len(merged) == KEYS_MAX
    assert "key9" not in merged
    assert f"key{KEYS_MAX + 9}" in merged

"""Inference: what is proposed is a type that takes what was seen, and says what it cannot."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.support import MAIN

from weft.ingest.decode import Decoders
from weft.model.message import Operation
from weft.registry.inference import Sample, infer, unit_of
from weft.registry.thing_models import read_type

VALUES = st.one_of(
    st.booleans(),
    st.integers(min_value=-(2**53), max_value=2**53),
    st.floats(min_value=-1e15, max_value=1e15),
    st.text(max_size=20),
    st.none(),
    st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=3),
    st.lists(st.integers(-9, 9), max_size=3),
)
SAMPLES = st.lists(
    st.builds(
        Sample,
        section=st.sampled_from(["telemetry", "properties"]),
        values=st.dictionaries(
            st.sampled_from(["temperature", "a.b", "x-1", "9x", "", "Ünicode", "co2", "mode"])
            | st.text(max_size=12),
            VALUES,
            max_size=6,
        ),
    ),
    max_size=12,
)


def _telemetry(*values: dict[str, Any]) -> Any:
    return infer(Sample("telemetry", one) for one in values)


@given(samples=SAMPLES)
def test_whatever_was_sent_the_proposal_is_a_type(samples: list[Sample]) -> None:
    """A person presses approve; no document that we wrote ourselves is refused."""
    proposal = infer(samples)
    made = read_type(MAIN, "proposed", proposal.document, version=1, at=0)
    assert proposal.samples == len(samples)
    assert set(made.telemetry) == set(proposal.document.get("telemetry", {}))
    for key in {key for one in samples for key, value in one.values.items() if value is not None}:
        declared = any(key in proposal.document.get(one, {}) for one in ("telemetry", "properties"))
        assert declared or any(key in note or repr(key) in note for note in proposal.notes)


@given(samples=SAMPLES)
def test_messages_whose_keys_were_all_declared_pass_the_type(samples: list[Sample]) -> None:
    """What is redriven after the approval was seen before it: bounds never refuse it."""
    proposal = infer(samples)
    made = read_type(MAIN, "proposed", proposal.document, version=1, at=0)
    decode = Decoders(made).for_operation(Operation.TELEMETRY, "")
    assert decode is not None
    for sample in samples:
        values = {key: value for key, value in sample.values.items() if value is not None}
        if sample.section == "telemetry" and values and values.keys() <= made.telemetry.keys():
            assert decode(msgspec.json.encode(values), 1)


def test_several_samples_are_one_type() -> None:
    """A whole number and a broken one are a number; a key may be missing in some."""
    proposal = _telemetry({"t": 21, "ok": True}, {"t": 21.5, "mode": "idle"}, {"mode": "run"})
    fields = proposal.document["telemetry"]
    assert {key: field["type"] for key, field in fields.items()} == {
        "t": "number",
        "ok": "boolean",
        "mode": "string",
    }
    assert "21 to 21.5" in fields["t"]["description"]
    assert "idle, run" in fields["mode"]["description"]
    assert "minimum" not in fields["t"]
    assert proposal.notes == ()


def test_a_key_of_two_kinds_and_one_that_nests_are_told() -> None:
    """Its owner decides, not a guess."""
    proposal = _telemetry({"a": 1, "b": {"c": 1}, "d": [1], "9": 1}, {"a": "one"})
    assert set(proposal.document["telemetry"]) == {"b", "d"}
    notes = " ".join(proposal.notes)
    assert "telemetry.a came as integer and string" in notes
    assert "telemetry.b is nested (object)" in notes
    assert "telemetry.d is nested (array)" in notes
    assert "'9'" in notes


def test_events_are_fields_by_name_and_properties_their_own_section() -> None:
    """An event without data is one all the same."""
    proposal = infer(
        [
            Sample("events", {"litres": 2}, "leak"),
            Sample("events", {}, "started"),
            Sample("properties", {"firmware": "1.2", "gone": None}),
        ]
    )
    assert proposal.document["events"]["leak"]["litres"]["type"] == "integer"
    assert proposal.document["events"]["started"] == {}
    assert set(proposal.document["properties"]) == {"firmware"}
    assert "telemetry" not in proposal.document


@pytest.mark.parametrize(
    ("key", "low", "high", "unit"),
    [
        ("temperature", 18.0, 24.0, "Cel"),
        ("outsideTemp", -10, 3, "Cel"),
        ("humidity", 40, 60, "%"),
        ("humidity", 0.4, 0.6, ""),  # a fraction is no percent
        ("pressure", 990, 1020, "hPa"),
        ("pressure", 99_000, 102_000, "Pa"),
        ("pressure", 2, 4, ""),  # bar, or anything
        ("battery_voltage", 3.1, 3.6, "V"),
        ("motor_rpm", 0, 1480, "{rev}/min"),
        ("energy_kwh", 1, 2, "kW.h"),
        ("counter", 1, 2, ""),
        ("temperature", 10_000, 20_000, ""),  # raw counts, not degrees
        ("co2", 400, 900, "[ppm]"),
        ("", 0, 0, ""),
    ],
)
def test_a_unit_is_proposed_where_name_and_values_agree(
    key: str, low: float, high: float, unit: str
) -> None:
    """And nowhere else: a wrong unit is worse than none."""
    assert unit_of(key, low, high) == unit


def test_a_measure_that_was_whole_so_far_is_a_number() -> None:
    """21 degrees now is 21.5 in an hour."""
    assert _telemetry({"temperature": 21}).document["telemetry"]["temperature"]["type"] == "number"

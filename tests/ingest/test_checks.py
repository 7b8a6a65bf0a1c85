"""Checks that a type becomes; complaints that name key, type and remedy."""

import msgspec
import pytest
from tests.ingest.support import pump_type

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.checks import (
    DEPTH_MAX,
    Describe,
    annotation_of,
    did_you_mean,
    require_storable,
    values_struct,
)
from weft.model.device import Field


def test_enumerations_are_checked_and_fractions_refused_when_declared() -> None:
    mode = values_struct(pump_type(mode=Field("string", enum=("auto", "manual"))))
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
        msgspec.json.decode(b'{"mode": "x"}', type=mode)
    with pytest.raises(Invalid, match="integers and strings"):
        annotation_of(Field("number", enum=(0.5,)))


def test_a_key_that_nobody_declared_is_answered_with_the_one_that_is_near() -> None:
    try:
        msgspec.convert({"temperatur": 1}, values_struct(pump_type()))
    except msgspec.ValidationError as error:
        refusal = Describe("telemetry", "pump@1", ["temperature", "rpm"]).refusal(error, "here: ")
        assert refusal.detail == "here: Type pump@1 declares no telemetry 'temperatur'."
        assert refusal.remedy == "Did you mean 'temperature'?"
    else:
        pytest.fail("taken")


def test_a_name_as_long_as_a_book_is_not_compared() -> None:
    assert did_you_mean("x" * 1_000_000, ["x"]) == ""


def test_what_is_storable_has_an_end() -> None:
    nested: object = 1
    for _ in range(DEPTH_MAX):
        nested = [nested]
    require_storable(nested)
    with pytest.raises(PayloadInvalid, match="deep"):
        require_storable([nested])

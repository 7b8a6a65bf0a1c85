"""Checking: the first wrong value is named with its exact place."""

from typing import Any

import pytest

from weft.errors import Invalid
from weft.model.device import Field, Output
from weft.registry.checking import require_output, require_values

FIELDS = {
    "rpm": Field("integer", minimum=0, maximum=3000, required=True),
    "mode": Field("string", enum=("idle", "run")),
    "label": Field("string", max_length=5),
    "ratio": Field("number"),
    "serial": Field("string", read_only=True),
}


def check(values: dict[str, Any], *, patch: bool = False) -> None:
    require_values(values, FIELDS, "input", of="type pump", patch=patch)


def test_values_as_declared_pass() -> None:
    check({"rpm": 900, "mode": "run", "label": "abcde", "ratio": 1})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"rpm": "fast"}, "input.rpm is a string; declared is integer"),
        ({"rpm": True}, "input.rpm is a boolean"),
        ({"rpm": 1.5}, "input.rpm is a number"),
        ({"rpm": None}, "input.rpm is null"),
        ({"rpm": -1}, "input.rpm is -1, below the minimum of 0"),
        ({"rpm": 3001}, "input.rpm is 3001, above the maximum of 3000"),
        ({"rpm": 1, "mode": "walk"}, "input.mode is 'walk'"),
        ({"rpm": 1, "label": "abcdef"}, "input.label has 6 characters; at most 5 fit"),
        ({"rpm": 1, "ratio": [1]}, "input.ratio is an array"),
        ({"rpm": 1, "ratio": {}}, "input.ratio is an object"),
        ({"rpmm": 1}, "input.rpmm is not declared by type pump"),
        ({"mode": "run"}, "input.rpm is missing; type pump requires it"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(values: dict[str, Any], told: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(values)
    assert refused.value.detail.startswith(told)
    assert refused.value.remedy


def test_a_name_that_is_near_is_suggested() -> None:
    with pytest.raises(Invalid) as refused:
        check({"rpmm": 1})
    assert refused.value.remedy == "Did you mean 'rpm'?"


def test_a_patch_takes_values_away_and_leaves_the_devices_own_alone() -> None:
    """Null removes, nothing is required, and nobody can wish for a serial number."""
    check({"mode": None}, patch=True)
    with pytest.raises(Invalid, match=r"input\.serial is read-only"):
        check({"serial": "x"}, patch=True)


def test_where_nothing_is_declared_nothing_is_taken() -> None:
    with pytest.raises(Invalid) as refused:
        require_values({"a": 1}, {}, "input", of="command 'stop'")
    assert "nothing is declared" in refused.value.remedy


def test_an_output_that_is_left_out_is_an_empty_object() -> None:
    """Where nothing in it is required, nothing is missing."""
    require_output(None, Output({"rpm": Field("number")}), of="command 'spin'")
    with pytest.raises(Invalid, match=r"output\.rpm is missing"):
        require_output(None, Output({"rpm": Field("number", required=True)}), of="command 'spin'")
    with pytest.raises(Invalid, match="output is null; declared is number"):
        require_output(None, Output(value=Field("number")), of="command 'spin'")

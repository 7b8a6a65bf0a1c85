"""Templates: names and nothing else."""

import pytest

from weft.errors import Invalid
from weft.rules.templates import fill, fill_all, require_template


def test_values_are_put_in_as_people_read_them() -> None:
    """Numbers short, absent ones as a question mark, braces doubled."""
    values = {"t": 81.50000001, "on": True, "n": 7}
    assert fill("{t} {on} {n} {gone} {{x}}", values) == "81.5 true 7 ? {x}"


def test_a_value_cannot_forge_a_second_line() -> None:
    """A device names itself with a line break; the message stays one line."""
    assert fill("{device}", {"device": "a\nraised"}) == "a\\nraised"


@pytest.mark.parametrize("text", ["{t.__class__}", "{t!r}", "{t:>9999999}", "{t[0]}", "{0}"])
def test_attribute_access_and_formats_do_nothing(text: str) -> None:
    """What looks like Python's format is a name that is not known, saved or filled."""
    with pytest.raises(Invalid, match="names nothing"):
        require_template(text, ["t"])
    assert fill(text, {"t": 1}) == "?"


def test_mistakes_are_told() -> None:
    """A wrong name has a suggestion, a single brace its column, a novel its length."""
    with pytest.raises(Invalid) as caught:
        require_template("at {temprature}", ["temperature"])
    assert caught.value.remedy == "Did you mean 'temperature'?"
    with pytest.raises(Invalid, match="column 4"):
        require_template("at {", None)
    with pytest.raises(Invalid, match="at most 1000"):
        require_template("x" * 1001, None)
    assert require_template("{anything}", None) == "{anything}"


def test_parameters_are_filled_one_level_deep() -> None:
    """Texts are templates; everything else is passed on as it is."""
    filled = fill_all({"title": "{device}", "priority": 2, "tags": ["{device}"]}, {"device": "p"})
    assert filled == {"title": "p", "priority": 2, "tags": ["{device}"]}

"""The tests in a rule's document: what can be said, and what is refused with its place."""

from typing import Any

import pytest
from tests.rules.support import S

from weft.errors import Invalid
from weft.rules.examples import read_tests


def test_a_test_says_what_is_given_and_what_is_expected() -> None:
    """Moments are counted from its begin."""
    (one,) = read_tests(
        [
            {
                "name": "hot",
                "given": [
                    {"at": "10s", "values": {"temperature": 85}},
                    {"at": "20s", "device": "p2", "reported": {"mode": "test"}, "received": "1m"},
                ],
                "expect": [{"raised": "30s", "members": ["p2"]}],
                "until": "2m",
                "start": "2026-01-05T08:00:00Z",
                "devices": {"p2": {"type": "pump", "attributes": {"hall": "2"}, "asset": "line"}},
            }
        ]
    )

    first, second = one.given
    assert (first.at_ns, first.device, first.reported) == (10 * S, "device-1", False)
    assert (second.device, second.reported, second.received_ns) == ("p2", True, 60 * S)
    assert (one.expect[0].raised_ns, one.expect[0].members) == (30 * S, ("p2",))
    assert (one.until_ns, one.start_ns) == (120 * S, 1_767_600_000 * S)
    assert one.devices["p2"].asset == "line"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "They are a list of at most 50"),
        ([{}], r"tests\[0\]: It has no name"),
        ([7], r"tests\[0\]: A mapping is expected"),
        ([{"name": "a", "givn": []}], r"tests\[0\]: 'givn' is no part of it"),
        ([{"name": "a", "given": [{"at": "1s"}]}], r"given\[0\]: A sample has a moment"),
        ([{"name": "a", "given": [{"values": {}}]}], r"given\[0\]: A sample has a moment"),
        ([{"name": "a", "given": [{"at": "soon", "values": {}}]}], "'soon' is no duration"),
        ([{"name": "a", "expect": [{}]}], r"expect\[0\]: It does not say when it is raised"),
        ([{"name": "a", "expect": [{"raised": "1s", "members": "p"}]}], "members is a list"),
        ([{"name": "a", "given": 3}], "given is a list"),
        ([{"name": "a", "devices": {"p": {"attributes": 1}}}], r"devices.p: attributes are"),
    ],
)
def test_each_mistake_names_its_place(value: Any, said: str) -> None:
    """Which test, which sample, and what to write."""
    with pytest.raises(Invalid, match=said) as refused:
        read_tests(value)

    assert refused.value.remedy

"""Conditions over members: what may be said, and what is refused with its column."""

import pytest
from tests.rules.support import MACHINE

from weft.errors import Invalid
from weft.rules.language import ANY, scope_of
from weft.rules.language.members import (
    FUNCTIONS,
    MemberScope,
    compile_member,
    compile_over_members,
    require_some,
)
from weft.rules.language.syntax import Type


def test_each_call_becomes_one_input_of_the_condition() -> None:
    """What a device is asked stands apart from what all of them make of it."""
    over = compile_over_members("any(temperature > 80) && count(temperature>80.0) >= 3")

    assert [call.text for call in over.calls] == [
        "any((temperature > 80))",
        "count((temperature > 80.0))",
    ]
    assert over.condition.paths == {call.path for call in over.calls}
    assert [call.gives for call in over.calls] == [Type.BOOL, Type.INT]


def test_the_same_call_written_twice_is_one() -> None:
    """Spaces are a matter of taste."""
    over = compile_over_members("mean_of(rpm)>3 || mean_of( rpm ) < 1")

    assert [call.text for call in over.calls] == ["mean_of(rpm)"]


def test_a_member_may_be_asked_for_what_it_remembers() -> None:
    """A window inside a call is of each member by itself."""
    (call,) = compile_over_members("any(mean(temperature, 5m) > 80)").calls

    member = compile_member(call, scope_of(MACHINE))

    assert [feed.text for feed in member.feeds] == ["mean(temperature, 5m)"]
    assert ("telemetry", "temperature") in member.paths
    assert member.direct == {("feed", "mean(temperature, 5m)")}


def compiled(text: str) -> None:
    for call in compile_over_members(text).calls:
        compile_member(call, scope_of(MACHINE))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("temperature > 80", "'temperature' is of each member"),
        ("any(temperature > 80) && pressure > 3", "'pressure' is of each member"),
        ("any(temperature)", "a condition must give bool"),
        ("any(count(rpm > 3) > 2)", "stands inside another such call"),
        ("any(temperature > max_of(temperature))", "stands inside another such call"),
        ("count(rpm, 5m) > 3", "takes 1 and was given 2"),
        ("mean_of(rpm > 3) > 2", "takes a number of each member"),
        ("any() == true", "takes 1 and was given 0"),
        ("mean_of(temperature)", "a condition must give bool"),
    ],
)
def test_what_is_not_of_all_is_refused_with_its_column(text: str, said: str) -> None:
    """Whoever writes it learns where and what to write instead."""
    with pytest.raises(Invalid, match="Column") as refused:
        compiled(text)

    assert said in refused.value.detail
    assert refused.value.remedy


def test_a_condition_holds_a_bounded_number_of_calls() -> None:
    """Each is told of at every message of every member."""
    text = " || ".join(f"any(rpm > {number})" for number in range(17))

    with pytest.raises(Invalid, match="17 calls over members"):
        compile_over_members(text)


def test_one_type_of_device_that_can_answer_is_enough() -> None:
    """A hall has pumps and lamps; what pumps measure may be asked of it."""
    (call,) = compile_over_members("any(temperature > 80)").calls

    require_some(call, [scope_of(MACHINE), ANY])
    (unknown,) = compile_over_members("any(temprature > 80)").calls
    with pytest.raises(Invalid, match="temprature"):
        require_some(unknown, [scope_of(MACHINE)])


def test_the_scope_names_nothing_but_its_calls() -> None:
    """Its parts answer as the checker asks."""
    scope = MemberScope({"any(x)": Type.BOOL})

    assert scope.type_of(("members", "any(x)")) is Type.BOOL
    assert scope.type_of(("telemetry", "x")) is None
    assert not scope.remembers
    assert "any()" in scope.example("twin")
    assert set(FUNCTIONS) >= {"any", "all", "count", "share"}

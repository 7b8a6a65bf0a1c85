"""The seam: what every function of the table promises, whoever wrote it."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from weft.model.ids import DeviceId, TenantId
from weft.rules.feeds.base import FED, NEVER, Origin, Takes
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.language import ANY, compile_condition
from weft.rules.language.syntax import Feed as Node
from weft.rules.language.syntax import Type

S = 1_000_000_000
ORIGIN = Origin(tenant=TenantId("main"), device_id=DeviceId("pump-7"), began_at=1_000 * S)


def node_of(name: str) -> Node:
    """Return the call of the function's own example."""
    text = FUNCTIONS[name].example
    gives = FUNCTIONS[name].gives
    compared = (
        text if gives in {"bool", "dyn"} else f"{text} != {chr(39) * 2 if gives == 'string' else 0}"
    )
    condition = compile_condition(compared, ANY)
    return next(one for one in condition.feeds if one.name == name)


def samples_of(name: str) -> st.SearchStrategy[object]:
    """Make samples as the expressions of a function give them."""
    numbers = st.integers(-50, 50).map(float)
    kinds = {Takes.NUMBER: numbers, Takes.TRUTH: st.booleans(), Takes.ANYTHING: numbers}
    count = len(node_of(name).samples)
    fed = [kinds[one.takes] for one in FUNCTIONS[name].parameters if one.takes in FED][:count]
    if not fed:
        return st.none()
    return fed[0] if count == 1 else st.tuples(*fed)


@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_restart_in_the_middle_changes_nothing(name: str, data: st.DataObject) -> None:
    """Fed twice, one of them through the disk after each step: value and due never differ."""
    function, setting = FUNCTIONS[name], dict(node_of(name).settings)
    live, kept = function.make(setting, ORIGIN), function.make(setting, ORIGIN)
    received = ORIGIN.began_at
    for _ in range(data.draw(st.integers(1, 30))):
        received += data.draw(st.sampled_from([0, 1, S, 30 * S, 200 * S, 4_000 * S]))
        if data.draw(st.integers(0, 4)) == 0 and live.due < NEVER:
            received = max(received, live.due)
            answers = (live.advance(received), kept.advance(received))
            assert live.due > received  # or its timer would fire for ever
        else:
            at = received - data.draw(st.sampled_from([0, 0, 0, S, 100 * S]))
            sample = data.draw(samples_of(name))
            answers = (live.take(at, received, sample), kept.take(at, received, sample))
        assert answers[0] == answers[1]
        assert live.due == kept.due
        assert answers[0].__class__ is answers[1].__class__
        stored = msgspec.json.decode(msgspec.json.encode(kept.state()))
        kept = function.make(setting, ORIGIN)
        restored = kept.restore(stored)
        assert restored == answers[0] or (restored is UNSET and answers[0] is UNSET)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_kept_stays_within_what_was_told_on_save(name: str) -> None:
    """Thousands of samples, and the state is no larger than the cost says."""
    function, setting = FUNCTIONS[name], dict(node_of(name).settings)
    feed = function.make(setting, ORIGIN)
    count = len(node_of(name).samples)
    for number in range(3_000):
        at = ORIGIN.began_at + number * 61_803_398_874 // 1_000
        value = number * 1.6180339887 % 100
        fed = [one.takes for one in function.parameters if one.takes in FED][:count]
        parts = tuple(value > 50 if takes is Takes.TRUTH else value for takes in fed)
        feed.take(at, at, parts[0] if count == 1 else parts or None)
    assert len(msgspec.json.encode(feed.state())) <= function.cost(setting).state_bytes


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_manual_can_show_it(name: str) -> None:
    """A sentence, an example that compiles, and the type that it gives."""
    function = FUNCTIONS[name]
    assert function.doc.endswith(".")
    assert function.example.startswith(f"{name}(")
    if function.gives != "same":
        assert node_of(name).type is Type(function.gives)

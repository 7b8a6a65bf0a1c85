"""A ledger: raises and clears joined into firings."""

from tests.rules.support import MAIN, START, S, around, hot, route
from tests.rules.test_subjects import rule_of

from weft.model.message import Committed, Envelope
from weft.model.telemetry import Reading
from weft.rules.ledger import Ledger
from weft.rules.requests import Request
from weft.rules.runtime import Runtime


def test_a_firing_is_raised_once_and_cleared_by_its_own_clear() -> None:
    """What is asked for is taken away when it was noted; an unknown clear is passed over."""
    asked: list[Request] = []
    runtime = Runtime(around(), asked.append)
    runtime.set_rule(rule_of(hot()), at=START)
    path, ledger = route(), Ledger()
    for position, value in enumerate((90.0, 20.0), 1):
        at = START + position * S
        reading = Reading(at, {"temperature": value})
        runtime.apply(Committed(position, [Envelope(path, at, b"")], [[reading]]), after=0)
        late = list(asked) if position == 2 else []
        ledger.take(asked)
        assert asked == []

    (firing,) = ledger.firings.values()
    assert (firing.raised_at, firing.cleared_at) == (START + S, START + 2 * S)
    assert (firing.clearing_position, str(firing.subject)) == (2, "pump-7")
    empty = Ledger()
    empty.take(late)
    assert empty.firings == {}
    assert path.tenant == MAIN


def test_a_firing_is_never_cleared_before_it_was_raised() -> None:
    """The clock raised it; then memory told that it was well before: it ends as it began."""
    asked: list[Request] = []
    runtime = Runtime(around(), asked.append)
    runtime.set_rule(rule_of(hot(**{"for": "5m"})), at=START)
    path, ledger, hour = route(), Ledger(), 3_600 * S
    for position, value in enumerate((90.0, 20.0), 1):
        reading = Reading(START + position * S, {"temperature": value})
        received = START + position * hour
        runtime.apply(Committed(position, [Envelope(path, received, b"")], [[reading]]), after=0)
    ledger.take(asked)
    (firing,) = ledger.firings.values()
    assert firing.raised_at == firing.cleared_at == START + 301 * S

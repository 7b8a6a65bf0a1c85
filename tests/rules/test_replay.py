"""Trying a rule on the past: as live, and nothing is sent."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.support import ALICE, MAIN, ORDER, START, Line, Plant, S, around, hot

from weft.errors import Invalid
from weft.model.alarm import Alarm
from weft.model.message import Committed
from weft.rules.ledger import Firing
from weft.rules.replay import try_rule


async def stream(line: Line) -> AsyncIterator[Committed]:
    for batch in line.batches:
        yield batch


@settings(max_examples=50, deadline=None)
@given(
    degrees=st.lists(st.sampled_from([60.0, 78.0, 90.0]), max_size=30),
    wait=st.sampled_from(["0s", "2s", "5s"]),
)
async def test_a_trial_finds_what_live_found(degrees: list[float], wait: str) -> None:
    """The same evaluation over the same messages: the same episodes, raised and cleared alike."""
    plant = Plant()
    document = hot(**{"for": wait}, clear="temperature < 75", actions=[ORDER])
    await plant.rules.create(ALICE, document)
    for second, value in enumerate(degrees):
        await plant.hear(second, {"temperature": value})
    trial = await try_rule(document, stream(plant.line), tenant=MAIN, around=around())

    def told(one: Alarm | Firing) -> tuple[int, int, int | None, str]:
        return one.episode, one.raised_at, one.cleared_at, one.message

    assert [told(one) for one in trial.firings] == [told(one) for one in await plant.raised()]
    assert trial.messages == len(degrees)


async def test_nothing_is_sent_and_the_clock_goes_on_to_the_end() -> None:
    """A device fell silent while hot; the trial knows that thirty seconds passed."""
    line = Line()
    line.say(0, {"temperature": 90.0})
    document = hot(**{"for": "30s"}, actions=[ORDER])
    trial = await try_rule(
        document, stream(line), tenant=MAIN, around=around(), until=START + 60 * S
    )
    (firing,) = trial.firings
    assert (firing.raised_at, firing.actions, firing.cleared_at) == (START + 30 * S, 1, None)
    assert trial.complete


async def test_a_wrong_document_is_refused_before_anything_is_read() -> None:
    """As on save."""
    with pytest.raises(Invalid, match="'hot' is no telemetry key"):
        await try_rule(hot(when="hot > 1"), stream(Line()), tenant=MAIN, around=around())


async def test_failures_are_in_the_health_of_the_trial() -> None:
    """The author sees that last month would have divided by zero."""
    line = Line()
    line.say(0, {"rpm": 0})
    trial = await try_rule(hot(when="1 / rpm > 0"), stream(line), tenant=MAIN, around=around())
    assert trial.health.last_failure == "division by zero"

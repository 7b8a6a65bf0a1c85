"""How a condition would have gone: as live would have seen it, while it is being written."""

from typing import Any

import pytest
from tests.api.support import MAIN, World, running

from weft.errors import Invalid, TooLarge
from weft.rules.past import preview as module
from weft.rules.past.pace import Pace
from weft.rules.past.preview import Asked, Course, column_of, preview

NOON = 1_772_366_400_000  # 2026-03-01T12:00:00Z, ms
NS = 1_000_000


async def measured(world: World, *values: Any) -> None:
    """A pump that said something each minute since noon."""
    pump = await world.device("pump-7")
    world.clock.turn(3600)
    readings = [{"ts": NOON + n * 60_000, "values": {"t": value}} for n, value in enumerate(values)]
    sent = await world.call("POST", "/devices/me/telemetry", token=pump, body=readings)
    assert sent.status == 200, sent


async def ask(world: World, when: str, *, start: int = 0, points: int = 100) -> Course:
    device = world.devices.get(MAIN, "pump-7")
    begin, end = (NOON + start * 60_000) * NS, (NOON + 3_600_000) * NS
    asked = Asked(MAIN, device, when, begin, end, points)
    return await preview(asked, world.history, world.surroundings, Pace(5.0, 0.5))


def minutes(course: Course) -> list[tuple[float, float, bool | None]]:
    return [
        ((one.start / NS - NOON) / 60_000, (one.end / NS - NOON) / 60_000, one.holds)
        for one in course.held
    ]


@pytest.fixture
async def world(tmp_path: Any) -> Any:
    async with running(World(tmp_path)) as made:
        yield made


async def test_a_condition_is_true_and_false_as_it_would_have_been(world: World) -> None:
    """With what it saw beside it."""
    await measured(world, 1.0, 5.0, 5.0, 1.0)
    course = await ask(world, "t > 3.0")
    assert minutes(course) == [(0, 1, False), (1, 3, True), (3, 60, False)]
    assert course.inputs == {"t": [1.0, 5.0, 5.0, 1.0]}
    assert course.messages == 4


async def test_what_remembers_is_warm_at_the_start(world: World) -> None:
    """A mean of five minutes knows the minutes before the first that is shown."""
    await measured(world, 10.0, 10.0, 10.0, 0.0, 0.0)
    course = await ask(world, "mean(t, 5m) > 5.0", start=3)
    assert minutes(course)[0] == (3, 60, True)
    assert list(course.inputs.values()) == [[pytest.approx(7.5), pytest.approx(6.0)]]


async def test_what_cannot_be_answered_is_unknown_and_says_why(world: World) -> None:
    """A word where a number was meant; a key that nobody sends."""
    await measured(world, 1.0, "broken", 5.0)
    course = await ask(world, "t > 3.0")
    assert [one.holds for one in course.held] == [False, None, True]
    assert course.held[1].problem
    nothing = await ask(world, "u > 3.0")
    assert minutes(nothing) == [(0, 60, None)]


async def test_a_condition_that_cannot_be_read_names_the_column(world: World) -> None:
    """Where the mark is to be set."""
    await measured(world, 1.0)
    for when, column in (("t >", 4), ("meen(t, 5m) > 1.0", 1), ("t > 1.0 && ?", 12)):
        with pytest.raises(Invalid) as raised:
            await ask(world, when)
        assert column_of(raised.value) == column, when


async def test_pictures_are_thinned_and_changes_are_not(world: World) -> None:
    """Few points, and yet each time that it held; beyond a bound it is said."""
    await measured(world, *(float(n % 2) for n in range(40)))
    course = await ask(world, "t > 0.5", points=5)
    assert len(course.at) == len(course.inputs["t"]) == 5
    assert len(course.held) == 40
    assert not course.truncated


async def test_too_much_is_refused_or_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who types waits for a year of samples."""
    await measured(world, *(float(n % 2) for n in range(10)))
    monkeypatch.setattr(module, "CHANGES_MAX", 3)
    course = await ask(world, "t > 0.5")
    assert (len(course.held), course.truncated) == (3, True)
    monkeypatch.setattr(module, "SAMPLES_MAX", 5)
    with pytest.raises(TooLarge):
        await ask(world, "t > 0.5")

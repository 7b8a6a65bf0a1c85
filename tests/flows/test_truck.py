"""A cold-chain truck over a planned route: warm cargo, a late stop, a detour; each told once.

The real engine over a turned clock; positions wander as a receiver's do, the same each time.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.flows.truck import HOUR, MAIN, RULES, START, Detour, Dispatch, Line, S, cargo_at, journey

from weft.model.message import Committed
from weft.rules.replay import try_rule

Told = list[tuple[str, int, int | None]]
WARM = (4_000.0, 5_200.0)  # the cooling fails while it stands in Halle
DETOUR = Detour(7_200.0, 8_100.0, 2_500.0)
HELD_S = 2_700.0
LEFT_YARD = ("left-yard", 1, 2)


async def drive(
    dispatch: Dispatch,
    *,
    held_s: float = 0.0,
    detour: Any = None,
    warm: Sequence[float] | None = None,
    seed: int = 1,
) -> Told:
    """Drive the tour to its end and beyond; return what was raised and cleared."""
    for fix in journey(held_s=held_s, detour=detour, seed=seed):
        await dispatch.hear(fix, cargo_at(fix.second, warm))
    await dispatch.end(6 * HOUR)
    return await dispatch.told()


async def planned() -> Dispatch:
    dispatch = Dispatch()
    await dispatch.plan()
    return dispatch


async def stream(line: Line) -> AsyncIterator[Committed]:
    for batch in line.batches:
        yield batch


async def assert_replays_as_it_was(dispatch: Dispatch, until: int) -> None:
    """Try each rule over what was heard, on its own: it finds what live found."""
    found: Told = []
    for document in RULES:
        trial = await try_rule(
            document,
            stream(dispatch.plant.line),
            tenant=MAIN,
            around=dispatch.plant.around,
            until=until,
        )
        found += [(document["name"], one.raised_at, one.cleared_at) for one in trial.firings]
    live = [(one.rule_id, one.raised_at, one.cleared_at) for one in await dispatch.plant.raised()]
    assert sorted(found) == sorted(live)


@pytest.mark.parametrize("seed", range(1, 6))
async def test_a_tour_as_planned_raises_nothing_but_its_departure(seed: int) -> None:
    """Five receivers that wander, each its own way: no late, no deviation, no second leaving."""
    told = await drive(await planned(), seed=seed)
    assert [name for name, _raised, _cleared in told] == ["left-yard"]


async def test_warm_cargo_is_told_once_and_clears() -> None:
    """Twenty minutes without cooling: after five of them, until five behind them."""
    told = await drive(await planned(), warm=WARM)
    assert told[1:] == [("cargo-warm", 72, 92)]


async def test_a_detour_is_told_once_and_clears_on_the_road() -> None:
    """Fifteen minutes beside the motorway: after two, until it is back."""
    told = await drive(await planned(), detour=DETOUR)
    (found,) = told[1:]
    assert found == ("off-route", 122, 135)


async def test_a_late_stop_is_told_before_it_is_reached() -> None:
    """Held in Halle for 45 minutes more: Magdeburg is warned two hours ahead, once."""
    told = await drive(await planned(), held_s=HELD_S)
    late = [one for one in told if one[0] == "late"]
    ((_name, raised, cleared),) = late
    assert 90 + 15 <= raised <= 90 + 16  # fifteen minutes behind the planned departure
    assert cleared == 180 + 45  # arrived, and so no later than it is
    assert [one for one in told if one[0] == "overstay"] == [("overstay", 110, 135)]
    assert {one[0] for one in told} == {"left-yard", "late", "overstay"}


async def test_a_stop_that_is_passed_is_told_until_the_trip_ends() -> None:
    """The driver forgot Halle, and fell silent behind it; the clock clears at the trip's end."""
    dispatch = await planned()
    for fix in journey(detour=Detour(3_300.0, 5_900.0, 1_500.0)):
        if fix.second < 7_000:
            await dispatch.hear(fix, 4.5)
    told = await dispatch.told()
    assert [one[0] for one in told if one[2] is None] == ["missed"]
    await dispatch.end(6 * HOUR)
    assert next(one for one in await dispatch.told() if one[0] == "missed")[2] == 5 * 60


async def test_all_at_once_is_one_alarm_each_whatever_crashes() -> None:
    """Late, warm and lost on one day, killed and started again every half hour: the same."""
    faults = {"held_s": HELD_S, "detour": Detour(9_900.0, 10_800.0, 2_500.0), "warm": WARM}
    whole = await drive(await planned(), **faults)  # type: ignore[arg-type]  # as they are
    assert sorted(one[0] for one in whole) == [
        "cargo-warm", "late", "left-yard", "off-route", "overstay",
    ]  # fmt: skip
    dispatch = await planned()
    for fix in journey(held_s=HELD_S, detour=Detour(9_900.0, 10_800.0, 2_500.0)):
        await dispatch.hear(fix, cargo_at(fix.second, WARM))
        if fix.second % 1_800 == 600:
            await dispatch.plant.engine.checkpoint()
        if fix.second % 1_800 == 1_500:
            dispatch = await dispatch.restarted()
    await dispatch.end(6 * HOUR)
    assert await dispatch.told() == whole


async def test_a_replay_finds_what_live_found() -> None:
    """Each rule over the same journey, on its own."""
    dispatch = await planned()
    whole = await drive(dispatch, held_s=HELD_S, detour=DETOUR, warm=WARM)
    await assert_replays_as_it_was(dispatch, START + 6 * HOUR * S)
    assert len(await dispatch.plant.raised()) == len(whole)


@pytest.mark.parametrize("late_s", [HOUR, 24 * HOUR])
async def test_a_tour_sent_from_memory_is_told_as_if_it_had_been_heard(late_s: int) -> None:
    """No network all the way; then all at once, an hour or a day behind: each told once."""
    faults = {"held_s": HELD_S, "detour": Detour(9_900.0, 10_800.0, 2_500.0), "warm": WARM}
    heard = await drive(await planned(), **faults)  # type: ignore[arg-type]  # as they are
    dispatch = await planned()
    fixes = list(journey(held_s=HELD_S, detour=faults["detour"]))
    received = fixes[-1].second + late_s
    for place, fix in enumerate(fixes):
        await dispatch.hear(fix, cargo_at(fix.second, WARM), received=received + place * 0.01)
    await dispatch.end(received + 6 * HOUR)
    told = await dispatch.told()
    assert [one[0] for one in told] == [one[0] for one in heard]
    for (_name, raised, cleared), (_same, raised_live, cleared_live) in zip(
        told, heard, strict=True
    ):
        # By the clock a halt is too long at once; by samples, with the next one.
        assert 0 <= raised - raised_live <= 1
        assert cleared == cleared_live
    assert all(
        one.cleared_at is None or one.cleared_at >= one.raised_at
        for one in await dispatch.plant.raised()
    )
    await assert_replays_as_it_was(dispatch, START + round((received + 6 * HOUR) * S))

"""Late data: worked out for the rules that watch the device, told, and raised where they say so."""

from collections.abc import Sequence
from typing import Any

import pytest
from tests.rules.past.support import HOUR, Past
from tests.rules.support import ALICE, HOOK, MAIN, ORDER, START, S, hot

from weft.errors import QuotaExceeded
from weft.model.ids import TenantId
from weft.rules.handling import Handling
from weft.rules.model import Rule
from weft.rules.past.late import Late
from weft.rules.past.model import REPLAYS, Replay, Verdict
from weft.rules.past.settings import ReplaySettings


class Told:
    """A past, and what late data makes of it."""

    def __init__(self, **settings: float) -> None:
        chosen = ReplaySettings(share=1.0, **settings)  # type: ignore[arg-type]  # numbers alone
        self.past = Past(settings=chosen)
        plant = self.past.plant
        self.handling = Handling(plant.alarms, plant.records, plant.clock, lambda _t, _a: None)
        asking = (plant.engine.take_late, self.rules, self.handling.comment, plant.engine.ask)
        self.late = Late(self.past.replays, asking, plant.around, plant.clock, chosen)

    async def rules(self, tenant: TenantId, after: str, limit: int) -> Sequence[Rule]:
        return await self.past.plant.rules.list(tenant, after=after, limit=limit)

    async def hear(self, second: float, degrees: float, *, received: float | None = None) -> None:
        at = second if received is None else received
        clock = self.past.plant.clock
        clock.turn((START + round((at + 1) * S) - clock.now()) / S)
        await self.past.hear(second, {"temperature": degrees}, received=received)

    async def swept(self) -> list[Replay]:
        """Sweep, and run what was asked for."""
        await self.late.sweep()
        plant = self.past.plant
        while (taken := await plant.records.write(self.past.replays._take)) is not None:
            await self.past.replays.do(taken)
        await plant.engine.flush()
        return list(await plant.all(REPLAYS))


async def test_what_late_data_would_have_raised_is_told_and_not_raised() -> None:
    """A truck was in a tunnel while its cargo was hot; its buffer comes after the newest value."""
    told = Told()
    await told.past.plant.rules.create(ALICE, hot())
    await told.hear(10, 60.0)
    await told.hear(60, 60.0)
    await told.hear(30, 90.0, received=70)
    (replay,) = await told.swept()
    assert (replay.asked.late, replay.asked.devices) == (True, ("pump-7",))
    assert (replay.counts.added, replay.counts.missing) == (1, 0)
    (finding,) = await told.past.replays.findings(MAIN, replay.replay_id)
    assert (finding.raised_at, finding.cleared_at) == (START + 30 * S, START + 60 * S)
    assert await told.past.plant.raised() == []
    assert await told.swept() == [replay]  # it is worked out once


async def test_an_alarm_that_late_data_speaks_against_gets_a_comment_and_stays() -> None:
    """It was hot for ten minutes, as far as one knew; in between it had cooled down."""
    told = Told()
    plant = told.past.plant
    await plant.rules.create(ALICE, hot(**{"for": "600s"}))
    await told.hear(0, 90.0)
    await told.hear(700, 90.0)
    (alarm,) = await plant.raised()
    await told.hear(650, 60.0, received=710)
    await told.hear(300, 60.0, received=720)
    (replay,) = await told.swept()
    found = await told.past.replays.findings(MAIN, replay.replay_id)
    assert [(one.verdict, one.recorded) for one in found] == [(Verdict.MISSING, alarm.alarm_id)]
    assert [one.alarm_id for one in await plant.raised()] == [alarm.alarm_id]
    assert (await plant.alarms.get(MAIN, alarm.alarm_id)).steps == alarm.steps + 1
    assert "alarm.comment" in await plant.audited()


async def test_data_that_is_too_late_or_older_than_the_rule_changes_nothing() -> None:
    """The horizon is a setting; and no rule is judged by a time in which it was another."""
    told = Told(late_hours=1.0)
    await told.past.plant.rules.create(ALICE, hot())
    await told.hear(7200, 60.0)
    await told.hear(30, 90.0, received=7300)
    assert await told.swept() == []
    young = Told()
    await young.hear(7200, 60.0)
    young.past.plant.clock.turn(3 * 3600 - 7201)
    await young.past.plant.rules.create(ALICE, hot())
    await young.hear(3 * 3600, 60.0)
    await young.hear(30, 90.0, received=3 * 3600)
    (replay,) = await young.swept()
    assert (replay.asked.start, replay.counts.added) == (START + 3 * HOUR, 0)


async def test_what_is_not_watched_is_not_replayed() -> None:
    """By a rule of another type of device, or one that is switched off."""
    told = Told()
    rules = told.past.plant.rules
    await rules.create(ALICE, hot(selector={"devices": ["pump-8"]}, name="other"))
    await rules.create(ALICE, hot())
    await told.hear(60, 60.0)
    await told.hear(30, 90.0, received=70)
    await rules.set_enabled(ALICE, "overheating", enabled=False, version=None)
    assert await told.swept() == []


async def test_tn_3_late_data_leaves_room_for_people_and_comes_to_every_rule() -> None:
    """TN-3: seven rules, room for two of late data and for one that a person asks for.

    Where the room ended, the next sweep goes on with the rules behind; none is asked for twice.
    """
    told = Told(queued_max=3, late_queued_max=2)
    plant, past = told.past.plant, told.past
    names = [f"rule-{number}" for number in range(7)]
    for name in names:
        await plant.rules.create(ALICE, hot(name=name))
    await told.hear(60, 60.0)
    await told.hear(30, 90.0, received=70)
    await told.late.sweep()
    assert len(await plant.all(REPLAYS)) == 2
    asked = await past.replays.start(ALICE, past.asked(hot()))
    with pytest.raises(QuotaExceeded, match="3 replays are waiting already, 2 of them"):
        await past.replays.start(ALICE, past.asked(hot()))
    first = await plant.records.write(past.replays._take)
    assert first is not None
    assert first.replay_id == asked.replay_id  # who waits at a screen goes first
    await past.replays.do(first)
    for _ in range(6):
        await told.swept()
    late = [one.asked.rule_id for one in await plant.all(REPLAYS) if one.asked.late]
    assert sorted(late) == names


FAN = {"desire": {"device": "fan-1", "properties": {"speed": 900}}}


async def tunnel(**more: Any) -> Told:
    """Hot between two cool samples, heard when the next one was there already."""
    told = Told()
    await told.past.plant.rules.create(ALICE, hot(actions=[ORDER, HOOK, FAN], **more))
    await told.hear(10, 60.0)
    await told.hear(60, 60.0)
    await told.hear(30, 90.0, received=70)
    await told.swept()
    return told


async def test_a_rule_may_have_late_data_raise_its_alarm() -> None:
    """With its moments and its samples, marked, over already; no fan is turned for it now."""
    told = await tunnel(late="raise")
    plant = told.past.plant
    (alarm,) = await plant.raised()
    assert (alarm.late, alarm.state, alarm.message) == (True, "cleared", "pump-7 is at 90")
    assert (alarm.raised_at, alarm.cleared_at) == (START + 30 * S, START + 60 * S)
    assert [one.values for one in alarm.evidence] == [{"temperature": 90.0}]
    assert sorted(one.action.kind for one in await plant.outbox()) == ["webhook", "work_order"]
    (order,) = await plant.orders()
    assert order.alarm_id == alarm.alarm_id


async def test_a_late_alarm_is_raised_once_whatever_comes_later_still() -> None:
    """A second sample of the same heat, and the same replay again, make no second alarm."""
    told = await tunnel(late="raise")
    await told.hear(31, 95.0, received=80)
    replays = await told.swept()
    assert len(replays) == 2
    for replay in replays:
        found = await told.past.replays.findings(MAIN, replay.replay_id)
        await told.late.ended(replay, found)
    await told.past.plant.engine.flush()
    assert len(await told.past.plant.raised()) == 1


async def test_a_rule_that_was_edited_meanwhile_raises_nothing_late() -> None:
    """The replay was of another version; and without the setting it is only told."""
    quiet = await tunnel()
    assert await quiet.past.plant.raised() == []
    edited = Told()
    plant = edited.past.plant
    await plant.rules.create(ALICE, hot(late="raise"))
    await edited.hear(10, 60.0)
    await edited.hear(60, 60.0)
    await edited.hear(30, 90.0, received=70)
    await edited.late.sweep()
    await plant.rules.update(ALICE, "overheating", hot(late="raise", message="other"))
    await edited.swept()
    assert await plant.raised() == []


async def test_what_still_holds_is_left_to_the_next_sample() -> None:
    """Hot to the end, as the whole of the data says; live raises it itself."""
    told = Told()
    await told.past.plant.rules.create(ALICE, hot(when="mean(temperature, 1h) > 80", late="raise"))
    await told.hear(60, 75.0)
    await told.hear(30, 99.0, received=70)
    await told.swept()
    assert await told.past.plant.raised() == []
    await told.hear(80, 75.0)
    (alarm,) = await told.past.plant.raised()
    assert not alarm.late

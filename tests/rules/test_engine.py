"""The engine: exactly one alarm per episode, through crashes, replays and lateness."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.rules.support import (
    ALICE,
    HOOK,
    MAIN,
    ORDER,
    START,
    FakeDevices,
    Line,
    MachineValues,
    Plant,
    S,
    device,
    hot,
)  # fmt: skip

from weft.model.alarm import AlarmState, OutboxState, WorkOrderState
from weft.model.ids import DeviceId
from weft.model.message import REDRIVEN, Committed, Operation
from weft.model.telemetry import Reading
from weft.rules.engine import Chunks
from weft.rules.state import Row


async def test_a_condition_raises_one_alarm_with_its_work_order() -> None:
    """A machine runs hot; the alarm, outbox, work order and audit entry stand together."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(actions=[ORDER, HOOK]))
    await plant.hear(0, {"temperature": 70.0})
    await plant.hear(1, {"temperature": 85.5})
    await plant.hear(2, {"temperature": 86.0})

    (alarm,) = await plant.raised()
    assert (alarm.state, alarm.episode, alarm.message) == (
        AlarmState.ACTIVE, 2, "pump-7 is at 85.5"
    )  # fmt: skip
    assert [(one.position, one.values) for one in alarm.evidence] == [(2, {"temperature": 85.5})]
    assert {one.state for one in await plant.outbox()} == {OutboxState.PENDING}
    assert sorted(one.action.kind for one in await plant.outbox()) == ["webhook", "work_order"]
    (order,) = await plant.orders()
    assert (order.title, order.state, order.details) == (
        "Inspect pump-7", WorkOrderState.REQUESTED, {"priority": "high"}
    )  # fmt: skip
    assert "alarm.raise" in await plant.audited()


async def test_an_alarm_clears_and_the_next_episode_is_a_new_alarm() -> None:
    """Hot, cool, hot again: two faults, two alarms."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    for second, degrees in enumerate([90.0, 70.0, 91.0]):
        await plant.hear(second, {"temperature": degrees})
    first, second_ = await plant.raised()
    assert (first.state, first.cleared_by, first.clearing_position) == (
        AlarmState.CLEARED, "rule", 2
    )  # fmt: skip
    assert second_.state is AlarmState.ACTIVE


async def test_hysteresis_holds_an_alarm_between_the_two_thresholds() -> None:
    """Around the threshold the value jitters; nothing flaps."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(clear="temperature < 75", clear_for="10s"))
    for second, degrees in [(0, 81.0), (1, 79.0), (2, 81.0), (3, 74.0), (8, 76.0), (9, 74.0)]:
        await plant.hear(second, {"temperature": degrees})
    assert [one.state for one in await plant.raised()] == [AlarmState.ACTIVE]
    await plant.hear(19, {"temperature": 73.0})
    assert [one.state for one in await plant.raised()] == [AlarmState.CLEARED]


async def test_for_waits_and_starts_anew_when_the_condition_breaks() -> None:
    """Thirty seconds must be thirty seconds without a break."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(**{"for": "30s"}))
    for second, degrees in [(0, 90.0), (20, 70.0), (25, 90.0), (40, 91.0), (54, 91.0)]:
        await plant.hear(second, {"temperature": degrees})
    assert not await plant.raised()
    await plant.hear(55, {"temperature": 92.0})
    (alarm,) = await plant.raised()
    assert (alarm.episode, alarm.raised_at) == (3, START + 55 * S)
    assert [one.position for one in alarm.evidence] == [3, 4, 5, 6]


async def test_a_timer_fires_when_the_clock_passes_and_no_message_comes() -> None:
    """A device says hot once and falls silent: after 30 s the alarm is there."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(**{"for": "30s"}))
    await plant.hear(0, {"temperature": 90.0})
    await plant.engine.tick(START + 30 * S)  # a message of now may still be on its way
    await plant.engine.flush()
    assert not await plant.raised()
    await plant.engine.tick(START + 31 * S)
    await plant.engine.flush()
    (live,) = await plant.raised()

    again = Plant()
    await again.rules.create(ALICE, hot(**{"for": "30s"}))
    await again.hear(0, {"temperature": 90.0})
    await again.hear(60, {"temperature": 20.0}, name="other")
    (replayed,) = await again.raised()
    assert (replayed.alarm_id, replayed.raised_at) == (live.alarm_id, live.raised_at)
    assert live.raised_at == START + 30 * S


async def test_a_buffered_hour_is_judged_by_its_own_time() -> None:
    """A device comes back with an hour of samples; a short peak in it is no alarm."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(**{"for": "30s"}))
    readings = [
        Reading(START + second * S, MachineValues(temperature=degrees))
        for second, degrees in [(0, 90.0), (10, 70.0), (100, 90.0), (130, 90.0), (140, 60.0)]
    ]
    plant.engine.apply(plant.line.commit(readings, START + 3600 * S))
    await plant.engine.flush()
    (alarm,) = await plant.raised()
    assert alarm.raised_at == START + 130 * S
    assert alarm.cleared_at == START + 140 * S


async def test_what_stands_before_a_message_that_breaks_us_is_looked_at_once() -> None:
    """The pipeline gives the batch again, message by message; no step is taken twice."""
    plant, line = Plant(), Line()
    await plant.rules.create(ALICE, hot())
    parts = [line.say(number, {"temperature": 99.0}) for number in range(3)]
    parts[1].decoded = [[object()]]
    whole = Committed(1, [one.envelopes[0] for one in parts], [one.decoded[0] for one in parts])
    with pytest.raises(AttributeError):
        plant.engine.apply(whole)
    assert plant.engine.applied == 1
    with pytest.raises(AttributeError):
        plant.engine.apply(parts[1])
    plant.engine.apply(parts[2])
    assert plant.engine.applied == 3


async def test_late_samples_neither_raise_nor_clear() -> None:
    """A sample from before the newest is history, not news."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.hear(10, {"temperature": 20.0})
    await plant.hear(5, {"temperature": 95.0}, received=11)
    assert not await plant.raised()
    await plant.hear(12, {"temperature": 95.0})
    await plant.hear(11, {"temperature": 20.0}, received=13)
    assert [one.state for one in await plant.raised()] == [AlarmState.ACTIVE]


async def test_a_clock_that_was_set_back_makes_nothing_late() -> None:
    """Our own clock was an hour ahead; rules are not blind until it has caught up."""
    plant, line = Plant(), Line()
    await plant.rules.create(ALICE, hot())
    plant.engine.apply(line.say(3_700, {"temperature": 20.0}))
    redriven = line.say(50, {"temperature": 99.0})
    redriven.envelopes[0].session = REDRIVEN
    plant.engine.apply(redriven)
    await plant.engine.checkpoint()
    assert not await plant.alarms.list(MAIN)
    plant.engine.apply(line.say(100, {"temperature": 99.0}))
    await plant.engine.checkpoint()
    assert len(await plant.alarms.list(MAIN)) == 1


async def test_a_clock_in_the_future_makes_nothing_late() -> None:
    """A device once believes that it is 2099; its later samples still count."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.hear(3e9, {"temperature": 20.0}, received=1)
    await plant.hear(2, {"temperature": 95.0}, received=2)
    assert len(await plant.raised()) == 1


async def test_a_condition_over_two_keys_sent_apart_holds() -> None:
    """Temperature and pressure come in separate messages; the last known of each counts."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="temperature > 80 && pressure > 5"))
    await plant.hear(0, {"temperature": 90.0})
    assert not await plant.raised()
    await plant.hear(1, {"pressure": 6.0})
    (alarm,) = await plant.raised()
    assert alarm.evidence[0].values == {"pressure": 6.0, "temperature": 90.0}


async def test_last_known_values_survive_a_crash() -> None:
    """The temperature came before the crash and the pressure after it."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="temperature > 80 && pressure > 5"))
    await plant.hear(0, {"temperature": 90.0})
    await plant.engine.checkpoint()
    again = await plant.restart()
    assert again.engine.position == 1
    await again.hear(1, {"pressure": 6.0})
    assert len(await again.raised()) == 1


async def test_reported_properties_and_attributes_are_inputs() -> None:
    """Each machine reports its own limit, and operators say where it stands."""
    plant = Plant(device(room="hall-1"), device("pump-8", room="hall-2"))
    await plant.rules.create(
        ALICE,
        hot(when="temperature > twin.reported.limit && device.attributes.room == 'hall-1'"),
    )
    for name in ("pump-7", "pump-8"):
        await plant.hear(0, {"limit": 50}, name=name, operation=Operation.REPORTED)
        await plant.hear(1, {"temperature": 60.0}, name=name)
    assert [one.device_id for one in await plant.raised()] == ["pump-7"]
    await plant.hear(2, {"limit": 70}, operation=Operation.REPORTED)
    assert [one.state for one in await plant.raised()] == [AlarmState.CLEARED]


async def test_a_redriven_report_is_late() -> None:
    """Last week's limit, refused then and redriven now, does not come back."""
    plant, line = Plant(), Line()
    await plant.rules.create(ALICE, hot(when="temperature > twin.reported.limit"))
    plant.engine.apply(line.say(10, {"limit": 50}, operation=Operation.REPORTED))
    redriven = line.say(5, {"limit": 99}, operation=Operation.REPORTED)
    redriven.envelopes[0].session = REDRIVEN
    plant.engine.apply(redriven)
    plant.engine.apply(line.say(11, {"temperature": 60.0}))
    await plant.engine.checkpoint()
    assert len(await plant.alarms.list(MAIN)) == 1


async def test_devices_without_a_type_are_watched_too() -> None:
    """Free JSON: 90 and 90.0 are the same number, and a text is a failure that is counted."""
    plant = Plant(device("free", type_name=None))
    await plant.rules.create(ALICE, hot(selector={"devices": ["free"]}))
    await plant.hear(0, {"temperature": "hot"}, name="free", type_name="")
    assert plant.engine.health(MAIN, "overheating").failures == 1
    await plant.hear(1, {"temperature": 90}, name="free", type_name="")
    assert len(await plant.raised()) == 1


async def test_applying_twice_changes_nothing() -> None:
    """After a crash the journal is read again from the last checkpoint."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(actions=[ORDER]))
    for second, degrees in enumerate([70.0, 90.0, 60.0, 95.0]):
        await plant.hear(second, {"temperature": degrees})
    before = await plant.raised()
    again = await plant.restart()
    assert again.engine.position == 0
    assert again.engine.applied == 4
    assert await again.raised() == before
    assert len(await again.orders()) == 1  # nobody has ended the first, so it is one fault


async def test_requests_that_were_not_written_are_made_again() -> None:
    """The process dies between the evaluation and the write; the replay raises the alarm."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    plant.engine.apply(plant.line.say(0, {"temperature": 99.0}))
    assert not await plant.raised()
    again = await plant.restart()
    assert len(await again.raised()) == 1


async def test_a_pending_episode_survives_a_crash_with_its_evidence() -> None:
    """Twenty of thirty seconds had passed; they are not waited for again."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(**{"for": "30s"}))
    await plant.hear(0, {"temperature": 90.0})
    await plant.hear(20, {"temperature": 91.0})
    await plant.engine.checkpoint()
    again = await plant.restart()
    await again.engine.tick(START + 31 * S)
    await again.engine.flush()
    (alarm,) = await again.raised()
    assert [one.position for one in alarm.evidence] == [1, 2]


async def test_an_edited_rule_makes_no_second_alarm() -> None:
    """The threshold moves while the alarm stands: the same alarm goes on, and clears."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.hear(0, {"temperature": 90.0})
    await plant.rules.update(ALICE, "overheating", hot(when="temperature > 85"))
    await plant.hear(1, {"temperature": 91.0})
    assert len(await plant.raised()) == 1
    await plant.hear(2, {"temperature": 84.0})
    assert [one.state for one in await plant.raised()] == [AlarmState.CLEARED]


async def test_what_waits_under_other_words_raises_nothing_under_the_new_ones() -> None:
    """Warm for a while, then the rule asks for hot, and the device says nothing more."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(when="temperature > 50", **{"for": "30s"}))
    await plant.hear(0, {"temperature": 60.0})
    await plant.rules.update(ALICE, "overheating", hot(**{"for": "30s"}))
    await plant.engine.tick(START + 60 * S)
    await plant.engine.flush()
    assert not await plant.raised()
    await plant.hear(61, {"temperature": 99.0})
    await plant.engine.tick(START + 120 * S)
    await plant.engine.flush()
    assert len(await plant.raised()) == 1


async def test_a_new_version_is_not_tried_on_what_came_before_it() -> None:
    """A crash right after an edit replays messages that the old version had judged."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.hear(0, {"temperature": 60.0})
    await plant.rules.update(ALICE, "overheating", hot(when="temperature > 50"))
    again = await plant.restart()
    assert not await again.raised()
    await again.hear(1, {"temperature": 60.0})
    assert len(await again.raised()) == 1


@pytest.mark.parametrize("how", ["disable", "delete", "device"])
async def test_alarms_end_with_what_they_are_about(how: str) -> None:
    """A rule is switched off or deleted, or the device is: its alarm does not stand for ever."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.hear(0, {"temperature": 90.0})
    if how == "disable":
        await plant.rules.set_enabled(ALICE, "overheating", enabled=False)
    elif how == "delete":
        await plant.rules.delete(ALICE, "overheating")
    else:
        plant.engine.device_changed(device(), None, at=START)
    await plant.engine.flush()
    assert [one.state for one in await plant.raised()] == [AlarmState.CLEARED]


async def test_an_owner_who_lost_the_right_is_denied_and_flagged() -> None:
    """AZ-5: the alarm is raised, the action is not, and both audit and health say so."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(actions=[ORDER, HOOK]))
    plant.policy.denied.add("connector:erp")
    await plant.hear(0, {"temperature": 90.0})
    assert len(await plant.raised()) == 1
    assert [one.action.connector for one in await plant.outbox()] == ["pager"]
    assert not await plant.orders()
    assert "rule.act" in await plant.audited()
    assert plant.engine.health(MAIN, "overheating").denied == 1


async def test_ru_2_a_rule_that_only_fails_is_paused_and_others_go_on() -> None:
    """Division by zero on every sample: after five in a row that rule stops, with an entry."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(name="broken", when="100 / rpm > 3", message=""))
    await plant.rules.create(ALICE, hot())
    for second in range(6):
        await plant.hear(second, {"rpm": 0, "temperature": 20.0})
    broken = await plant.rules.get(MAIN, "broken")
    assert "division by zero" in broken.paused
    assert "rule.pause" in await plant.audited()
    await plant.hear(10, {"rpm": 0, "temperature": 90.0})
    assert [one.rule_id for one in await plant.raised()] == ["overheating"]
    await plant.rules.set_enabled(ALICE, "broken", enabled=True)
    await plant.hear(11, {"rpm": 2})
    assert {one.rule_id for one in await plant.raised()} == {"overheating", "broken"}


async def test_ru_2_one_bad_device_does_not_stop_a_rule_for_the_others() -> None:
    """ThingsBoard #2085: three bad messages must not stop the chain for all."""
    plant = Plant(device(), device("pump-8"))
    await plant.rules.create(ALICE, hot(when="100 / rpm > 3"))
    await plant.hear(0, {"rpm": 100}, name="pump-8")
    for second in range(20):
        await plant.hear(second, {"rpm": 0})
    assert not (await plant.rules.get(MAIN, "overheating")).paused
    await plant.hear(30, {"rpm": 5}, name="pump-8")
    assert [one.device_id for one in await plant.raised()] == ["pump-8"]


async def test_run_writes_at_once_and_stops_when_cancelled() -> None:
    """The writer waits for requests, not for the checkpoint."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    told: list[str] = []
    arrived = asyncio.Event()
    plant.alarms.on_change(lambda alarm: (told.append(alarm.state), arrived.set()))
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(plant.engine.run())
        plant.engine.apply(plant.line.say(0, {"temperature": 90.0}))
        await asyncio.wait_for(arrived.wait(), 5)
        writer.cancel()
    assert told == ["active"]


async def test_two_episodes_in_one_message_are_two_alarms() -> None:
    """A batch of readings goes hot twice; they share a position and not an episode."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    readings = [
        Reading(START + second * S, MachineValues(temperature=degrees))
        for second, degrees in enumerate([90.0, 60.0, 95.0])
    ]
    plant.engine.apply(plant.line.commit(readings, START + 9 * S))
    await plant.engine.flush()
    assert len(await plant.raised()) == 2


async def test_devices_of_a_changed_attribute_are_looked_up_again() -> None:
    """An operator moves the pump to another hall; the next sample knows."""
    plant = Plant(device(room="hall-1"))
    await plant.rules.create(ALICE, hot(selector={"attributes": {"room": "hall-2"}}))
    await plant.hear(0, {"temperature": 90.0})
    assert not await plant.raised()
    moved = device(room="hall-2")
    assert isinstance(plant.around.devices, FakeDevices)
    plant.around.devices.devices[MAIN, "pump-7"] = moved
    plant.engine.device_changed(device(room="hall-1"), moved, at=START)
    await plant.hear(1, {"temperature": 90.0})
    assert len(await plant.raised()) == 1


def test_chunks_hold_many_devices_in_few_records() -> None:
    """600 devices fit in three records, and one changed device writes one of them."""
    chunks = Chunks()
    for number in range(600):
        chunks.put(MAIN, f"d{number}", Row(at=number))
    assert len(chunks.take_dirty()) == 3
    chunks.put(MAIN, "d300", Row(at=1))
    chunks.drop(MAIN, "d301")
    ((place, chunk),) = chunks.take_dirty().items()
    assert place == (MAIN, "00000001")
    assert chunk.rows["d300"].at == 1
    assert "d301" not in chunk.rows


SAMPLE = st.tuples(
    st.integers(0, 40),  # its own time
    st.sampled_from([60.0, 78.0, 90.0, None]),
    st.sampled_from(["pump-7", "pump-8"]),
    st.sampled_from(["go", "go", "go", "checkpoint", "crash", "tick"]),
)


def naive(samples: list[tuple[int, int, float | None, str]], wait: int) -> list[tuple[str, int]]:
    """Tell the episodes the slow way: a loop per device over its samples in order."""
    found: list[tuple[str, int]] = []
    last_received = max((received for received, *_ in samples), default=0)
    for name in ("pump-7", "pump-8"):
        newest, known = -1, None
        since: tuple[int, int, int] | None = None
        raised = False
        for position, (received, at_, degrees, device_name) in enumerate(samples, start=1):
            if since and not raised and received > since[1] + wait:
                raised = True
                found.append((name, since[2]))
            at = min(at_, received)
            if device_name != name or at < newest:
                continue
            newest = at
            known = known if degrees is None else degrees
            if known is None:
                continue
            if known > 80:
                since = since or (at, received, position)
                if not raised and at - since[0] >= wait:
                    raised = True
                    found.append((name, since[2]))
            elif not raised or known < 75:
                since, raised = None, False
        if since and not raised and last_received > since[1] + wait:
            found.append((name, since[2]))
    return sorted(found)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(samples=st.lists(SAMPLE, max_size=30), wait=st.sampled_from([0, 1, 7]))
async def test_any_order_with_crashes_gives_the_episodes_of_a_naive_model(
    samples: list[tuple[int, float | None, str, str]], wait: int
) -> None:
    """Late, equal, partial samples, checkpoints and kills anywhere: one alarm per episode."""
    plant = Plant(device(), device("pump-8"))
    document = hot(clear="temperature < 75", message="", actions=[ORDER])
    await plant.rules.create(ALICE, document | ({"for": f"{wait}s"} if wait else {}))
    heard: list[tuple[int, int, float | None, str]] = []
    for received, (at, degrees, name, then) in enumerate(samples):
        values = {} if degrees is None else {"temperature": degrees}
        plant.engine.apply(plant.line.say(at, values, name=name, received=received))
        heard.append((received, at, degrees, name))
        if then == "checkpoint":
            await plant.engine.checkpoint()
        elif then == "crash":
            plant = await plant.restart()
        elif then == "tick":
            await plant.engine.tick(START + received * S + S // 2)
    await plant.engine.flush()
    told = sorted((str(one.device_id), one.episode) for one in await plant.raised())
    assert told == naive(heard, wait)
    # Nobody ends a work order here: each device has one fault, however often it comes.
    assert len(await plant.orders()) == len({name for name, _ in told})


async def test_the_line_is_a_fair_fake() -> None:
    """Positions begin at 1 and have no gaps, as the journal's do."""
    line = Line()
    assert [line.say(n, {"rpm": 1}).first for n in range(3)] == [1, 2, 3]
    assert line.batches[0].envelopes[0].route is line.batches[1].envelopes[0].route
    assert line.batches[0].envelopes[0].route.device_id == DeviceId("pump-7")

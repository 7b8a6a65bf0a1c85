"""The deliverer: at least once, in order, and nothing lost whatever the receiver or we do."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.connectors.events.support import SECRET, Desk
from tests.connectors.farside import Asked, Reply, far_side
from tests.connectors.support import ALICE, MAIN, OTHER, alarm

from weft.connectors.events import deliverer as module
from weft.connectors.events.encoding import signed_of
from weft.connectors.events.settings import EventSettings
from weft.connectors.webhook import sign, verify_signature
from weft.errors import ConnectorError
from weft.model.alarm import AlarmState
from weft.model.message import Operation
from weft.model.moments import NS_PER_S
from weft.model.subscription import Mode, NewSubscription, SubscriptionPatch, Topic
from weft.security.actions import Role


def ok(_asked: Asked) -> Reply:
    return Reply(202, b"")


def types(asked: list[Asked]) -> list[str]:
    return [one.json()["type"] for one in asked if one.method == "POST"]


async def test_an_alarm_is_told_from_raised_to_cleared_in_order(tmp_path: Path) -> None:
    """A CMMS hears of one fault three times, signed, each with its own id."""
    desk = Desk(tmp_path)
    async with far_side(ok) as side:
        await desk.subscribe(side.url)
        one = alarm()
        await desk.put(
            one,
            replace(one, state=AlarmState.ACKNOWLEDGED, version=2),
            replace(one, state=AlarmState.CLEARED, version=3),
        )
        await desk.deliverer.deliver_due()
        words = ["weft.alarm.raised", "weft.alarm.acknowledged", "weft.alarm.cleared"]
        assert types(side.asked) == words
        now = desk.clock.now() / NS_PER_S
        ids = [verify_signature(SECRET, a.headers, a.body, now) for a in side.asked]
        assert ids == ["change-1", "change-2", "change-3"]
        event = side.asked[0].json()
        assert (event["source"], event["subject"]) == ("weft/main", f"alarms/{one.alarm_id}")
        assert event["data"]["device_id"] == "pump-7"
        await desk.deliverer.deliver_due()
        assert len(side.asked) == 3  # what was taken is not told again


async def test_a_crash_repeats_the_last_event_and_loses_none(tmp_path: Path) -> None:
    """The receiver took it, we died before we knew: it comes again under the same id."""
    desk = Desk(tmp_path)
    async with far_side(ok) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm(1), alarm(2), alarm(3))
        write = desk.inner.write
        writes = 0

        async def dies(work: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes == 2:
                raise asyncio.CancelledError
            return await write(work)

        desk.inner.write = dies  # type: ignore[method-assign]
        with pytest.raises(asyncio.CancelledError):
            await desk.deliverer.deliver_due()
        desk.inner.write = write  # type: ignore[method-assign]
        desk.restart()
        await desk.deliverer.deliver_due()
        ids = [one.json()["id"] for one in side.asked]
        assert ids == ["change-1", "change-2", "change-2", "change-3"]


async def test_a_receiver_that_is_away_is_tried_later_and_then_told_all(tmp_path: Path) -> None:
    """503 for an hour of maintenance: the pauses grow, the order stays."""
    desk, up = Desk(tmp_path), [False]
    async with far_side(lambda _a: Reply(202 if up[0] else 503, b"")) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm(1), alarm(2))
        await desk.deliverer.deliver_due()
        await desk.deliverer.deliver_due()
        assert len(side.asked) == 1  # not before its pause is over
        first = await desk.progress()
        desk.clock.turn(3)
        await desk.deliverer.deliver_due()
        second = await desk.progress()
        assert (first.failures, second.failures) == (1, 2)
        up[0] = True
        desk.clock.turn(700)
        await desk.deliverer.deliver_due()
        assert [one.json()["id"] for one in side.asked[2:]] == ["change-1", "change-2"]
        assert (await desk.progress()).last_error == ""


async def test_a_time_out_is_tried_again(tmp_path: Path) -> None:
    """Nobody knows whether it was taken: the same id comes again."""
    desk, hang = Desk(tmp_path), [True]
    async with far_side(lambda _a: Reply(202, b"", hang=hang.pop() if hang else False)) as side:
        await desk.subscribe(side.url)
        desk.settings = EventSettings(timeout_s=0.2)
        desk.restart()
        await desk.put(alarm())
        await desk.deliverer.deliver_due()
        desk.clock.turn(3)
        await desk.deliverer.deliver_due()
        assert [one.json()["id"] for one in side.asked] == ["change-1", "change-1"]


async def test_a_refused_event_is_kept_as_dead_and_can_be_redriven(tmp_path: Path) -> None:
    """One event that the receiver cannot read does not hold up the others."""
    desk, strict = Desk(tmp_path), [True]

    def answer(asked: Asked) -> Reply:
        return Reply(422 if strict[0] and b"change-1" in asked.body else 200, b"")

    async with far_side(answer) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm(1), alarm(2))
        await desk.deliverer.deliver_due()
        assert [one.json()["id"] for one in side.asked] == ["change-1", "change-2"]
        [dead] = await desk.subscriptions.dead_events(MAIN, "cmms")
        assert (dead.value.event_id, dead.value.error) == (
            "change-1", "The receiver answered 422.",
        )  # fmt: skip
        with pytest.raises(ConnectorError):
            await desk.deliverer.redrive(ALICE, "cmms", "change-1")
        strict[0] = False
        await desk.deliverer.redrive(ALICE, "cmms", "change-1")
        assert await desk.subscriptions.dead_events(MAIN, "cmms") == []


async def test_what_fails_for_a_day_is_given_up(tmp_path: Path) -> None:
    """A receiver that chokes on one event for ever must not hold up the rest for ever."""
    desk = Desk(tmp_path, EventSettings(give_up_s=60))
    async with far_side(
        lambda asked: Reply(500 if b"change-1" in asked.body else 200, b"")
    ) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm(1), alarm(2))
        for _ in range(6):
            await desk.deliverer.deliver_due()
            desk.clock.turn(30)
        assert side.asked[-1].json()["id"] == "change-2"
        assert len(await desk.subscriptions.dead_events(MAIN, "cmms")) == 1


async def test_410_pauses_until_a_person_lets_it_go_on(tmp_path: Path) -> None:
    """The receiver wants none: it is left alone, and what came meanwhile waits."""
    desk, gone = Desk(tmp_path), [True]
    async with far_side(lambda _a: Reply(410 if gone[0] else 200, b"")) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm(1))
        await desk.deliverer.deliver_due()
        await desk.put(alarm(2))
        desk.clock.turn(9_999)
        await desk.deliverer.deliver_due()
        assert len(side.asked) == 1
        assert "410" in (await desk.progress()).paused
        gone[0] = False
        await desk.subscriptions.patch(ALICE, "cmms", SubscriptionPatch(paused=False))
        await desk.deliverer.deliver_due()
        assert [one.json()["id"] for one in side.asked[1:]] == ["change-1", "change-2"]


async def test_too_many_dead_events_pause_and_none_is_dropped(tmp_path: Path) -> None:
    """Somebody must look; the third waits in its place."""
    desk = Desk(tmp_path, EventSettings(dead_max=2))
    async with far_side(lambda _a: Reply(400, b"")) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm(1), alarm(2), alarm(3), alarm(4))
        await desk.deliverer.deliver_due()
        progress = await desk.progress()
        assert progress.paused.startswith("2 dead events wait")
        assert (progress.sequence, len(side.asked)) == (2, 3)


async def test_nothing_is_told_before_the_receiver_has_said_welcome(tmp_path: Path) -> None:
    """A mistyped address is not flooded; the origin must be allowed by name."""
    desk, allowed = Desk(tmp_path), [""]

    def answer(asked: Asked) -> Reply:
        if asked.method == "OPTIONS":
            headers = {"WebHook-Allowed-Origin": allowed[0], "WebHook-Allowed-Rate": "120"}
            return Reply(200, b"", headers)
        return Reply(200, b"")

    async with far_side(answer) as side:
        await desk.subscribe(side.url, handshake=True)
        await desk.put(alarm(1), alarm(2))
        await desk.deliverer.deliver_due()
        assert [one.method for one in side.asked] == ["OPTIONS"]
        assert side.asked[0].headers["webhook-request-origin"] == "weft.example"
        allowed[0] = "weft.example"
        desk.clock.turn(3)
        await desk.deliverer.deliver_due()
        assert len(types(side.asked)) == 1  # two a second are welcome, not more
        desk.clock.turn(0.6)
        await desk.deliverer.deliver_due()
        assert len(types(side.asked)) == 2


async def test_an_owner_who_lost_the_right_is_told_no_more(tmp_path: Path) -> None:
    """AZ-5: the rights at the delivery count, not those at the subscription."""
    desk = Desk(tmp_path)
    async with far_side(ok) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm())
        desk.policy.forget(ALICE.uid)
        await desk.deliverer.deliver_due()
        assert side.asked == []
        assert (await desk.progress()).withheld == 1


async def test_az_5_what_the_filter_asks_takes_a_right_at_each_delivery(tmp_path: Path) -> None:
    """AZ-5: a filter that asks of devices tells nothing once its owner may not read them."""
    desk = Desk(tmp_path)
    scopes = frozenset({"alarms:read", "work_orders:read", "devices:read"})
    desk.policy.set_key(MAIN, ALICE.uid, scopes, ())
    async with far_side(ok) as side:
        await desk.subscribe(side.url, filter="alarm.rule != 'x' || device.type == 'pump'")
        await desk.put(alarm(1))
        await desk.deliverer.deliver_due()
        assert len(side.asked) == 1
        desk.policy.set_key(MAIN, ALICE.uid, scopes - {"devices:read"}, ())
        await desk.put(alarm(2))
        await desk.deliverer.deliver_due()
        progress = await desk.progress()
        assert (len(side.asked), progress.delivered, progress.withheld) == (1, 1, 1)


async def test_tn_3_a_backlog_of_one_tenant_keeps_no_other_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TN-3: one place, twenty events of one tenant; another's has its turn."""
    monkeypatch.setattr(module, "_TURN_S", 0.0)
    desk = Desk(tmp_path, EventSettings(parallel=1))
    bob = replace(ALICE, tenant=OTHER, id="bob", uid="u-2")
    desk.policy.set_user(OTHER, bob.uid, frozenset({Role.TENANT_ADMIN}))
    told = asyncio.Event()
    asked: list[str] = []

    def answer(one: Asked) -> Reply:
        asked.append(one.path)
        if len(asked) == 21:
            told.set()
        return Reply(202, b"")

    async with far_side(answer) as side:
        await desk.subscribe(f"{side.url}/main")
        new = NewSubscription("cmms", f"{side.url}/other", secret=SECRET, handshake=False)
        await desk.subscriptions.create(bob, new)
        await desk.put(*(alarm(number) for number in range(20)), alarm(99, tenant=OTHER))
        running = asyncio.create_task(desk.deliverer.run())
        await asyncio.wait_for(told.wait(), 20)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    assert asked.index("/other") <= 2
    assert asked.count("/main") == 20


async def test_what_was_missed_is_counted_also_where_a_turn_ends_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of five are kept no longer when the receiver is back; each turn is one request."""
    monkeypatch.setattr(module, "_TURN_S", 0.0)
    desk = Desk(tmp_path, EventSettings(changes_kept=3))
    async with far_side(ok) as side:
        await desk.subscribe(side.url)
        await desk.put(*(alarm(number) for number in range(5)))
        await desk.deliverer.trim()
        await desk.deliverer.deliver_due()
        progress = await desk.progress()
    assert (len(side.asked), progress.missed, progress.delivered) == (3, 2, 3)


async def test_a_subscription_that_is_changed_between_two_turns_goes_on_as_it_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address is mended while a backlog is told: the rest goes to the new one."""
    monkeypatch.setattr(module, "_TURN_S", 0.0)
    desk = Desk(tmp_path)
    async with far_side(ok) as old, far_side(ok) as new:
        standing = await desk.subscribe(old.url)
        await desk.put(alarm(1), alarm(2))
        assert await desk.deliverer._advance(standing.subscription)
        await desk.subscriptions.patch(ALICE, "cmms", SubscriptionPatch(url=new.url))
        await desk.deliverer._work(standing.subscription)
        assert (len(old.asked), len(new.asked)) == (1, 1)


async def test_a_filter_tells_only_what_it_asks_for(tmp_path: Path) -> None:
    """Warnings of the same rule are none of the CMMS's business."""
    desk = Desk(tmp_path)
    async with far_side(ok) as side:
        await desk.subscribe(side.url, filter="alarm.state == 'cleared'")
        await desk.put(alarm(1), replace(alarm(1), state=AlarmState.CLEARED, version=2))
        await desk.deliverer.deliver_due()
        assert types(side.asked) == ["weft.alarm.cleared"]


async def test_a_batch_holds_several_and_one_bad_one_is_singled_out(tmp_path: Path) -> None:
    """The receiver refuses the whole; each then comes by itself and one is dead."""
    desk = Desk(tmp_path)
    async with far_side(
        lambda asked: Reply(422 if b'"change-2"' in asked.body else 200, b"")
    ) as side:
        await desk.subscribe(side.url, mode=Mode.BATCH)
        await desk.put(alarm(1), alarm(2), alarm(3))
        await desk.deliverer.deliver_due()
        sizes = [len(one.json()) for one in side.asked]
        assert sizes == [3, 1, 1, 1]
        [dead] = await desk.subscriptions.dead_events(MAIN, "cmms")
        assert dead.value.event_id == "change-2"


async def test_in_binary_mode_the_attributes_are_headers_and_signed(tmp_path: Path) -> None:
    """The body is the data alone; nobody can put another subject over it."""
    desk = Desk(tmp_path)
    async with far_side(ok) as side:
        await desk.subscribe(side.url, mode=Mode.BINARY)
        await desk.put(alarm())
        await desk.deliverer.deliver_due()
        [asked] = side.asked
        assert asked.headers["ce-type"] == "weft.alarm.raised"
        assert asked.json()["device_id"] == "pump-7"
        at_s = desk.clock.now() // NS_PER_S
        signed = signed_of(asked.headers, asked.body)
        assert asked.headers["weft-signature"] == sign([SECRET], signed, at_s)


async def test_telemetry_and_twins_are_told_from_the_journal_over_a_restart(
    tmp_path: Path,
) -> None:
    """What devices said while we were down to the receiver is told from where we were."""
    desk = Desk(tmp_path)
    async with far_side(ok) as side:
        await desk.say(b'{"rpm": 1}')
        await desk.subscribe(side.url, topics=(Topic.TELEMETRY, Topic.TWIN), filter="data.rpm > 2")
        await desk.say(b'{"rpm": 2}')
        await desk.say(b'{"rpm": 3}')
        await desk.deliverer.deliver_due()
        desk.restart()
        await desk.say(b'{"rpm": 4}', Operation.REPORTED)
        await desk.deliverer.deliver_due()
        told = [(one.json()["id"], one.json()["type"]) for one in side.asked]
        assert told == [("message-3", "weft.telemetry"), ("message-4", "weft.twin.reported")]


async def test_the_test_button_sends_a_signed_event(tmp_path: Path) -> None:
    """Before anything has happened one sees whether it would arrive."""
    desk = Desk(tmp_path)
    async with far_side(ok) as side:
        await desk.subscribe(side.url)
        assert "signed test event" in await desk.deliverer.test(MAIN, "cmms")
        assert types(side.asked) == ["weft.test"]


async def test_an_address_that_is_not_allowed_rests_the_subscription(tmp_path: Path) -> None:
    """SS-1: a tenant cannot have us ask the machines of our own network."""
    desk = Desk(tmp_path)
    await desk.subscribe("http://10.0.0.1:9/")
    await desk.put(alarm())
    await desk.deliverer.deliver_due()
    assert "not a public address" in (await desk.progress()).paused


async def test_changes_that_all_have_been_told_are_forgotten(tmp_path: Path) -> None:
    """A receiver that is away keeps them; too many are cut, and it is told how many."""
    desk = Desk(tmp_path, EventSettings(changes_kept=2))
    async with far_side(ok) as side:
        await desk.subscribe(side.url)
        await desk.put(alarm(1), alarm(2), alarm(3))
        assert await desk.deliverer.trim() == 1
        await desk.deliverer.deliver_due()
        assert [one.json()["id"] for one in side.asked] == ["change-2", "change-3"]
        assert (await desk.progress()).missed == 1
        assert await desk.deliverer.trim() == 2


async def test_it_delivers_while_it_runs(tmp_path: Path) -> None:
    """A note on disk wakes it at once."""
    desk = Desk(tmp_path, EventSettings(look_interval_s=60))
    desk.records.on_note(desk.deliverer.notify)
    told = asyncio.Event()

    def answer(_asked: Asked) -> Reply:
        told.set()
        return Reply(200, b"")

    async with far_side(answer) as side:
        await desk.subscribe(side.url)
        task = asyncio.create_task(desk.deliverer.run())
        await asyncio.sleep(0.05)
        await desk.put(alarm())
        async with asyncio.timeout(10):
            await told.wait()
        task.cancel()

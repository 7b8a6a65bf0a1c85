"""The notifier: an episode is told once per step, quietly at night, and never in a flood."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.connectors.support import FakeConnector
from tests.connectors.support import Plant as Business
from tests.rules.suppression_support import Quiet

from weft.connectors import notifier as module
from weft.connectors.notifier import NotificationSettings, Notifier, look_in
from weft.connectors.notifying import DIGESTS, TELLINGS
from weft.errors import StorageError
from weft.groups.notification_policies import (
    Channel,
    NotifyStep,
    Policies,
    PolicyBody,
    QuietHours,
)
from weft.model.alarm import NOTIFICATION, Alarm, Evidence, OutboxState, Severity
from weft.model.ids import DeviceId
from weft.rules.kinds import OUTBOX
from weft.rules.past.asking import late_requests
from weft.rules.past.model import Finding, Verdict
from weft.rules.suppressing import FloodSettings
from weft.security.actions import Role
from weft.security.audit import AUDIT
from weft.security.policy import Policy

from tests.rules.support import ALICE, MAIN, START, S  # isort: skip

HOUR_NS = 3600 * 1_000_000_000
MAIL, CHAT = Channel("mail", ("shift@example.com",)), Channel("chat")
STEPS = (NotifyStep((MAIL,)), NotifyStep((CHAT, MAIL), "15m"))


class Told(Quiet):
    """A plant with a notifier, and what it has asked for."""

    def __init__(self, *names: str, per_channel: int = 30, **more: Any) -> None:
        super().__init__(*names, **more)
        self.per_channel = per_channel
        self.rights = Policy()
        self.allow(True)
        self.policies = Policies(self.records, self.rights, self.audit, self.clock, lambda *_: None)
        self.notifier = self.another()
        self.alarms.on_change(self._changed)

    def allow(self, yes: bool) -> None:
        """Give the owner of the policies a role that reads alarms, or one that does not."""
        role = Role.TENANT_ADMIN if yes else Role.PLATFORM_ADMIN
        self.rights.set_user(MAIN, ALICE.uid, frozenset({role}))

    async def denials(self) -> list[Any]:
        """Return what is on record of policies that told nobody."""
        found = await self.records.read(lambda reader: reader.list(AUDIT, MAIN, limit=500))
        return [one.value for one in found if one.value.outcome == "denied"]

    def _changed(self, alarm: Alarm) -> None:
        self.notifier.changed(alarm)  # whichever runs now

    def another(self) -> Notifier:
        return Notifier(
            self.records,
            self.policies,
            look_in(self.around.devices.find, lambda *_: None),
            (self.audit, self.clock),
            NotificationSettings(self.per_channel),
        )

    async def save(self, name: str = "shift", **more: Any) -> None:
        await self.policies.save(ALICE, name, PolicyBody(**({"steps": STEPS} | more)))

    async def told(self) -> list[tuple[str, str]]:
        """Return connector and reason of every message, in order."""
        entries = [one.action for one in await self.all(OUTBOX)]
        entries.sort(key=lambda one: (one.created_at, one.connector))
        return [
            (one.connector, str(one.parameters.get("why", "digest")))
            for one in entries
            if one.kind == NOTIFICATION
        ]

    async def wait(self, minutes: float) -> None:
        self.clock.turn(minutes * 60)
        await self.notifier.work()


async def hot_plant(*names: str, **more: Any) -> Told:
    plant = Told(*(names or ("pump-1",)))
    await plant.rule()
    await plant.save(**more)
    await plant.heat(*(names or ("pump-1",)))
    await plant.notifier.work()
    return plant


async def test_an_alarm_is_told_once_and_escalated_when_nobody_has_it() -> None:
    """At once by mail; after a quarter of an hour to the channel too; then no more."""
    plant = await hot_plant()
    assert await plant.told() == [("mail", "alarm")]
    await plant.wait(14)
    assert len(await plant.told()) == 1
    await plant.wait(1)
    assert (await plant.told())[1:] == [("chat", "escalation"), ("mail", "escalation")]
    await plant.wait(600)
    assert len(await plant.told()) == 3
    assert (await plant.audited()).count("alarm.notify") == 2


async def test_who_acknowledges_ends_the_escalation() -> None:
    """Somebody has it: nobody else is woken. When it is over, who was told is told."""
    plant = await hot_plant()
    (alarm,) = await plant.raised()
    await plant.alarms.acknowledge(ALICE, alarm.alarm_id)
    await plant.wait(600)
    assert await plant.told() == [("mail", "alarm")]
    await plant.heat("pump-1", second=1, degrees=20.0)
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm"), ("mail", "cleared")]
    assert not await plant.all(TELLINGS)


async def test_an_alarm_that_clears_by_itself_ends_all_of_it() -> None:
    """It was hot for a minute; nothing comes after a quarter of an hour."""
    plant = await hot_plant(tell_cleared=False)
    await plant.heat("pump-1", second=1, degrees=20.0)
    await plant.wait(600)
    assert await plant.told() == [("mail", "alarm")]


async def test_reminders_come_until_there_were_enough() -> None:
    """Every hour, twice at most."""
    plant = await hot_plant(steps=STEPS[:1], remind="1h", reminders=2)
    for _ in range(5):
        await plant.wait(60)
    assert [why for _connector, why in await plant.told()] == ["alarm", "reminder", "reminder"]


async def test_quiet_hours_put_off_what_is_not_urgent() -> None:
    """The clock stands at noon: quiet until one; then it is told, if it still holds."""
    quiet = QuietHours("11:00-13:00")
    plant = Told("pump-1", "pump-2")
    await plant.rule(selector={"devices": ["pump-2", "pump-1"]})
    await plant.save(quiet=quiet)
    await plant.heat("pump-1", "pump-2")
    await plant.notifier.work()
    urgent = await plant.alarm_of("pump-1")
    assert [one.action.alarm_id for one in await plant.outbox()] == [urgent.alarm_id]
    await plant.wait(59)
    assert len({one.action.alarm_id for one in await plant.outbox()}) == 1
    await plant.wait(1)
    assert len({one.action.alarm_id for one in await plant.outbox()}) == 2


async def test_what_is_kept_back_is_told_when_it_comes_forth() -> None:
    """In maintenance nobody hears; at its end they hear once."""
    plant = Told("pump-1")
    await plant.rule()
    await plant.save()
    await plant.maintain("line-1", seconds=3600)
    await plant.heat("pump-1")
    await plant.notifier.work()
    assert not await plant.told()
    plant.clock.turn(3600)
    await plant.releasing.release_due()
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm")]


async def test_what_is_put_aside_is_not_escalated_until_it_is_back() -> None:
    """Shelved for an hour: no escalation, no reminder; then it goes on."""
    plant = await hot_plant()
    (alarm,) = await plant.raised()
    await plant.handling.shelve(ALICE, alarm.alarm_id, HOUR_NS, "cleaning")
    await plant.wait(30)
    assert len(await plant.told()) == 1
    plant.clock.turn(1800)
    await plant.handling.return_due()
    await plant.wait(1)
    assert len(await plant.told()) == 3


async def test_a_flood_is_told_as_one() -> None:
    """Eight devices, a limit of two: two messages and one for the flood, not eight."""
    names = [f"meter-{number}" for number in range(8)]
    plant = Told(*names, flood=FloodSettings(flood_per_rule=2, flood_per_tenant=0))
    await plant.rule()
    await plant.save()
    await plant.heat(*names)
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm")] * 3


async def test_over_a_channels_limit_the_rest_is_one_digest() -> None:
    """Five alarms, two a minute: two messages, then one that counts three."""
    names = [f"meter-{number}" for number in range(5)]
    plant = Told(*names, per_channel=2)
    await plant.rule()
    await plant.save(steps=STEPS[:1])
    await plant.heat(*names)
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm")] * 2
    await plant.wait(1)
    assert await plant.told() == [("mail", "alarm")] * 2 + [("mail", "digest")]
    asked = [one.action.parameters for one in await plant.outbox()]
    (digest,) = [one["digest"] for one in asked if "digest" in one]
    assert (digest["count"], len(digest["lines"])) == (3, 3)
    await plant.wait(1)
    assert not await plant.all(DIGESTS)


async def test_a_policy_says_nothing_of_alarms_from_before_it() -> None:
    """Yesterday's alarms are not all mailed when a policy is saved and Weft starts again."""
    plant = Told("pump-1")
    await plant.rule()
    await plant.heat("pump-1")
    await plant.notifier.work()
    plant.clock.turn(60)
    await plant.save()
    plant.notifier = plant.another()
    await plant.notifier.work()
    assert not await plant.told()


async def test_a_filter_chooses_and_two_policies_tell_each_on_its_own() -> None:
    """One for everything, one for critical alarms only, one that is switched off."""
    plant = Told("pump-1")
    await plant.rule()
    await plant.save("all", steps=STEPS[:1])
    await plant.save("critical", filter="alarm.severity == 'critical'")
    await plant.save("off", enabled=False)
    await plant.save("chat", steps=(NotifyStep((CHAT,)),), filter="alarm.device == 'pump-1'")
    await plant.heat("pump-1")
    await plant.notifier.work()
    assert sorted(await plant.told()) == [("chat", "alarm"), ("mail", "alarm")]


async def test_a_policy_that_is_deleted_tells_no_more() -> None:
    """Between two steps."""
    plant = await hot_plant()
    await plant.policies.delete(ALICE, "shift")
    await plant.wait(30)
    assert len(await plant.told()) == 1
    assert not await plant.all(TELLINGS)


async def test_az_5_a_policy_whose_owner_lost_the_right_tells_no_more() -> None:
    """AZ-5: neither a new alarm nor a further step; that is on record once, and then told."""
    plant = await hot_plant()
    plant.allow(False)
    await plant.wait(15)
    await plant.wait(1)
    await plant.heat("pump-1", second=1, degrees=20.0)
    await plant.heat("pump-1", second=2)
    for _ in range(3):
        await plant.wait(1)
    assert await plant.told() == [("mail", "alarm")]
    denied = await plant.denials()
    assert [one.action for one in denied] == ["alarm.notify"] * 3  # escalation, end, new alarm
    assert all("may not alarm.read" in one.reason for one in denied)
    assert {one.detail["policy"] for one in denied} == {"shift"}


async def test_az_5_with_the_right_back_what_still_holds_is_told() -> None:
    """AZ-5: an owner who is given the role again within a restart loses no alarm that stands."""
    plant = Told("pump-1")
    await plant.rule()
    await plant.save()
    plant.allow(False)
    await plant.heat("pump-1")
    await plant.notifier.work()
    assert not await plant.told()
    plant.notifier = plant.another()
    await plant.notifier.load()
    await plant.notifier.work()
    assert len(await plant.denials()) == 1
    plant.allow(True)
    await plant.wait(1)
    assert await plant.told() == [("mail", "alarm")]


async def test_tn_3_many_tellings_of_one_tenant_keep_none_of_another_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TN-3: seven wait for a right, two fit into one transaction; the last is told that second."""
    monkeypatch.setattr(module, "AT_ONCE", 2)
    names = [f"meter-{number}" for number in range(8)]
    plant = Told(*names)
    await plant.rule()
    await plant.save("denied", filter="alarm.device != 'meter-7'", steps=STEPS[:1])
    await plant.save("told", filter="alarm.device == 'meter-7'", steps=STEPS[:1])
    old = plant.policies.get(MAIN, "denied")
    plant.policies._keep(replace(old, owner=None))
    await plant.heat(*names)
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm")]
    assert len(await plant.denials()) == 7


async def test_az_5_what_waits_in_a_digest_is_told_with_rights_only() -> None:
    """AZ-5: the right ends within the minute in which a channel's messages are gathered."""
    names = [f"meter-{number}" for number in range(5)]
    plant = Told(*names, per_channel=2)
    await plant.rule()
    await plant.save(steps=STEPS[:1])
    await plant.heat(*names)
    await plant.notifier.work()
    plant.allow(False)
    await plant.wait(1)
    assert await plant.told() == [("mail", "alarm")] * 2
    (denied,) = await plant.denials()
    assert (denied.target, denied.detail["count"]) == ("notification_policy:shift", 3)


async def test_what_happened_while_weft_was_down_is_told_after_the_start() -> None:
    """The alarm was on disk and nobody had been asked: the start finds it, and tells it once."""
    plant = Told("pump-1")
    await plant.rule()
    await plant.save()
    await plant.heat("pump-1")
    for _ in range(3):
        plant.notifier = plant.another()
        await plant.notifier.load()
        await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm")]
    plant.notifier = plant.another()
    await plant.notifier.load()
    await plant.wait(15)
    assert len(await plant.told()) == 3


async def test_an_end_that_was_missed_is_told_after_the_start() -> None:
    """It cleared, and Weft was killed before anybody was asked."""
    plant = await hot_plant()
    old, plant.notifier = plant.notifier, plant.another()
    await plant.heat("pump-1", second=1, degrees=20.0)
    plant.notifier = plant.another()
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm"), ("mail", "cleared")]
    assert old is not plant.notifier


async def test_an_end_that_was_missed_is_told_though_nothing_was_left_to_tell() -> None:
    """All steps had been taken and nobody was to be reminded; it cleared while Weft was down."""
    plant = await hot_plant(steps=STEPS[:1])
    await plant.wait(1)
    old, plant.notifier = plant.notifier, plant.another()
    await plant.heat("pump-1", second=1, degrees=20.0)
    plant.notifier = plant.another()
    await plant.notifier.load()
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm"), ("mail", "cleared")]
    assert old is not plant.notifier
    assert not await plant.all(TELLINGS)


async def test_a_change_while_an_alarm_is_being_read_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Acknowledged, and cleared just after the notifier had read it: the end is told as well."""
    plant = await hot_plant()
    (alarm,) = await plant.raised()
    await plant.alarms.acknowledge(ALICE, alarm.alarm_id)
    real, waiting = plant.records.read, [True]

    async def read(work: Any) -> Any:
        found = await real(work)
        if waiting:
            waiting.pop()
            await plant.heat("pump-1", second=1, degrees=20.0)
        return found

    monkeypatch.setattr(plant.records, "read", read)
    await plant.notifier.work()
    await plant.notifier.work()
    assert not waiting
    assert await plant.told() == [("mail", "alarm"), ("mail", "cleared")]


async def test_a_disk_that_fails_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The write fails once; the next second tells it."""
    plant = Told("pump-1")
    await plant.rule()
    await plant.save()
    await plant.heat("pump-1")
    real, failures = plant.records.write, [True, True]

    async def write(work: Any) -> Any:
        if failures:
            failures.pop()
            raise StorageError("The disk is full.")
        return await real(work)

    monkeypatch.setattr(plant.records, "write", write)
    for _ in range(2):
        with pytest.raises(StorageError):
            await plant.notifier.work()
    await plant.notifier.work()
    assert await plant.told() == [("mail", "alarm")]


async def test_more_news_than_fits_is_read_from_the_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Five alarms, room for two: all are told."""
    monkeypatch.setattr(module, "NEWS_MAX", 2)
    names = [f"meter-{number}" for number in range(5)]
    plant = Told(*names)
    await plant.rule()
    await plant.save(steps=STEPS[:1])
    await plant.notifier.work()
    plant.clock.turn(-1)
    await plant.heat(*names, second=1)
    await plant.notifier.work()
    assert len(await plant.told()) == 5


async def test_what_was_found_in_late_data_is_told_once_and_ends_there() -> None:
    """It is over when it is found: no escalation, no reminder, no word that it has cleared."""
    plant = Told("pump-1")
    await plant.rule()
    (rule,) = await plant.rules.list(MAIN)
    await plant.save(remind="1h", reminders=3)
    sample = Evidence(0, START, {"temperature": 99.0})
    finding = Finding(
        Verdict.ADDED, "pump-1", DeviceId("pump-1"), Severity.MAJOR, "hot", START, START + S,
        evidence=(sample,),
    )  # fmt: skip
    plant.engine.ask(late_requests(rule, finding))
    await plant.engine.flush()
    for _ in range(5):
        await plant.wait(60)
    assert await plant.told() == [("mail", "alarm")]
    (alarm,) = await plant.raised()
    await plant.handling.comment(ALICE, alarm.alarm_id, "seen")
    await plant.wait(60)
    assert await plant.told() == [("mail", "alarm")]
    assert not await plant.all(TELLINGS)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.sampled_from(["work", "restart", "minute", "hour", "heat", "cool", "ack"]), max_size=25
    )
)
async def test_whatever_comes_no_step_is_told_twice(acts: list[str]) -> None:
    """In any order of work, restarts, time and people: one message for a step and an episode."""
    plant = await hot_plant(remind="1h", reminders=3)
    for second, act in enumerate(acts, start=1):
        match act:
            case "work":
                await plant.notifier.work()
            case "restart":
                plant.notifier = plant.another()
                await plant.notifier.load()
            case "minute":
                await plant.wait(1)
            case "hour":
                await plant.wait(60)
            case "ack":
                for alarm in await plant.raised():
                    if alarm.is_open:
                        await plant.alarms.acknowledge(ALICE, alarm.alarm_id)
            case _:
                await plant.heat("pump-1", second=second, degrees=90 if act == "heat" else 20)
    await plant.notifier.work()
    for alarm in await plant.raised():
        mine = [one.action for one in await plant.outbox() if one.action.alarm_id == alarm.alarm_id]
        said = [(one.connector, one.parameters["why"]) for one in mine]
        for why, most in (("alarm", 1), ("escalation", 1), ("cleared", 1), ("reminder", 3)):
            assert said.count(("mail", why)) <= most


async def test_from_the_policy_to_the_channel_through_the_outbox() -> None:
    """What the notifier asks for is delivered by the connector that it names."""
    plant = await hot_plant(steps=STEPS[:1])
    mail = FakeConnector("mail", actions=frozenset({NOTIFICATION}))
    business = Business(mail, records=plant.records)
    business.clock.turn(1)
    assert await business.outbox.deliver_due() == 1
    (entry,) = await plant.outbox()
    assert (entry.state, list(mail.made)) == (OutboxState.DELIVERED, [entry.action.action_id])
    assert entry.action.tenant == MAIN

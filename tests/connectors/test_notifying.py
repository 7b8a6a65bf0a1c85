"""Notifying, decided without a clock: which step is next, when, and what is over a limit."""

import pytest
from tests.connectors.support import MAIN, NOON, alarm

from weft.backends.memory.records import MemoryRecords
from weft.connectors.notifying import (
    DIGESTS,
    MINUTE_NS,
    NEVER,
    Asked,
    Digest,
    advance,
    ask,
    begin,
    channel_key,
    is_told_of,
    tell_digest,
    without,
)
from weft.groups.notification_policies import Channel, NotifyStep, Policy, PolicyBody
from weft.model.alarm import AlarmState, Shelf, Suppression, SuppressionKind
from weft.rules.kinds import OUTBOX

MAIL = Channel("mail", ("a@b.example",))
CHAT = Channel("chat")
BODY = PolicyBody((NotifyStep((MAIL,), "1m"), NotifyStep((CHAT,), "10m")), remind="1h", reminders=1)
POLICY = Policy(MAIN, "shift", BODY, 0, "user:alice")


def test_steps_follow_the_alarm_and_then_reminders_and_then_nothing() -> None:
    """A minute, ten minutes, an hour behind that, and no more."""
    telling = begin(alarm(), POLICY, NOON)
    assert telling.due_at == NOON + MINUTE_NS
    told = []
    for _ in range(3):
        telling, why, channels = advance(telling, POLICY, telling.due_at)
        told.append((why, channels, telling.due_at))
    assert told == [
        ("alarm", (MAIL,), NOON + 10 * MINUTE_NS),
        ("escalation", (CHAT,), NOON + 70 * MINUTE_NS),
        ("reminder", (CHAT,), NEVER),
    ]
    assert telling.told == (MAIL, CHAT)


def test_a_step_that_is_late_comes_at_once() -> None:
    """Weft was down for an hour: the second step is due now, not in the past."""
    later = NOON + 3_600_000_000_000
    telling, _why, _channels = advance(begin(alarm(), POLICY, NOON), POLICY, later)
    assert telling.due_at == later


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, True),
        ({"state": AlarmState.ACKNOWLEDGED}, False),
        ({"state": AlarmState.CLEARED}, False),
        ({"shelf": Shelf(0, 1, "user:alice", "x")}, False),
        ({"suppression": Suppression(SuppressionKind.FLOOD, "a", 0)}, False),
        ({"suppression": Suppression(SuppressionKind.FLOOD, "a", 0, released_at=1)}, True),
    ],
)
def test_only_what_stands_before_the_operators_is_told(
    changes: dict[str, object], told: bool
) -> None:
    """Not what somebody has, what is over, aside or kept back."""
    assert is_told_of(alarm(**changes)) is told


async def test_the_same_message_is_asked_for_once() -> None:
    """Whatever crashed between: the id says that it is the same."""
    records = MemoryRecords()
    asked = Asked(begin(alarm(), POLICY, NOON), "alarm", (MAIL,))
    made = [
        await records.write(lambda w: ask(w, alarm(), MAIL, asked, (NOON + 5, 10)))
        for _ in range(2)
    ]
    assert [one is not None for one in made] == [True, False]
    assert len(await records.read(lambda r: r.list(OUTBOX, MAIN))) == 1


async def test_a_digest_waits_for_its_minute_and_counts_what_it_does_not_list() -> None:
    """Fifty over a limit of one: twenty lines, a count of forty-nine, one message."""
    records = MemoryRecords()
    for number in range(50):
        one = alarm(number)
        asked = Asked(begin(one, POLICY, NOON), "alarm", (MAIL,))
        await records.write(lambda w, a=one, s=asked: ask(w, a, MAIL, s, (NOON, 1)))  # type: ignore[misc]  # bound now
    key = channel_key(MAIL)
    early = await records.write(lambda w: tell_digest(w, MAIN, key, NOON + MINUTE_NS - 1))
    told = await records.write(lambda w: tell_digest(w, MAIN, key, NOON + MINUTE_NS))
    again = await records.write(lambda w: tell_digest(w, MAIN, key, NOON + MINUTE_NS))
    assert (early, again) == (None, None)
    assert told is not None
    assert (told.parameters["digest"]["count"], len(told.parameters["digest"]["lines"])) == (49, 20)
    await records.write(lambda w: tell_digest(w, MAIN, key, NOON + 2 * MINUTE_NS))
    assert not await records.read(lambda r: r.list(DIGESTS, MAIN))


def test_a_channel_is_a_connector_and_whom_it_reaches() -> None:
    """Two mailing lists of one server have a limit each; the order of names is none."""
    assert channel_key(MAIL) != channel_key(Channel("mail", ("c@d.example",)))
    both = ("a@b.example", "c@d.example")
    assert channel_key(Channel("mail", both)) == channel_key(Channel("mail", both[::-1]))


def test_a_digest_leaves_out_what_its_policies_may_not_tell() -> None:
    """Lines and how many there are, also of those that were over what is listed."""
    digest = Digest(
        NOON, count=5, lines=("a", "b", "c"), policies=("x", "y", "x"), counts={"x": 3, "y": 2}
    )
    left = without(digest, {"x"})
    assert (left.count, left.lines, left.counts) == (2, ("b",), {"y": 2})
    assert without(digest, {"z"}) is digest
    assert without(left, {"y"}).count == 0

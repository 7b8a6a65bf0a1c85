"""Notifying: what is due to be told of an alarm, decided on records and without a clock.

An alarm and a policy meet in one `Telling`: which step is next and when. Each step is asked
for under an id derived from alarm, policy and step, so that it is told once whatever crashes.
A channel takes so many messages a minute; what is over that waits in a `Digest` and is told
as one.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from weft.connectors.notices import DIGEST_LINES
from weft.groups.notification_policies import Channel, Policy
from weft.model.alarm import NOTIFICATION, Action, Alarm, AlarmState, OutboxEntry, OutboxState
from weft.model.ids import ActionId, AlarmId, TenantId, derived_id_at
from weft.ports import Kind, Writer
from weft.rules.kinds import OUTBOX

MINUTE_NS: Final = 60_000_000_000
NEVER: Final = 1 << 62


class Telling(Struct, frozen=True):
    """How far a policy is with an alarm."""

    alarm_id: AlarmId
    policy: str
    began_at: int
    step: int = 0  # the next one; behind the last: reminders
    reminders: int = 0
    due_at: int = 0
    told: tuple[Channel, ...] = ()  # who has heard of it, for when it is over
    denied: str = ""  # why its policy may not tell it; said once


class Digest(Struct, frozen=True):
    """What a channel has been sent in a minute, and what was over its limit."""

    began_at: int
    sent: int = 0
    channel: Channel | None = None
    count: int = 0  # waiting to be told as one
    lines: tuple[str, ...] = ()
    alarm_id: AlarmId | None = None
    policies: tuple[str, ...] = ()  # of each line, which policy tells it
    counts: dict[str, int] = {}  # of each policy, how many wait


def telling_key(alarm_id: str, policy: str) -> str:
    """Return the key of a telling; neither name holds a slash."""
    return f"{alarm_id}/{policy}"


def channel_key(channel: Channel) -> str:
    """Return what is limited together: a connector and whom it reaches."""
    return derived_id_at(0, "channel", channel.connector, *sorted(channel.to))


TELLINGS: Final = Kind("alarm_telling", Telling, index=lambda one: {"alarm": one.alarm_id})
DIGESTS: Final = Kind("alarm_digest", Digest)


class Asked(Struct, frozen=True):
    """One step of a telling as it is taken: why, and to whom."""

    telling: Telling
    why: str  # alarm, escalation, reminder, cleared
    channels: tuple[Channel, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """What tells this message from every other of the alarm."""
        telling = self.telling
        return telling.policy, str(telling.step), str(telling.reminders), self.why


def is_told_of(alarm: Alarm) -> bool:
    """Whether anybody is to hear of an alarm now."""
    kept_back = alarm.is_suppressed or alarm.is_shelved or alarm.dry_run
    # What was found in late data is over when it is found: it is told all the same, once.
    stands = alarm.state is (AlarmState.CLEARED if alarm.late else AlarmState.ACTIVE)
    return stands and not kept_back


def begin(alarm: Alarm, policy: Policy, now: int) -> Telling:
    """Return where a policy begins with an alarm."""
    return Telling(alarm.alarm_id, policy.name, now, due_at=now + policy.after_ns(0))


def advance(telling: Telling, policy: Policy, now: int) -> tuple[Telling, str, tuple[Channel, ...]]:
    """Take the step that is due; return what comes next, why it is told, and to whom."""
    steps = policy.body.steps
    last = len(steps) - 1
    if telling.step <= last:
        channels = steps[telling.step].channels
        why = "alarm" if telling.step == 0 else "escalation"
        after = replace(telling, step=telling.step + 1, told=_with(telling.told, channels))
    else:
        channels, why = steps[last].channels, "reminder"
        after = replace(telling, reminders=telling.reminders + 1)
    return replace(after, due_at=_due(after, policy, now)), why, channels


def _due(telling: Telling, policy: Policy, now: int) -> int:
    if telling.step < len(policy.body.steps):
        return max(now, telling.began_at + policy.after_ns(telling.step))
    if policy.remind_ns and telling.reminders < policy.body.reminders:
        return now + policy.remind_ns
    return NEVER


def _with(told: Sequence[Channel], more: Sequence[Channel]) -> tuple[Channel, ...]:
    return tuple(dict.fromkeys((*told, *more)))


def ask(
    writer: Writer,
    alarm: Alarm,
    channel: Channel,
    asked: Asked,
    given: tuple[int, int],
) -> Action | None:
    """Put a message in the outbox, or, over the channel's limit, into its digest.

    `given` are now and the limit of a minute. Return the action, None where it waits or was
    asked for before.
    """
    now, limit = given
    key = channel_key(channel)
    record = writer.find(DIGESTS, alarm.tenant, key)
    digest = record.value if record is not None else Digest(now)
    if now - digest.began_at >= MINUTE_NS and not digest.count:
        digest = Digest(now)
    if digest.sent >= limit:
        policy = asked.telling.policy
        line = f"[{alarm.urgency.value}] {alarm.message or alarm.rule_id} ({alarm.subject})"
        digest = replace(
            digest,
            channel=channel,
            count=digest.count + 1,
            lines=(*digest.lines, line)[:DIGEST_LINES],
            alarm_id=digest.alarm_id or alarm.alarm_id,
            policies=(*digest.policies, policy)[:DIGEST_LINES],
            counts=digest.counts | {policy: digest.counts.get(policy, 0) + 1},
        )
        writer.put(DIGESTS, alarm.tenant, key, digest)
        return None
    began_at = asked.telling.began_at
    made = Made(alarm.tenant, alarm.alarm_id, channel, began_at, asked.parts)
    action = made.action({"why": asked.why}, now)
    if writer.find(OUTBOX, alarm.tenant, action.action_id) is not None:
        return None
    writer.put(DIGESTS, alarm.tenant, key, replace(digest, sent=digest.sent + 1))
    _put(writer, action)
    return action


def without(digest: Digest, denied: Collection[str]) -> Digest:
    """Return a digest without what these policies would have told."""
    held = {name: count for name, count in digest.counts.items() if name not in denied}
    pairs = [one for one in zip(digest.lines, digest.policies, strict=False) if one[1] in held]
    lost = sum(digest.counts.values()) - sum(held.values())
    if not lost:
        return digest
    return replace(
        digest,
        count=digest.count - lost,
        lines=tuple(line for line, _policy in pairs),
        policies=tuple(policy for _line, policy in pairs),
        counts=held,
    )


def tell_digest(writer: Writer, tenant: TenantId, key: str, now: int) -> Action | None:
    """Tell what waits for a channel as one message, once its minute is over."""
    record = writer.find(DIGESTS, tenant, key)
    if record is None or now - record.value.began_at < MINUTE_NS:
        return None
    digest = record.value
    if digest.channel is None or digest.alarm_id is None or not digest.count:
        writer.delete(DIGESTS, tenant, key)
        return None
    words = {"digest": {"count": digest.count, "lines": list(digest.lines)}}
    parts = ("digest", key, str(digest.began_at))
    made = Made(tenant, digest.alarm_id, digest.channel, digest.began_at, parts)
    action = made.action(words, now)
    writer.put(DIGESTS, tenant, key, Digest(now, sent=1))
    _put(writer, action)
    return action


class Made(Struct, frozen=True):
    """Which message it is: the same one has the same id, however often it is asked for."""

    tenant: TenantId
    alarm_id: AlarmId
    channel: Channel
    began_at: int
    parts: tuple[str, ...]

    def action(self, words: dict[str, Any], now: int) -> Action:
        """Return the action that asks for it."""
        to = ",".join(self.channel.to)
        place = (self.tenant, self.alarm_id, self.channel.connector, to)
        return Action(
            action_id=ActionId(derived_id_at(self.began_at, "notice", *place, *self.parts)),
            tenant=self.tenant,
            connector=self.channel.connector,
            kind=NOTIFICATION,
            alarm_id=self.alarm_id,
            parameters={"to": list(self.channel.to), **words},
            created_at=now,
        )


def _put(writer: Writer, action: Action) -> None:
    entry = OutboxEntry(action=action, state=OutboxState.PENDING, next_attempt_at=action.created_at)
    writer.insert(OUTBOX, action.tenant, action.action_id, entry)

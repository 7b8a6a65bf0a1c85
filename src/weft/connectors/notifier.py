"""The notifier: takes in what happens to alarms and puts what is to be told into the outbox.

It hears of each change once that is on disk, and at the start reads what it may have missed.
What it decides is one transaction with the messages that it asks for, so an episode is told
once per step of a policy, whatever crashes; from there the outbox delivers, tries again and
keeps what nobody takes. A policy whose owner may no longer read what it tells is held: that
is on record, and it goes on where the owner gets the right back while the alarm holds (AZ-5).
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.connectors.notifying import (
    DIGESTS,
    NEVER,
    TELLINGS,
    Asked,
    advance,
    ask,
    begin,
    is_told_of,
    tell_digest,
    telling_key,
    without,
)
from weft.groups.notification_policies import AlarmFacts, Policies, Policy
from weft.model.alarm import Action, Alarm, AlarmState
from weft.model.asset import Asset
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.observability.log import get_logger
from weft.ports import Clock, Reader, Records, Writer
from weft.rules.handling import clockwork
from weft.rules.kinds import ALARMS
from weft.security.audit import Audit

log = get_logger(__name__)

NOTIFY: Final = "alarm.notify"
NEWS_MAX: Final = 10_000  # changes not looked at yet; behind that all open alarms are read
AT_ONCE: Final = 200  # in one transaction
DUE_MAX: Final = 5_000  # tellings looked at in a second; of one tenant many may wait for a right
ASIDE_NS: Final = 60 * NS_PER_S  # until what is put aside is looked at again
QUIET_MAX_NS: Final = 24 * 3600 * NS_PER_S

Look = Callable[[Alarm], AlarmFacts]
_Place = tuple[TenantId, str]
_Denied = Mapping[TenantId, Mapping[str, str]]  # of each tenant, policies that may not, and why


class NotificationSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[notifications]`: how much one channel is sent."""

    per_channel: int = 30  # messages a minute; what is over that is told as one


class Notifier:
    """Tells people of alarms, by the policies of their tenants."""

    def __init__(
        self,
        records: Records,
        policies: Policies,
        look: Look,
        around: tuple[Audit, Clock],
        settings: NotificationSettings | None = None,
    ) -> None:
        self._records = records
        self._policies = policies
        self._look = look
        self._audit, self._clock = around
        self._settings = settings or NotificationSettings()
        self._news: dict[_Place, bool] = {}  # whether it was heard of when it was raised
        self._missed = True  # at the start, and when there was more news than fits
        self._due: list[tuple[int, TenantId, str]] = []
        self._on_actions: Callable[[Sequence[Action]], None] | None = None

    def on_actions(self, callback: Callable[[Sequence[Action]], None]) -> None:
        """Call `callback` on the loop when messages have been put in the outbox."""
        self._on_actions = callback

    def changed(self, alarm: Alarm) -> None:
        """Take in a change that is on disk; looked at within a second."""
        place = (alarm.tenant, str(alarm.alarm_id))
        if len(self._news) >= NEWS_MAX and place not in self._news:
            self._missed = True
            return
        self._news[place] = self._news.get(place, False) or alarm.version == 1

    async def load(self) -> None:
        """Read what is under way; call once, behind the policies."""
        for tenant, key, due_at in await self._records.read(_open_tellings):
            if due_at < NEVER:
                heapq.heappush(self._due, (due_at, tenant, key))

    async def work(self) -> int:
        """Tell what is due; return how many messages were asked for. Call each second."""
        if self._missed:
            self._missed = False
            try:
                for place in await self._records.read(_open_alarms):
                    self._news.setdefault(place, False)
            except BaseException:
                self._missed = True
                raise
        actions = await self._take_news()
        actions += await self._take_due()
        actions += await self._take_digests()
        if actions and self._on_actions is not None:
            self._on_actions(actions)
        return len(actions)

    # --- what has happened ---

    async def _take_news(self) -> list[Action]:
        asked: list[Action] = []
        while self._news:
            # Taken out before they are read: what changes meanwhile is news again.
            part = {place: self._news.pop(place) for place in list(self._news)[:AT_ONCE]}
            try:
                asked += await self._take(part)
            except BaseException:
                for place, live in part.items():
                    self._news[place] = live or self._news.get(place, False)
                raise
        return asked

    async def _take(self, part: Mapping[_Place, bool]) -> list[Action]:
        alarms = await self._records.read(lambda reader: _alarms_of(reader, part))
        wanted = {alarm.alarm_id: self._wanted(alarm, live) for alarm, live in alarms}
        denied = self._denied({alarm.tenant for alarm, _live in alarms})

        def work(writer: Writer) -> tuple[list[Action], list[tuple[int, TenantId, str]]]:
            actions: list[Action] = []
            due: list[tuple[int, TenantId, str]] = []
            for alarm, _live in alarms:
                due += self._begin(writer, alarm, wanted[alarm.alarm_id])
                if alarm.state is AlarmState.CLEARED and not alarm.late:
                    actions += self._end(writer, alarm, denied[alarm.tenant])
            return actions, due

        actions, due = await self._records.write(work) if alarms else ([], [])
        for one in due:
            heapq.heappush(self._due, one)
        return actions

    def _denied(self, tenants: Iterable[TenantId]) -> _Denied:
        """Ask which policies may tell nobody, and why: on the loop, before a transaction."""
        return {tenant: self._policies.all_denied(tenant) for tenant in set(tenants)}

    def _wanted(self, alarm: Alarm, live: bool) -> list[Policy]:  # noqa: FBT001  a fact of the news
        if not is_told_of(alarm) or (alarm.late and not live):
            return []  # what comes behind its telling is nothing to tell again
        mark = alarm.suppression
        came_at = mark.released_at if mark is not None and mark.released_at else alarm.raised_at
        found = self._policies.matching(self._look(alarm))
        # A policy says nothing of alarms from before it was saved.
        return [one for one in found if live or came_at >= one.since]

    def _begin(
        self, writer: Writer, alarm: Alarm, policies: Sequence[Policy]
    ) -> list[tuple[int, TenantId, str]]:
        due: list[tuple[int, TenantId, str]] = []
        for policy in policies:
            key = telling_key(alarm.alarm_id, policy.name)
            if writer.find(TELLINGS, alarm.tenant, key) is None:
                telling = begin(alarm, policy, self._clock.now())
                writer.insert(TELLINGS, alarm.tenant, key, telling)
                due.append((telling.due_at, alarm.tenant, key))
        return due

    def _end(self, writer: Writer, alarm: Alarm, denied: Mapping[str, str]) -> list[Action]:
        """Tell those who have heard of an alarm that it is over, and forget about it."""
        actions: list[Action] = []
        where = ("alarm", str(alarm.alarm_id))
        for record in writer.list(TELLINGS, alarm.tenant, where=where, limit=500):
            telling = record.value
            policy = self._policies.find(alarm.tenant, telling.policy)
            if policy is not None and policy.body.tell_cleared and policy.body.enabled:
                reason = denied.get(telling.policy, "")
                if not reason:
                    asked = Asked(telling, "cleared", telling.told)
                    actions += self._ask(writer, alarm, asked)
                elif telling.told:
                    self._note_denied(writer, alarm, policy, reason)
            writer.delete(TELLINGS, alarm.tenant, record.key)
        return actions

    # --- what is due ---

    async def _take_due(self) -> list[Action]:
        now = self._clock.now()
        due: list[tuple[int, TenantId, str]] = []
        while self._due and self._due[0][0] <= now and len(due) < DUE_MAX:
            due.append(heapq.heappop(self._due))
        actions: list[Action] = []
        while due:
            part, rest = due[:AT_ONCE], due[AT_ONCE:]
            try:
                actions += await self._take_part(part, now)
            except BaseException:
                for one in due:
                    heapq.heappush(self._due, one)
                raise
            due = rest
        return actions

    async def _take_part(self, part: Sequence[tuple[int, TenantId, str]], now: int) -> list[Action]:
        """Take the steps of some tellings, as one transaction."""
        denied = self._denied(tenant for _at, tenant, _key in part)

        def work(writer: Writer) -> tuple[list[Action], list[tuple[int, TenantId, str]]]:
            actions: list[Action] = []
            again: list[tuple[int, TenantId, str]] = []
            for _at, tenant, key in part:
                asked, next_at = self._step(writer, (tenant, key), now, denied[tenant])
                actions += asked
                if next_at < NEVER:
                    again.append((next_at, tenant, key))
            return actions, again

        actions, again = await self._records.write(work)
        for one in again:
            heapq.heappush(self._due, one)
        return actions

    def _step(
        self, writer: Writer, place: _Place, now: int, denied: Mapping[str, str]
    ) -> tuple[list[Action], int]:
        """Take the step of one telling; return what is asked for and when to look again."""
        tenant, key = place
        record = writer.find(TELLINGS, tenant, key)
        if record is None:
            return [], NEVER
        telling = record.value
        found = writer.find(ALARMS, tenant, telling.alarm_id)
        policy = self._policies.find(tenant, telling.policy)
        if found is None or policy is None or not policy.body.enabled:
            writer.delete(TELLINGS, tenant, key)
            return [], NEVER
        alarm = found.value
        if telling.due_at > now:  # put off since it was read
            return [], telling.due_at
        if alarm.late and not is_told_of(alarm):
            writer.delete(TELLINGS, tenant, key)
            return [], NEVER
        if not is_told_of(alarm):
            # Acknowledged: nobody is asked again. Aside: not now. Over: its change ends this.
            aside = alarm.state is AlarmState.ACTIVE
            return [], self._put_off(writer, tenant, key, now + ASIDE_NS if aside else NEVER)
        quiet_until = policy.quiet_until(alarm.urgency, now)
        if quiet_until is not None:
            until = min(quiet_until, now + QUIET_MAX_NS)
            return [], self._put_off(writer, tenant, key, until)
        reason = denied.get(policy.name, "")
        if reason:
            if not telling.denied:  # said once, not at each look
                writer.put(TELLINGS, tenant, key, replace(telling, denied=reason))
                self._note_denied(writer, alarm, policy, reason)
            return [], now + ASIDE_NS
        after, why, channels = advance(replace(telling, denied=""), policy, now)
        if alarm.late:  # it is over: told once, and nobody is asked again
            after = replace(after, due_at=NEVER)
            writer.delete(TELLINGS, tenant, key)
        else:
            writer.put(TELLINGS, tenant, key, after, version=record.version)
        return self._ask(writer, alarm, Asked(telling, why, channels)), after.due_at

    def _put_off(self, writer: Writer, tenant: TenantId, key: str, until: int) -> int:
        telling = writer.get(TELLINGS, tenant, key).value
        writer.put(TELLINGS, tenant, key, replace(telling, due_at=until))
        return until

    def _ask(self, writer: Writer, alarm: Alarm, asked: Asked) -> list[Action]:
        made: list[Action] = []
        now, limit = self._clock.now(), self._settings.per_channel
        for channel in asked.channels:
            action = ask(writer, alarm, channel, asked, (now, limit))
            if action is not None:
                made.append(action)
        if asked.channels:
            detail = {
                "policy": asked.telling.policy,
                "why": asked.why,
                "connectors": [one.connector for one in asked.channels],
            }
            target = f"alarm:{alarm.alarm_id}"
            self._audit.entry(writer, clockwork(alarm.tenant), NOTIFY, target, detail=detail)
        return made

    def _note_denied(self, writer: Writer, alarm: Alarm, policy: Policy, reason: str) -> None:
        detail = {"policy": policy.name, "owner": str(policy.owner or ""), "reason": reason}
        target = f"alarm:{alarm.alarm_id}"
        self._audit.entry(
            writer, clockwork(alarm.tenant), NOTIFY, target, outcome="denied", detail=detail
        )
        log.warning("notification_denied", tenant=alarm.tenant, policy=policy.name, reason=reason)

    # --- what was over a channel's limit ---

    async def _take_digests(self) -> list[Action]:
        now = self._clock.now()
        due = await self._records.read(lambda reader: _digests(reader, now))
        if not due:
            return []
        denied = self._denied(tenant for tenant, _key in due)

        def work(writer: Writer) -> list[Action]:
            for tenant, key in due:
                self._withhold(writer, tenant, key, denied[tenant])
            told = [tell_digest(writer, tenant, key, now) for tenant, key in due]
            return [one for one in told if one is not None]

        return await self._records.write(work)

    def _withhold(
        self, writer: Writer, tenant: TenantId, key: str, denied: Mapping[str, str]
    ) -> None:
        """Take out of a digest what its policies may not tell any more."""
        record = writer.find(DIGESTS, tenant, key)
        if record is None:
            return
        for name in denied.keys() & record.value.counts.keys():
            detail = {"count": record.value.counts[name], "reason": denied[name]}
            target = f"notification_policy:{name}"
            self._audit.entry(
                writer, clockwork(tenant), NOTIFY, target, outcome="denied", detail=detail
            )
        left = without(record.value, denied)
        if left is not record.value:
            writer.put(DIGESTS, tenant, key, left)


def look_in(
    find_device: Callable[[TenantId, str], Device | None],
    find_asset: Callable[[TenantId, str], Asset | None],
) -> Look:
    """Return what finds an alarm's device and asset in the registry."""

    def look(alarm: Alarm) -> AlarmFacts:
        asset = find_asset(alarm.tenant, alarm.assets[-1]) if alarm.assets else None
        return AlarmFacts(alarm, find_device(alarm.tenant, alarm.device_id), asset)

    return look


def _alarms_of(reader: Reader, part: Mapping[_Place, bool]) -> list[tuple[Alarm, bool]]:
    found = [(reader.find(ALARMS, *place), live) for place, live in part.items()]
    return [(record.value, live) for record, live in found if record is not None]


def _open_alarms(reader: Reader) -> list[_Place]:
    """Return the alarms that somebody may have to hear of, or hear that they are over."""
    found: list[_Place] = []
    for tenant in reader.tenants(ALARMS):
        after = ""
        while page := reader.list(ALARMS, tenant, where=("open", "yes"), after=after, limit=500):
            found += [(tenant, record.key) for record in page]
            after = page[-1].key
    for tenant, key, _due in _open_tellings(reader):
        found.append((tenant, key.partition("/")[0]))
    return found


def _open_tellings(reader: Reader) -> list[tuple[TenantId, str, int]]:
    """Return all of them: one that has told everything still waits for the end of its alarm."""
    found: list[tuple[TenantId, str, int]] = []
    for tenant in reader.tenants(TELLINGS):
        after = ""
        while page := reader.list(TELLINGS, tenant, after=after, limit=500):
            found += [(tenant, one.key, one.value.due_at) for one in page]
            after = page[-1].key
    return found


def _digests(reader: Reader, now: int) -> list[_Place]:
    return [
        (tenant, record.key)
        for tenant in reader.tenants(DIGESTS)
        for record in reader.list(DIGESTS, tenant, limit=500)
        if now - record.value.began_at >= ASIDE_NS
    ]

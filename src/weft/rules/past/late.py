"""Late data: what it would have changed is worked out, and told.

Live judges a device by what it has heard: a sample older than its newest one neither raises
nor clears. When such samples have come, the rules of that device are run again over what was
measured since, in the order of the measuring, and compared with the alarms that there were.
The result is a replay like any other. An alarm that the whole of the data would not have
raised gets a comment that says so; it is never removed. One that the whole of it would have
raised is told; it is raised after the fact, marked as late and cleared when it was over, where
its rule says `late: raise`. What still holds is left to live, which the next sample moves.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from weft.errors import PeerError, QuotaExceeded
from weft.model.alarm import Alarm
from weft.model.ids import AlarmId, DeviceId, TenantId
from weft.model.moments import to_rfc3339
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.ports import Clock
from weft.rules.model import Rule
from weft.rules.past.asking import late_requests, warm_up_for
from weft.rules.past.model import Asked, Finding, Replay, Verdict
from weft.rules.past.replays import Replays
from weft.rules.past.settings import ReplaySettings
from weft.rules.requests import Request
from weft.rules.surroundings import Surroundings

log = get_logger(__name__)

HOUR_NS: Final = 3600 * 1_000_000_000
NAMED_MAX: Final = 1_000  # devices that one replay names; of more it takes all
COMMENTED_MAX: Final = 100  # alarms of one replay
RAISED_MAX: Final = 100
_PAGE: Final = 500

# The oldest moment that came late, by device; taken once.
TakeLate = Callable[[], Mapping[tuple[TenantId, DeviceId], int]]
ListRules = Callable[[TenantId, str, int], Awaitable[Sequence[Rule]]]
Comment = Callable[[Principal, AlarmId, str], Awaitable[Alarm]]
Ask = Callable[[Sequence[Request]], None]  # for alarms to be written


class _Begun(Struct):
    """A tenant's late data whose rules are being gone through, a bounded number at a time."""

    late: Mapping[DeviceId, int]
    after: str = ""  # the last rule that was looked at


class Late:
    """Late data of all tenants. A chore `sweep`s once a minute."""

    def __init__(
        self,
        replays: Replays,
        asking: tuple[TakeLate, ListRules, Comment, Ask],
        around: Surroundings,
        clock: Clock,
        settings: ReplaySettings,
    ) -> None:
        self._replays = replays
        self._take, self._list_rules, self._comment, self._ask = asking
        self._around = around
        self._clock = clock
        self._settings = settings
        self._waiting: dict[tuple[TenantId, DeviceId], int] = {}
        self._begun: dict[TenantId, _Begun] = {}
        replays.after_end(self.ended)

    async def sweep(self) -> None:
        """Ask for replays of what came late since the last time."""
        horizon = self._clock.now() - round(self._settings.late_hours * HOUR_NS)
        for place, at in self._take().items():
            if at >= horizon:
                self._waiting[place] = min(at, self._waiting.get(place, at))
        for tenant in sorted({*self._begun, *(tenant for tenant, _device in self._waiting)}):
            try:
                await self._sweep_tenant(tenant)
            except QuotaExceeded as error:
                log.warning("late_data_waits", tenant=tenant, reason=error.detail)

    async def _sweep_tenant(self, tenant: TenantId) -> None:
        """Go through a tenant's rules; where there is no more room, on from there the next time.

        Else the first rules would be worked out again and again, and the last ones never.
        """
        begun = self._begun.get(tenant)
        if begun is None:
            begun = self._begun[tenant] = _Begun(self._pop(tenant))
        while rules := await self._list_rules(tenant, begun.after, _PAGE):
            for rule in rules:
                asked = self._asked(rule, begun.late)
                if asked is not None:
                    await self._replays.start(_weft(tenant), asked)
                begun.after = rule.rule_id
        del self._begun[tenant]

    def _pop(self, tenant: TenantId) -> dict[DeviceId, int]:
        devices = [device for owner, device in self._waiting if owner == tenant]
        return {device: self._waiting.pop((tenant, device)) for device in devices}

    def _asked(self, rule: Rule, late: Mapping[DeviceId, int]) -> Asked | None:
        """Return what is to be replayed of a rule; None where it saw nothing of it."""
        if not rule.runs or rule.document.scope is not None:
            return None
        moments = {device: late[device] for device in self._watched(rule, late)}
        now = self._clock.now() + 1
        # Before this version was saved, other alarms were right.
        start = max(min(moments.values(), default=now), rule.updated_at)
        if start >= now:
            return None
        names = tuple(sorted(moments))
        return Asked(
            rule_id=rule.rule_id,
            document=rule.source,
            version=rule.version,
            start=start,
            end=now,
            warm_up_ns=warm_up_for(rule.source, rule.tenant, self._around),
            devices=names if len(names) <= NAMED_MAX else (),
            measured=True,
            late=True,
        )

    def _watched(self, rule: Rule, late: Mapping[DeviceId, int]) -> Iterator[DeviceId]:
        for name in late:
            device = self._around.devices.find(rule.tenant, name)
            if device is not None:
                type_name = device.type_name or ""
                if rule.document.selector.matches(name, type_name, device):
                    yield name

    async def ended(self, replay: Replay, findings: Sequence[Finding]) -> None:
        """Tell what late data has changed, and comment on alarms that it speaks against."""
        if not replay.asked.late:
            return
        counts = replay.counts
        if counts.added or counts.missing:
            log.info(
                "late_data_differs",
                tenant=replay.tenant,
                rule=replay.asked.rule_id,
                replay=replay.replay_id,
                added=counts.added,
                missing=counts.missing,
            )
        told = [one for one in findings if one.verdict is Verdict.MISSING and one.recorded]
        for finding in told[:COMMENTED_MAX]:
            await self._tell(replay, AlarmId(str(finding.recorded)))
        over = [one for one in findings if one.verdict is Verdict.ADDED and one.cleared_at]
        rule = await self._find_rule(replay) if over else None
        if rule is not None and rule.runs and rule.document.late:
            self._ask([made for one in over[:RAISED_MAX] for made in late_requests(rule, one)])

    async def _find_rule(self, replay: Replay) -> Rule | None:
        """Return the rule of a replay; None where it is another one by now."""
        asked, after = replay.asked, ""
        while rules := await self._list_rules(replay.tenant, after, _PAGE):
            for rule in rules:
                if (rule.rule_id, rule.version) == (asked.rule_id, asked.version):
                    return rule
            after = rules[-1].rule_id
        return None

    async def _tell(self, replay: Replay, alarm_id: AlarmId) -> None:
        since = to_rfc3339(replay.asked.start)
        text = (
            f"Data of {since} and later came late. With it the rule would not have raised this "
            f"alarm: weft replay findings {replay.replay_id}"
        )
        try:
            await self._comment(_weft(replay.tenant), alarm_id, text)
        except PeerError as error:  # its history is full, or it was forgotten meanwhile
            log.warning("late_data_not_told", alarm=alarm_id, reason=error.detail)


def _weft(tenant: TenantId) -> Principal:
    return Principal(tenant, PrincipalKind.SYSTEM, "weft", "system")

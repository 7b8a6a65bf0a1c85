"""Loops of rules: a rule writes what another one reads, which writes what the first one reads.

A write of a rule carries how many rules stand before it: one more than the newest write that
brought about a reported property which its condition read. After HOPS_MAX the write is
refused, an alarm is raised and the rule is paused; so is one that writes more often than
RATE_MAX a minute, whatever goes on in between (RU-3). All is bounded and in memory: after a
restart counting begins anew.
"""

from collections import OrderedDict, deque
from typing import Final

from weft.model.ids import AlarmId, TenantId
from weft.rules.requests import Raise

LOOP: Final = "loop:"  # what every reason begins with
HOPS_MAX: Final = 8
RATE_MAX: Final = 60  # writes of one rule a minute
MINUTE_NS: Final = 60_000_000_000
KEPT_MAX: Final = 20_000

Property = tuple[TenantId, str, str]  # of a device


class Loops:
    """Which rules wrote what, and how many stood before them."""

    def __init__(self) -> None:
        self._written: OrderedDict[Property, tuple[int, int]] = OrderedDict()  # hops, at
        self._rates: OrderedDict[tuple[TenantId, str], deque[int]] = OrderedDict()
        self._judged: OrderedDict[AlarmId, str] = OrderedDict()

    def judge(self, request: Raise, writes: list[tuple[str, str]]) -> str:
        """Take note of what a firing writes, (device, property); return why not, or "".

        Asking again for the same alarm, as after a write that failed, changes nothing.
        """
        known = self._judged.get(request.alarm_id)
        if known is not None:
            return known
        hops = 1 + self._hops_before(request)
        rate = self._rates.setdefault((request.rule.tenant, request.rule.rule_id), deque())
        while rate and rate[0] <= request.at - MINUTE_NS:
            rate.popleft()
        reason = ""
        if hops > HOPS_MAX:
            reason = f"{LOOP} {HOPS_MAX} rules have written one after the other, each for the last"
        elif len(rate) >= RATE_MAX:
            reason = f"{LOOP} the rule has written {RATE_MAX} times within a minute"
        else:
            rate.append(request.at)
            for device, name in writes:
                self._written[request.rule.tenant, device, name] = (hops, request.at)
        self._judged[request.alarm_id] = reason
        for held in (self._written, self._rates, self._judged):
            while len(held) > KEPT_MAX:
                held.popitem(last=False)
        return reason

    def _hops_before(self, request: Raise) -> int:
        """Return how many rules stood before the newest write that its condition read."""
        found = 0
        for sample in request.evidence:
            device = sample.device_id or request.device_id
            for key in sample.values:
                source, _, name = key.partition(".")
                held = self._written.get((request.rule.tenant, device, name))
                if source == "reported" and held is not None:
                    hops, at = held
                    found = max(found, hops if request.at - at <= MINUTE_NS else 0)
        return found

"""Loops of rules: a rule writes what another one reads, which writes what the first one reads.

A write of a rule carries how many rules stand before it: one more than the newest write that
brought about a reported property which its condition read. After HOPS_MAX the write is
refused, an alarm is raised and the rule is paused; so is one that writes more often than
RATE_MAX a minute, whatever goes on in between (RU-3). What is counted is bounded, and written
in the transaction of the alarm: a restart, or a process that dies at every turn of a loop,
does not begin anew.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from weft.model.ids import AlarmId, TenantId
from weft.ports import Kind, Reader, V, Writer
from weft.rules.requests import Raise

LOOP: Final = "loop:"  # what every reason begins with
HOPS_MAX: Final = 8
RATE_MAX: Final = 60  # writes of one rule a minute
MINUTE_NS: Final = 60_000_000_000
KEPT_MAX: Final = 20_000
_PAGE: Final = 500

Property = tuple[TenantId, str, str]  # of a device


class Hops(Struct, frozen=True):
    """How many rules stood before the newest write of a property, and when it was asked for."""

    device: str
    name: str
    hops: int
    at: int


class Rate(Struct, frozen=True):
    """The writes of one rule within a minute: the alarms that asked, with their moments."""

    writes: dict[str, int]


# One of each property that rules write, one of each rule that writes: as many as there are.
RULE_HOPS: Final = Kind("rule_hops", Hops)
RULE_RATES: Final = Kind("rule_rate", Rate)


class Loops:
    """Which rules wrote what, and how many stood before them."""

    def __init__(self) -> None:
        self._written: OrderedDict[Property, Hops] = OrderedDict()
        self._rates: OrderedDict[tuple[TenantId, str], dict[str, int]] = OrderedDict()
        self._judged: OrderedDict[AlarmId, str] = OrderedDict()

    def load(self, reader: Reader) -> None:
        """Read what was counted before the start."""
        hops = [(tenant, one) for tenant in reader.tenants(RULE_HOPS)
                for one in _all(reader, RULE_HOPS, tenant)]  # fmt: skip
        for tenant, (_key, one) in sorted(hops, key=lambda held: held[1][1].at):
            self._written[tenant, one.device, one.name] = one
        for tenant in reader.tenants(RULE_RATES):
            for rule_id, rate in _all(reader, RULE_RATES, tenant):
                self._rates[tenant, rule_id] = dict(rate.writes)
        self._bound()

    def keep(self, writer: Writer, request: Raise, writes: Sequence[tuple[str, str]]) -> None:
        """Write what `judge` has counted of a firing that it lets pass."""
        rule = request.rule
        for device, name in writes:
            held = self._written.get((rule.tenant, device, name))
            if held is not None:
                writer.put(RULE_HOPS, rule.tenant, f"{device}/{name}", held)
        rate = self._rates.get((rule.tenant, rule.rule_id), {})
        writer.put(RULE_RATES, rule.tenant, rule.rule_id, Rate(dict(rate)))

    def judge(self, request: Raise, writes: list[tuple[str, str]]) -> str:
        """Take note of what a firing writes, (device, property); return why not, or "".

        Asking again for the same alarm, as after a write that failed, changes nothing.
        """
        known = self._judged.get(request.alarm_id)
        if known is not None:
            return known
        rate = self._rates.setdefault((request.rule.tenant, request.rule.rule_id), {})
        if request.alarm_id in rate:  # let pass before a restart
            return ""
        hops = 1 + self._hops_before(request)
        for alarm_id in [one for one, at in rate.items() if at <= request.at - MINUTE_NS]:
            del rate[alarm_id]
        reason = ""
        if hops > HOPS_MAX:
            reason = f"{LOOP} {HOPS_MAX} rules have written one after the other, each for the last"
        elif len(rate) >= RATE_MAX:
            reason = f"{LOOP} the rule has written {RATE_MAX} times within a minute"
        else:
            rate[request.alarm_id] = request.at
            for device, name in writes:
                place = (request.rule.tenant, device, name)
                self._written.pop(place, None)  # the newest stand last
                self._written[place] = Hops(device, name, hops, request.at)
        self._judged[request.alarm_id] = reason
        self._bound()
        return reason

    def _bound(self) -> None:
        for held in (self._written, self._rates, self._judged):
            while len(held) > KEPT_MAX:
                held.popitem(last=False)

    def _hops_before(self, request: Raise) -> int:
        """Return how many rules stood before the newest write that its condition read."""
        found = 0
        for sample in request.evidence:
            device = sample.device_id or request.device_id
            for key in sample.values:
                source, _, name = key.partition(".")
                held = self._written.get((request.rule.tenant, device, name))
                if source == "reported" and held is not None:
                    found = max(found, held.hops if request.at - held.at <= MINUTE_NS else 0)
        return found


def _all(reader: Reader, kind: Kind[V], tenant: TenantId) -> list[tuple[str, V]]:
    found: list[tuple[str, V]] = []
    after = ""
    while page := reader.list(kind, tenant, after=after, limit=_PAGE):
        found += [(record.key, record.value) for record in page]
        after = page[-1].key
    return found

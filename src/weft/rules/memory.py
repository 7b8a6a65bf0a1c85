"""What a rule may remember: estimated when it is saved, bounded for each rule and tenant (RU-2).

The estimate is what each function says of itself at worst, each call once. Bytes are of one
device on disk, nanoseconds of one sample, so a tenant's sum is what one more message costs.
"""

from typing import Protocol

from weft.errors import Invalid, QuotaExceeded
from weft.model.ids import TenantId
from weft.ports import Reader
from weft.rules.feeds.base import Cost
from weft.rules.feeds.table import FUNCTIONS
from weft.rules.kinds import RULES
from weft.rules.language.syntax import Feed

RULE_MAX = Cost(state_bytes=256 * 1024, sample_ns=100_000)
TENANT_MAX = Cost(state_bytes=16 * 1024 * 1024, sample_ns=5_000_000)


class Remembering(Protocol):
    """A condition, or what one asks of a member."""

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """What it remembers, each behind those that feed it."""
        ...


def memory_of(*parts: Remembering | None) -> Cost:
    """Return what the conditions of a rule remember on one device, at worst."""
    feeds = {feed.text: feed for part in parts if part is not None for feed in part.feeds}
    costs = [FUNCTIONS[feed.name].cost(dict(feed.settings)) for feed in feeds.values()]
    return _sum(costs)


def require_bounded(cost: Cost) -> None:
    """Raise `Invalid` for a rule that would remember too much."""
    if cost.state_bytes > RULE_MAX.state_bytes or cost.sample_ns > RULE_MAX.sample_ns:
        raise Invalid(
            f"The rule may keep {cost.state_bytes // 1024} KiB a device and take"
            f" {cost.sample_ns / 1_000:g} µs a sample; at most {RULE_MAX.state_bytes // 1024} KiB"
            f" and {RULE_MAX.sample_ns / 1_000:g} µs are allowed.",
            remedy="Use fewer windows, count fewer samples, or split it into several rules.",
        )


def require_room(reader: Reader, tenant: TenantId, rule_id: str, cost: Cost) -> None:
    """Raise `QuotaExceeded` when all rules of the tenant together would remember too much."""
    if not cost.state_bytes:
        return
    others = [
        Cost(state_bytes=record.value.state_bytes, sample_ns=record.value.sample_ns)
        for record in reader.list(RULES, tenant, limit=1_000_000)
        if record.key != rule_id
    ]
    whole = _sum([cost, *others])
    if whole.state_bytes > TENANT_MAX.state_bytes or whole.sample_ns > TENANT_MAX.sample_ns:
        raise QuotaExceeded(
            f"All rules together may keep {whole.state_bytes // 1024} KiB a device and take"
            f" {whole.sample_ns / 1_000:g} µs a sample; at most"
            f" {TENANT_MAX.state_bytes // 1024} KiB and {TENANT_MAX.sample_ns / 1_000:g} µs are"
            " allowed.",
            remedy="Delete rules that are out of use, or give several of them one window.",
        )


def _sum(costs: list[Cost]) -> Cost:
    return Cost(
        state_bytes=sum(cost.state_bytes for cost in costs),
        sample_ns=sum(cost.sample_ns for cost in costs),
    )

"""Limits: how much a principal and a tenant may ask for, whatever the protocol (RL-1).

Token buckets in memory: a burst is welcome, a rate is what lasts. Whoever must wait is
told for how long, and is not charged for what was refused. Memory is bounded: the least
recently seen principal is forgotten, with a full bucket to come back to.
"""

from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal
from weft.ports import Clock
from weft.security.throttle import network_of

BUCKETS_MAX = 131_072  # about 30 MB when full


BURST_S = 5  # of its rate, what a tenant may send at once


class LimitKind(StrEnum):
    """What is counted."""

    CONNECTS = "connects"
    MESSAGES = "messages"
    BYTES = "bytes"
    REQUESTS = "requests"


class Rate(Struct, frozen=True, forbid_unknown_fields=True):
    """So many a second that lasts, and so many at once."""

    per_s: float
    burst: float


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[security.limits]`: rates of one principal, and of one tenant with all it has."""

    principal_connects: Rate = Rate(1, 20)  # a flapping device is slowed, a reconnect is not
    principal_messages: Rate = Rate(1_000, 5_000)  # a gateway of hundreds of sensors fits
    principal_bytes: Rate = Rate(1_048_576, 8_388_608)
    principal_requests: Rate = Rate(100, 500)  # a dashboard with many tiles fits
    tenant_connects: Rate = Rate(1_000, 20_000)  # a fleet comes back after a power cut
    tenant_messages: Rate = Rate(100_000, 500_000)
    tenant_bytes: Rate = Rate(104_857_600, 524_288_000)
    tenant_requests: Rate = Rate(5_000, 20_000)


class _Bucket:
    """Tokens left, and when that was so."""

    __slots__ = ("at", "left")

    def __init__(self, left: float, at: int) -> None:
        self.left = left
        self.at = at


class Limiter:
    """The buckets of all principals and tenants."""

    def __init__(self, clock: Clock, settings: LimitSettings | None = None) -> None:
        self._clock = clock
        chosen = settings or LimitSettings()
        self._principal_rates = {k: getattr(chosen, f"principal_{k}") for k in LimitKind}
        self._tenant_rates = {k: getattr(chosen, f"tenant_{k}") for k in LimitKind}
        self._own_rates: dict[tuple[TenantId, LimitKind], Rate] = {}
        self._principals: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()
        self._tenants: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def set_tenant_messages(self, tenant: TenantId, per_s: float) -> None:
        """Give a tenant a rate of messages of its own, where that is below the settings'."""
        common = self._tenant_rates[LimitKind.MESSAGES]
        if per_s < common.per_s:
            self._own_rates[tenant, LimitKind.MESSAGES] = Rate(per_s, BURST_S * per_s)
        else:
            self._own_rates.pop((tenant, LimitKind.MESSAGES), None)

    def take(
        self, tenant: TenantId, principal: Principal | None, kind: LimitKind, amount: float = 1
    ) -> float:
        """Take tokens of both; return 0 to go on, else the seconds until it would go."""
        now = self._clock.now()
        tenant_rate = self._own_rates.get((tenant, kind)) or self._tenant_rates[kind]
        shared = _bucket(self._tenants, (tenant, kind), tenant_rate, now)
        wait = _wait_s(shared, tenant_rate, amount)
        if principal is None:
            if wait <= 0:
                shared.left -= amount
            return wait
        rate = self._principal_rates[kind]
        own = _bucket(self._principals, (principal.uid, kind), rate, now)
        wait = max(wait, _wait_s(own, rate, amount))
        if wait <= 0:
            shared.left -= amount
            own.left -= amount
        return wait


class SubjectLimiter:
    """Buckets of what is neither a principal nor a tenant, by its name."""

    def __init__(self, rate: Rate, now: Callable[[], int]) -> None:
        """`now` is in nanoseconds, of any clock."""
        self._rate = rate
        self._now = now
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def take(self, subject: str) -> float:
        """Take a token of a subject's; return 0 to go on, else the seconds to wait."""
        bucket = _bucket(self._buckets, (subject, ""), self._rate, self._now())
        wait = _wait_s(bucket, self._rate, 1)
        if wait <= 0:
            bucket.left -= 1
        return wait


class NetworkLimiter(SubjectLimiter):
    """Buckets of those who have no name yet: an IPv4 address each, or an IPv6 /64."""

    def take(self, subject: str) -> float:
        """Take a token of an address's network."""
        return super().take(network_of(subject))


def _bucket(
    buckets: OrderedDict[tuple[str, str], _Bucket], key: tuple[str, str], rate: Rate, now: int
) -> _Bucket:
    bucket = buckets.get(key)
    if bucket is None:
        if len(buckets) >= BUCKETS_MAX:
            buckets.popitem(last=False)
        bucket = buckets[key] = _Bucket(rate.burst, now)
        return bucket
    buckets.move_to_end(key)
    if now > bucket.at:  # a clock that was set back gives nothing and takes nothing
        bucket.left = min(rate.burst, bucket.left + (now - bucket.at) * rate.per_s / NS_PER_S)
    bucket.at = now
    return bucket


def _wait_s(bucket: _Bucket, rate: Rate, amount: float) -> float:
    # More than a whole burst at once goes when the bucket is full, and leaves a debt.
    needed = min(amount, rate.burst)
    return 0.0 if bucket.left >= needed else (needed - bucket.left) / rate.per_s

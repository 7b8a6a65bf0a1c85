"""Shares: a connector brings in what its key and its tenant may, and not a message more."""

import pytest
from msgspec.structs import replace

from weft.connectors.shares import Share
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.security.limits import Limiter, LimitSettings, Rate
from weft.supervision import FakeClock

KEY = Principal(TenantId("main"), PrincipalKind.KEY, "far", "k-1")
SMALL = LimitSettings(
    principal_messages=Rate(100, 50),
    principal_bytes=Rate(10_000, 5_000),
    tenant_messages=Rate(150, 150),
)


class Waiting:
    """A share whose waits turn the clock, and how long they were in all."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.began_at = self.clock.now()
        self.share = Share(Limiter(self.clock, SMALL), self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.clock.turn(seconds)

    @property
    def waited_s(self) -> float:
        return (self.clock.now() - self.began_at) / NS_PER_S


async def test_rl_1_a_connector_has_the_rate_of_its_key() -> None:
    """RL-1: 50 messages at once, then 100 a second, within five of a hundred."""
    waiting = Waiting()
    for _ in range(50):
        await waiting.share.pay(KEY, 1, 10)
    assert waiting.waited_s == 0
    for _ in range(100):
        await waiting.share.pay(KEY, 5, 50)
    assert waiting.waited_s == pytest.approx(5.0, rel=0.05)


async def test_rl_1_a_connector_has_the_bytes_of_its_key() -> None:
    """RL-1: few messages, but large ones."""
    waiting = Waiting()
    for _ in range(11):
        await waiting.share.pay(KEY, 1, 5_000)
    assert waiting.waited_s == pytest.approx(5.0, rel=0.05)


async def test_rl_1_two_connectors_share_what_their_tenant_has() -> None:
    """RL-1: each has a key of its own; together they are held to the tenant's rate.

    Another tenant's is not held by that.
    """
    waiting = Waiting()
    for _ in range(60):
        await waiting.share.pay(KEY, 10, 10)
        await waiting.share.pay(replace(KEY, uid="k-2"), 10, 10)
    assert waiting.waited_s == pytest.approx((1_200 - 150) / 150, rel=0.05)
    before_s = waiting.waited_s
    await waiting.share.pay(replace(KEY, tenant=TenantId("other"), uid="k-3"), 50, 10)
    assert waiting.waited_s == before_s

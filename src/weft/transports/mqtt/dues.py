"""Dues: what one connection has received and not yet been charged for (RL-1).

Asking the limiter for each message would cost as much as admitting it. So messages and
bytes are counted, and paid for some at a time: who is over the rate is read no further
until it has paid. It is told nothing and loses nothing; TCP makes it wait.
"""

from weft.model.principal import Principal
from weft.security.limits import Limiter, LimitKind

# So much is received before the limiter is asked. What is left at the end of a connection is
# never charged: coming again for it is what CONNECTS limits. (Asking once a second for what
# is left cost 4 % of the CPU at 1,000 connections.)
MESSAGES_AT_ONCE = 32
BYTES_AT_ONCE = 64 * 1024


class Dues:
    """The open account of one connection."""

    __slots__ = ("_limiter", "bytes", "messages")

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self.messages = 0
        self.bytes = 0

    @property
    def are_large(self) -> bool:
        """Whether it is time to pay."""
        return self.messages >= MESSAGES_AT_ONCE or self.bytes >= BYTES_AT_ONCE

    def pay(self, principal: Principal) -> float:
        """Pay what is large and return 0, or return the seconds until the next try."""
        limiter, tenant = self._limiter, principal.tenant
        if self.messages >= MESSAGES_AT_ONCE:
            wait_s = limiter.take(tenant, principal, LimitKind.MESSAGES, self.messages)
            if wait_s > 0:
                return wait_s
            self.messages = 0
        if self.bytes >= BYTES_AT_ONCE:
            wait_s = limiter.take(tenant, principal, LimitKind.BYTES, self.bytes)
            if wait_s > 0:
                return wait_s
            self.bytes = 0
        return 0.0

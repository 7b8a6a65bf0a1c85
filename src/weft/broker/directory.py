"""The directory of sessions: found by identity, by principal and by tenant.

It holds the caps on what one principal may keep (MQ-8), and knows who has been away too long.
"""

from collections.abc import Iterator

from weft.broker import metrics
from weft.broker.sessions import Session
from weft.broker.settings import BrokerSettings
from weft.errors import QuotaExceeded
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal


class Directory:
    """All sessions of all tenants."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._by_identity: dict[tuple[str, str, str], Session] = {}
        self._by_principal: dict[str, dict[str, Session]] = {}

    def __len__(self) -> int:
        return len(self._by_identity)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._by_identity.values())

    def find(self, principal: Principal, client_id: str) -> Session | None:
        """Return the session of this principal under this client id, never another's (MQ-2)."""
        return self._by_identity.get((principal.tenant, principal.uid, client_id))

    def of(self, principal_uid: str) -> list[Session]:
        """Return all sessions of a principal."""
        return list(self._by_principal.get(principal_uid, {}).values())

    def add(self, session: Session) -> None:
        """Take in a session."""
        self._by_identity[session.identity] = session
        self._by_principal.setdefault(session.principal.uid, {})[session.key] = session

    def remove(self, session: Session) -> None:
        """Forget a session."""
        del self._by_identity[session.identity]
        uid = session.principal.uid
        del self._by_principal[uid][session.key]
        if not self._by_principal[uid]:
            del self._by_principal[uid]

    def make_room(
        self, principal: Principal, *, durable: bool, but: Session | None
    ) -> list[Session]:
        """Return the sessions that must go before one more may come, or raise `QuotaExceeded`.

        `but` is the session that the new one replaces or resumes; it does not count.
        """
        stored = [one for one in self.of(principal.uid) if one.durable and one is not but]
        surplus = len(stored) - self._settings.sessions_per_principal + 1
        if not durable or surplus <= 0:
            return []
        away = sorted((one for one in stored if one.link is None), key=lambda one: one.detached_at)
        if len(away) < surplus:
            raise QuotaExceeded(
                f"{principal} has {len(stored)} persistent sessions, all of them connected.",
                remedy="Connect with a clean start and no session expiry, use the same client id "
                "again, or raise broker.sessions_per_principal.",
            )
        return away[:surplus]

    def expired(self, now: int) -> list[Session]:
        """Return the sessions that have been away for longer than they may."""
        return [
            one
            for one in self
            if one.link is None and one.detached_at + one.expiry_s * NS_PER_S <= now
        ]

    def measure(self) -> None:
        """Set the gauges."""
        live = sum(one.link is not None for one in self)
        metrics.SESSIONS.labels("live").set(live)
        metrics.SESSIONS.labels("stored").set(len(self) - live)
        metrics.QUEUED.set(sum(len(one.queue) for one in self))

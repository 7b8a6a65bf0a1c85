"""Shares: how many registrations to observe each principal holds, and each of its sessions.

The endpoint counts by peer, and a device may have many: a port for each run of a client, a
DTLS session for each of its workers. Here its registrations count together, on all listeners,
so that no device holds more than its share of them (CO-6).
"""

from collections import Counter
from typing import Protocol

from weft.model.principal import Principal
from weft.wire.coap.observe import Observation


class Observing(Protocol):
    """A session that observes."""

    @property
    def principal(self) -> Principal:
        """Whose it is."""
        ...

    def __hash__(self) -> int: ...


class Shares:
    """Who holds which registration."""

    def __init__(self, most: int) -> None:
        """`most` is how many one principal may hold."""
        self._most = most
        self._holders: dict[Observation, Observing] = {}
        self._of_principal: Counter[str] = Counter()
        self._of_session: Counter[Observing] = Counter()

    def __len__(self) -> int:
        return len(self._holders)

    def take(self, observation: Observation, session: Observing) -> bool:
        """Count a registration, a renewed one once; False where its principal has enough."""
        held = self._holders.get(observation)
        if held is session:
            return True
        if held is not None:  # renewed, in a new session of who had it
            self.give(observation)
        uid = session.principal.uid
        if self._of_principal[uid] >= self._most:
            return False
        self._holders[observation] = session
        self._of_principal[uid] += 1
        self._of_session[session] += 1
        return True

    def give(self, observation: Observation) -> None:
        """A registration has ended; one that is not counted changes nothing."""
        session = self._holders.pop(observation, None)
        if session is None:
            return
        uid = session.principal.uid
        self._of_principal[uid] -= 1
        self._of_session[session] -= 1
        self._tidy(uid, session)

    def _tidy(self, uid: str, session: Observing) -> None:
        """Keep nothing for who holds nothing."""
        if not self._of_principal[uid]:
            del self._of_principal[uid]
        if not self._of_session[session]:
            del self._of_session[session]

    def observes(self, session: Observing) -> bool:
        """Whether a session holds any registration."""
        return session in self._of_session

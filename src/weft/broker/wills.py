"""Wills: what a device asked us to say for it when its connection is lost.

A will is decided on when the device connects (by the transport) and again when it is
published (by the gate). A device that says good-bye, or is revoked, leaves none.
"""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from weft.errors import PeerError, WeftError
from weft.model.message import PublishProperties
from weft.model.principal import Principal
from weft.observability.log import get_logger

log = get_logger(__name__)

AT_ONCE = 1_000  # wills that wait for one commit together, when a network goes down


class Will(Struct, frozen=True):
    """A message to publish for a client, `delay_s` after its connection was lost."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    delay_s: int = 0
    properties: PublishProperties | None = None


class DueWill(Struct, eq=False):
    """A will that waits for its moment, unless its session comes back before."""

    principal: Principal
    will: Will
    due_at: int


PublishWill = Callable[[Principal, Will], Awaitable[None]]


class Wills:
    """The wills that wait, one per session."""

    def __init__(self, publish: PublishWill) -> None:
        self._publish = publish
        self._waiting: dict[str, DueWill] = {}
        self._due: list[DueWill] = []

    def __len__(self) -> int:
        return len(self._waiting) + len(self._due)

    def find(self, session: str) -> DueWill | None:
        """Return the will that waits for a session."""
        return self._waiting.get(session)

    def schedule(self, session: str, due: DueWill, now: int) -> None:
        """Publish a will when it is due; one that is due already goes with the next `publish`."""
        if due.due_at <= now:
            self._due.append(due)
        else:
            self._waiting[session] = due

    def cancel(self, session: str) -> None:
        """The session is back in time: its will is not published [MQTT-3.1.3-9]."""
        self._waiting.pop(session, None)

    def hasten(self, session: str) -> None:
        """The session has ended: its will waits no longer [MQTT-3.1.2-8]."""
        due = self._waiting.pop(session, None)
        if due is not None:
            self._due.append(due)

    def forget(self, principal_uid: str) -> None:
        """A revoked principal has no last word."""
        self._waiting = {
            session: due
            for session, due in self._waiting.items()
            if due.principal.uid != principal_uid
        }
        self._due = [due for due in self._due if due.principal.uid != principal_uid]

    async def publish(self, now: int) -> None:
        """Publish what is due. A will that is refused is dropped; any other failure waits."""
        for session in [key for key, due in self._waiting.items() if due.due_at <= now]:
            self._due.append(self._waiting.pop(session))
        while self._due:
            together, self._due = self._due[:AT_ONCE], self._due[AT_ONCE:]
            failures: list[WeftError] = []
            async with asyncio.TaskGroup() as tasks:
                for due in together:
                    tasks.create_task(self._publish_one(due, failures))
            if failures:
                raise failures[0]

    async def _publish_one(self, due: DueWill, failures: list[WeftError]) -> None:
        try:
            await self._publish(due.principal, due.will)
        except PeerError as error:
            log.warning(
                "will_refused",
                tenant=due.principal.tenant,
                principal=str(due.principal),
                error=error.code,
            )
        except WeftError as error:
            self._due.append(due)
            failures.append(error)

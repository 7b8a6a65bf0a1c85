"""Links: devices that wait over HTTP, by long poll or stream, and count as connected while so.

A request that waits is woken when a command or a desired property of its device changes. It
is registered like a connection of any transport, so that a right that ends cuts it (RV-1)
and presence sees it. Between two polls the link lingers: a device that asks again at once
has not been away.
"""

import asyncio
from collections.abc import Callable

from weft.api.operation import Call
from weft.errors import QuotaExceeded, Unauthenticated, Unavailable
from weft.model.command import Command
from weft.model.ids import DeviceId, TenantId
from weft.security.connections import Connection, Connections

POLL = "http"  # what presence calls the two
STREAM = "sse"
STOPPING = "Weft is stopping."

Key = tuple[TenantId, DeviceId]


class Watch:
    """One request that waits for something of a device."""

    def __init__(self, key: Key, link: "_Link") -> None:
        self.key = key
        self.link = link
        self.changed = asyncio.Event()
        self.ended = asyncio.Event()
        self.reason = ""

    def end(self, reason: str) -> None:
        """Let whoever waits go on: it is over."""
        self.reason = reason
        self.ended.set()
        self.changed.set()

    async def wait_changed(self, timeout_s: float | None) -> bool:
        """Wait for a change, or for the end; return whether there was one in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.changed.wait()
        except TimeoutError:
            return False
        return True

    def require_open(self) -> None:
        """Raise the reason why it is over, if it is."""
        if self.reason == STOPPING:
            raise Unavailable(STOPPING, remedy="Ask again in a few seconds.")
        if self.reason:
            raise Unauthenticated(f"The request was ended: {self.reason}.")


class _Link:
    """What one credential holds open in one way."""

    def __init__(self, key: tuple[str, str, str]) -> None:
        self.key = key
        self.connection: Connection
        self.watches: set[Watch] = set()
        self.lingering: asyncio.TimerHandle | None = None


class Links:
    """All requests that wait, and the connections that they stand for."""

    def __init__(self, connections: Connections, *, per_principal: int, linger_s: float) -> None:
        self._connections = connections
        self._per_principal = per_principal
        self._linger_s = linger_s
        self._links: dict[tuple[str, str, str], _Link] = {}
        self._watches: dict[Key, set[Watch]] = {}
        self._closed = False

    # --- what changes ---

    def changed(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Wake those who wait for something of a device."""
        for watch in self._watches.get((tenant, device_id), ()):
            watch.changed.set()

    def command_changed(self, command: Command) -> None:
        """The same, for a command of it."""
        self.changed(command.tenant, command.device_id)

    def close(self) -> None:
        """End all and take no more: Weft is stopping."""
        self._closed = True
        for link in list(self._links.values()):
            self._drop(link, STOPPING)

    # --- who waits ---

    def open(self, call: Call, device_id: DeviceId, protocol: str) -> Watch:
        """Register a request that waits; raise `QuotaExceeded` for one too many."""
        if self._closed:
            raise Unavailable(STOPPING, remedy="Ask again in a few seconds.")
        principal = call.principal
        name = (principal.uid, call.credential_id, protocol)
        link = self._links.get(name)
        if link is None:
            link = self._register(name, call)
        if len(link.watches) >= self._per_principal:
            raise QuotaExceeded(
                f"{principal} waits in {len(link.watches)} requests, as many as one may.",
                remedy="Let one of them end, or watch a stream instead.",
            )
        if link.lingering is not None:
            link.lingering.cancel()
            link.lingering = None
        watch = Watch((principal.tenant, device_id), link)
        link.watches.add(watch)
        self._watches.setdefault(watch.key, set()).add(watch)
        return watch

    def leave(self, watch: Watch) -> None:
        """Forget a request; asking twice changes nothing."""
        link = watch.link
        link.watches.discard(watch)
        held = self._watches.get(watch.key)
        if held is not None:
            held.discard(watch)
            if not held:
                del self._watches[watch.key]
        if link.watches or self._links.get(link.key) is not link:
            return
        if link.connection.protocol == STREAM:
            self._drop(link, "")
        elif link.lingering is None:
            loop = asyncio.get_running_loop()
            link.lingering = loop.call_later(self._linger_s, self._drop, link, "")

    async def wait(
        self,
        call: Call,
        device_id: DeviceId,
        is_ready: Callable[[], bool],
        *,
        wait_s: float,
        ready_in_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Return as soon as `is_ready`, asked again at each change, or after `wait_s`.

        What gets ready by time alone does so after `ready_in_s`.
        Raises `Unauthenticated` when the caller is cut meanwhile.
        """
        if wait_s <= 0 or is_ready():
            return
        watch = self.open(call, device_id, POLL)
        try:
            async with asyncio.timeout(wait_s):
                while not is_ready():
                    await watch.wait_changed(ready_in_s())
                    watch.changed.clear()
                    watch.require_open()
        except TimeoutError:
            return
        finally:
            self.leave(watch)

    def _register(self, name: tuple[str, str, str], call: Call) -> _Link:
        link = _Link(name)
        link.connection = Connection(
            call.principal,
            name[2],
            call.address,
            lambda reason: self._drop(link, reason or "its right has ended"),
            expires_at=call.expires_at,
        )
        link.connection.credential_id = call.credential_id
        self._connections.register(link.connection)
        self._links[name] = link
        return link

    def _drop(self, link: _Link, reason: str) -> None:
        if self._links.get(link.key) is link:
            del self._links[link.key]
        if link.lingering is not None:
            link.lingering.cancel()
            link.lingering = None
        self._connections.unregister(link.connection)
        for watch in list(link.watches):
            watch.end(reason)

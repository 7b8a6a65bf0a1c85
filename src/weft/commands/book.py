"""The book: every command without an outcome, in memory, and ended ones until the disk has them.

All of it is touched on the loop only. A change is seen at once and told to the listeners;
what was changed is `dirty` until it is stored. The journal holds what a change was made
from, so that a crash in between repeats the change and does not undo it.
"""

import asyncio
import heapq
from collections.abc import Callable

from weft.commands import metrics
from weft.commands.kinds import Key
from weft.model.command import Command, CommandState, require_move
from weft.model.ids import DeviceId, TenantId
from weft.registry.changes import Listeners

SPARE_EXPIRIES = 1_000  # entries of ended commands, beyond as many as are open


class Book:
    """Commands by device, who waits for them, and when they expire."""

    def __init__(self) -> None:
        self._held: dict[tuple[TenantId, DeviceId], dict[str, Command]] = {}
        self._open: dict[TenantId, int] = {}
        self._expiries: list[tuple[int, Key]] = []
        self._waiting: dict[Key, list[asyncio.Future[Command]]] = {}
        self._listeners: Listeners[Command] = Listeners()
        self.dirty: set[Key] = set()
        self.unsent: dict[Key, None] = {}  # queued: to be published, oldest first
        self.waiters = 0

    def on_change(self, listener: Callable[[Command], None]) -> None:
        """Call `listener` with a command at each change of its state."""
        self._listeners.add(listener)

    # --- what is asked ---

    def find(self, key: Key) -> Command | None:
        """Return a command that is in memory."""
        return self._held.get(key[:2], {}).get(key.request_id)

    def held_of(self, tenant: TenantId, device_id: DeviceId) -> dict[str, Command]:
        """Return what is in memory of a device, by request id."""
        return self._held.get((tenant, device_id), {})

    def open_of(self, tenant: TenantId, device_id: DeviceId) -> list[Command]:
        """Return the commands of a device that have not ended, oldest first."""
        found = [one for one in self.held_of(tenant, device_id).values() if not one.has_ended]
        found.sort(key=lambda one: one.created_at)
        return found

    def count_open(self, tenant: TenantId) -> int:
        """Return how many commands of a tenant have not ended."""
        return self._open.get(tenant, 0)

    # --- what changes ---

    def add(self, command: Command) -> None:
        """Take in a command that is on disk."""
        key = Key.of(command)
        self._held.setdefault(key[:2], {})[key.request_id] = command
        self._open[command.tenant] = self.count_open(command.tenant) + 1
        metrics.OPEN.inc()
        heapq.heappush(self._expiries, (command.expires_at, key))
        if command.state is CommandState.QUEUED:
            self.unsent[key] = None

    def change(self, new: Command, *, stored: bool = False) -> None:
        """Take in a command in a new state, and tell of it; the move must be one of the table.

        With `stored` the new state is on disk already.
        """
        key = Key.of(new)
        old = self._held[key[:2]][key.request_id]
        require_move(old.state, new.state)
        self._held[key[:2]][key.request_id] = new
        if new.state is not CommandState.QUEUED:
            self.unsent.pop(key, None)
        if new.has_ended:
            self._open[new.tenant] -= 1
            metrics.OPEN.dec()
            metrics.ENDED.labels(new.state.value).inc()
        if stored:
            self.dirty.discard(key)
            self.stored(new)
        else:
            self.dirty.add(key)
        self.tell(new)

    def note(self, new: Command) -> None:
        """Take in a remark on a command whose state does not change."""
        key = Key.of(new)
        self._held[key[:2]][key.request_id] = new
        self.dirty.add(key)

    def stored(self, command: Command) -> None:
        """Let go of a command that has ended, once that is on disk."""
        key = Key.of(command)
        if command.has_ended and self.find(key) is command:
            self._drop(key)

    def tell(self, command: Command) -> None:
        """Tell the listeners, and whoever waits for the outcome."""
        if command.has_ended:
            for waiter in self._waiting.pop(Key.of(command), ()):
                if not waiter.done():
                    waiter.set_result(command)
        self._listeners.tell(command)

    def forget(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop all commands of a device that is gone."""
        for command in list(self.held_of(tenant, device_id).values()):
            key = Key.of(command)
            if not command.has_ended:
                self._open[tenant] -= 1
                metrics.OPEN.dec()
            self._drop(key)
            self.dirty.discard(key)
            self.unsent.pop(key, None)
            for waiter in self._waiting.pop(key, ()):
                if not waiter.done():
                    waiter.set_result(command)

    def _drop(self, key: Key) -> None:
        commands = self._held[key[:2]]
        del commands[key.request_id]
        if not commands:
            del self._held[key[:2]]

    # --- time ---

    def take_expired(self, until: int) -> list[Command]:
        """Return the open commands whose time is over; each is returned until it has ended."""
        found: list[Command] = []
        while self._expiries and self._expiries[0][0] <= until:
            command = self.find(heapq.heappop(self._expiries)[1])
            if command is not None and not command.has_ended and command.expires_at <= until:
                found.append(command)
        for command in found:
            heapq.heappush(self._expiries, (command.expires_at, Key.of(command)))
        opened = sum(self._open.values())
        if len(self._expiries) > 2 * opened + SPARE_EXPIRIES:
            commands = (one for held in self._held.values() for one in held.values())
            self._expiries = [
                (one.expires_at, Key.of(one)) for one in commands if not one.has_ended
            ]
            heapq.heapify(self._expiries)
        return found

    async def wait(self, key: Key, wait_s: float) -> Command | None:
        """Wait for an outcome, at most `wait_s`; return the command as it then is."""
        command = self.find(key)
        if command is None or command.has_ended or wait_s <= 0:
            return command
        future: asyncio.Future[Command] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        self.waiters += 1
        try:
            async with asyncio.timeout(wait_s):
                return await future
        except TimeoutError:
            return self.find(key)
        finally:
            self.waiters -= 1
            others = self._waiting.get(key)
            if others is not None and future in others:
                others.remove(future)
                if not others:
                    del self._waiting[key]

    def release(self) -> None:
        """Let everybody who waits go on with what there is: Weft is stopping."""
        for key, waiters in list(self._waiting.items()):
            command = self.find(key)
            for waiter in waiters:
                if command is not None and not waiter.done():
                    waiter.set_result(command)

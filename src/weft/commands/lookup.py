"""Lookup: what there is of commands, from memory while they are open, else from the disk."""

from collections.abc import Sequence

from weft.commands.book import Book
from weft.commands.drafts import CommandDependencies
from weft.commands.kinds import COMMANDS, Key
from weft.commands.settings import CommandSettings
from weft.errors import NotFound, QuotaExceeded
from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId, TenantId
from weft.registry.listing import Part, Wanted, examine


class Lookup:
    """Finds commands, lists them, and waits for how they end."""

    def __init__(self, given: CommandDependencies, settings: CommandSettings, book: Book) -> None:
        self._given = given
        self._settings = settings
        self._book = book

    def open_for(self, tenant: TenantId, device_id: DeviceId) -> Sequence[Command]:
        """Return the commands of a device that have not ended, oldest first."""
        now = self._given.clock.now()
        return [one for one in self._book.open_of(tenant, device_id) if one.expires_at > now]

    async def get(self, key: Key) -> Command:
        """Return a command, or raise `NotFound`."""
        found = await self.find(key)
        if found is None:
            raise NotFound(
                f"There is no command {key.request_id!r} of device {key.device_id!r}.",
                remedy=f"See weft command list {key.device_id}.",
            )
        return found

    async def find(self, key: Key) -> Command | None:
        """Return a command, or None if there never was one, or it is forgotten."""
        held = self._book.find(key)
        if held is not None:
            return held
        record = await self._given.records.read(lambda r: r.find(COMMANDS, key.tenant, key.record))
        return self._book.find(key) or (record.value if record else None)

    async def list(
        self,
        tenant: TenantId,
        device_id: DeviceId,
        *,
        state: CommandState | None,
        after: str,
        limit: int,
    ) -> Part[Command]:
        """Return a device's commands, the newest of our own request ids first, behind `after`."""
        held = dict(self._book.held_of(tenant, device_id))

        def now(command: Command) -> Command:
            return held.get(command.request_id, command)

        sieve = None if state is None else (lambda one: now(one).state is state)
        where = ("device", device_id)
        wanted = Wanted(COMMANDS, tenant, where, sieve, descending=True)
        part = await self._given.records.read(
            lambda reader: examine(reader, wanted, after=after, limit=limit)
        )
        return Part([now(one) for one in part.items], part.after)

    async def wait(self, key: Key, *, wait_s: float) -> Command:
        """Return a command as soon as it has ended, or as it is after `wait_s`."""
        command = await self.get(key)
        if command.has_ended or wait_s <= 0:
            return command
        if self._book.waiters >= self._settings.waiting_max:
            raise QuotaExceeded(
                f"{self._settings.waiting_max} callers wait for outcomes already.",
                remedy="Ask without wait_s, or watch kind command at /api/v1/live.",
            )
        bounded_s = min(wait_s, self._settings.wait_max_s)
        found = await self._book.wait(key, bounded_s)
        return found or await self.get(key)

"""Sending: from a checked request to a message that the journal has.

A command is on disk, with its audit record, before it is published; what could not be
published stays queued and is published later, in its own time to live.
"""

from collections.abc import Awaitable, Callable

from weft.commands import metrics
from weft.commands.book import Book
from weft.commands.drafts import (
    SESSION_REFUSED,
    CommandDependencies,
    message_of,
    refusal_of,
    require_same,
)
from weft.commands.kinds import COMMANDS, Key
from weft.commands.lookup import Lookup
from weft.commands.settings import CommandSettings
from weft.errors import QuotaExceeded, StorageError
from weft.model.command import Command
from weft.model.ids import TenantId
from weft.model.message import Decoded, Envelope
from weft.model.principal import Principal
from weft.ports import Writer
from weft.registry.tenants import Quotas
from weft.supervision import run_in_groups

PUBLISHED_AT_ONCE = 1_000  # that wait for one commit together

Publish = Callable[[Envelope, Decoded], Awaitable[int]]


class Sending:
    """Keeps commands and publishes them."""

    def __init__(
        self, given: CommandDependencies, settings: CommandSettings, book: Book, lookup: Lookup
    ) -> None:
        self._given = given
        self._settings = settings
        self._book = book
        self._lookup = lookup
        self._publish: Publish | None = None
        self._publishing: set[Key] = set()
        self._refused: list[tuple[Key, str]] = []
        self._reserved: dict[TenantId, int] = {}

    def publish_with(self, publish: Publish) -> None:
        """Send messages to devices through `publish`, which returns when they are on disk."""
        self._publish = publish

    # --- keeping ---

    async def submit(self, actor: Principal, command: Command, *, again: bool) -> Command:
        """Keep and send a command that was checked; `again` where it may have been sent before."""
        if again and (before := await self._lookup.find(Key.of(command))) is not None:
            return require_same(before, command)
        self._require_room(command)
        tenant = actor.tenant
        self._reserved[tenant] = self._reserved.get(tenant, 0) + 1
        try:
            made = await self._given.records.write(lambda w: self._insert(w, actor, command))
        finally:
            self._reserved[tenant] -= 1
        if made is not command:
            return self._book.find(Key.of(made)) or made
        self._queued(command)
        await self._publish_one(command)
        return self._book.find(Key.of(command)) or command

    def _queued(self, command: Command) -> None:
        """Take in a command that was just written."""
        metrics.SENT.inc()
        self._book.add(command)
        self._book.tell(command)

    def _insert(self, w: Writer, actor: Principal, command: Command) -> Command:
        key = Key.of(command)
        held = w.find(COMMANDS, command.tenant, key.record)
        if held is not None:
            return require_same(held.value, command)
        w.insert(COMMANDS, command.tenant, key.record, command)
        detail = {"request_id": command.request_id, "name": command.name}
        self._given.audit.entry(
            w, actor, "command.send", f"device:{command.device_id}", detail=detail
        )
        return command

    def _require_room(self, command: Command) -> None:
        tenant, device_id = command.tenant, command.device_id
        limit = self._settings.open_per_device
        if len(self._book.open_of(tenant, device_id)) >= limit:
            raise QuotaExceeded(
                f"{limit} commands to {device_id!r} wait for their outcome already.",
                remedy="Cancel some, or send with a shorter time to live.",
            )
        if self.room_of(tenant) <= 0:
            raise QuotaExceeded(
                f"The tenant has {self._quota_of(tenant)} commands without an outcome, as many "
                "as its quota allows.",
                remedy="Wait for some to end, cancel some, or raise the quota open_commands.",
            )

    def room_of(self, tenant: TenantId) -> int:
        """Return how many more commands of a tenant may be without an outcome."""
        taken = self._book.count_open(tenant) + self._reserved.get(tenant, 0)
        return self._quota_of(tenant) - taken

    def _quota_of(self, tenant: TenantId) -> int:
        found = self._given.tenants.find(tenant)
        return (found.quotas if found is not None else Quotas()).open_commands

    # --- publishing ---

    async def _publish_one(self, command: Command) -> None:
        """Publish a command; one that cannot be kept just now is sent by `publish_waiting`."""
        key = Key.of(command)
        if self._publish is None or key in self._publishing:
            return
        self._publishing.add(key)
        try:
            await self._publish(message_of(command, self._given.clock.now()), None)
        except StorageError:  # the pipeline has said why; it stays queued
            self._book.unsent[key] = None
        finally:
            self._publishing.discard(key)

    async def publish_waiting(self) -> None:
        """Publish what was kept and not published: after a crash, or a full disk."""
        now = self._given.clock.now()
        await self._publish_refusals(now)
        due = [key for key in self._book.unsent if key not in self._publishing]

        async def publish(key: Key) -> None:
            command = self._book.find(key)
            if command is not None and command.expires_at > now:
                await self._publish_one(command)

        await run_in_groups(publish, due, at_once=PUBLISHED_AT_ONCE)

    def refuse(self, key: Key, error: str = SESSION_REFUSED) -> None:
        """Have it said, by the next `publish_waiting`, why a command cannot reach its device."""
        self._refused.append((key, error))

    async def _publish_refusals(self, now: int) -> None:
        """Have the journal say which commands were refused; loss of that is no harm."""
        refused, self._refused = self._refused, []
        for key, error in refused:
            command = self._book.find(key)
            if self._publish is not None and command is not None and not command.has_ended:
                await self._publish(*refusal_of(command, now, error))

"""Commands: requests to devices, each to exactly one outcome, whatever crashes.

A command is on disk before it is published, published again if a crash came between, and
`sent` once the journal has it. What a device answers is in the journal as well: the first
answer in its order ends the command; later ones are notes, and lie in the rejection inbox, as
do answers to what nobody sent. Who takes a command back has its
word on disk before an answer that is under way is looked at. Time ends what nobody answered.
"""

import asyncio
import builtins
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from weft.commands import steps
from weft.commands.book import Book
from weft.commands.drafts import CommandDependencies, Drafts
from weft.commands.ending import Ending
from weft.commands.handing import Handing
from weft.commands.kinds import Key
from weft.commands.lookup import Lookup
from weft.commands.refusals import Refuse
from weft.commands.sending import Publish, Sending
from weft.commands.settings import CommandSettings
from weft.commands.storage import Storage
from weft.commands.strays import Strays
from weft.model.command import Command, CommandState
from weft.model.ids import DeviceId, TenantId, require_name
from weft.model.message import Committed, Envelope, Operation, Route
from weft.model.principal import Principal
from weft.ports import Reader
from weft.registry.listing import Part
from weft.registry.positions import Positioned


class Commands(Positioned):
    """All commands: the projection that follows them, and what callers ask and want."""

    name = "commands"

    def __init__(self, given: CommandDependencies, settings: CommandSettings | None = None) -> None:
        self._given = given
        self._settings = settings or CommandSettings()
        self.drafts = Drafts(given, self._settings)
        self._storing = asyncio.Lock()
        self._book = Book()
        self._strays = Strays(given.records, keep_days=self._settings.keep_days)
        self._storage = Storage(given.records, self._book)
        self._lookup = Lookup(given, self._settings, self._book)
        self._sending = Sending(given, self._settings, self._book, self._lookup)
        self._handing = Handing(given, self._settings, self._book, self._lookup)
        self._ending = Ending(given, self._book, self._lookup, self._strays)

    async def load(self) -> None:
        """Read what is open; call once, before the journal is read again."""

        def read(reader: Reader) -> list[Command]:
            self._read_position(reader)
            return self._storage.read_open(reader)

        found = await self._given.records.read(read)
        for command in sorted(found, key=lambda one: one.created_at):
            self._book.add(command)

    def on_change(self, listener: Callable[[Command], None]) -> None:
        """Call `listener` on the loop with a command at each change of its state."""
        self._book.on_change(listener)

    def publish_with(self, publish: Publish) -> None:
        """Send messages to devices through `publish`, which returns when they are on disk."""
        self._sending.publish_with(publish)

    def refuse_with(self, refuse: Refuse) -> None:
        """Have answers that decide nothing put into the rejection inbox by `refuse`."""
        self._strays.refuse_with(refuse)

    # --- sending ---

    async def send(
        self,
        actor: Principal,
        device_id: DeviceId,
        name: str,
        input: dict[str, Any] | None = None,  # noqa: A002  the word of the W3C's Thing Models
        *,
        ttl_s: int | None = None,
        request_id: str | None = None,
    ) -> Command:
        """Keep a command and send it; with a `request_id` that was used, return that one.

        Raises `Conflict` for a device that is not active or a request id of another command,
        `Invalid` for an input that is not as the device type declares, `QuotaExceeded`.
        """
        device = self._given.devices.get(actor.tenant, device_id)
        command = self.drafts.make(device, name, input or {}, ttl_s=ttl_s)
        command = replace(command, sender=str(actor))
        if request_id is not None:
            command = replace(command, request_id=require_name(request_id, "request id"))
        return await self.submit(actor, command, again=request_id is not None)

    async def submit(self, actor: Principal, command: Command, *, again: bool) -> Command:
        """Keep and send a command that was checked; `again` where it may have been sent before."""
        return await self._sending.submit(actor, command, again=again)

    def room_of(self, tenant: TenantId) -> int:
        """Return how many more commands of a tenant may be without an outcome."""
        return self._sending.room_of(tenant)

    async def publish_waiting(self) -> None:
        """Publish what was kept and not published: after a crash, or a full disk."""
        await self._sending.publish_waiting()

    # --- what is asked ---

    def open_for(self, tenant: TenantId, device_id: DeviceId) -> Sequence[Command]:
        """Return the commands of a device that have not ended, oldest first."""
        return self._lookup.open_for(tenant, device_id)

    async def get(self, tenant: TenantId, device_id: DeviceId, request_id: str) -> Command:
        """Return a command, or raise `NotFound`."""
        return await self._lookup.get(Key(tenant, device_id, request_id))

    async def list(
        self,
        tenant: TenantId,
        device_id: DeviceId,
        *,
        state: CommandState | None = None,
        after: str = "",
        limit: int = 100,
    ) -> Part[Command]:
        """Return a device's commands, the newest of our own request ids first, behind `after`."""
        return await self._lookup.list(tenant, device_id, state=state, after=after, limit=limit)

    async def wait(
        self, tenant: TenantId, device_id: DeviceId, request_id: str, *, wait_s: float
    ) -> Command:
        """Return a command as soon as it has ended, or as it is after `wait_s`."""
        return await self._lookup.wait(Key(tenant, device_id, request_id), wait_s=wait_s)

    def close(self) -> None:
        """Let everybody who waits go on: Weft is stopping."""
        self._book.release()

    # --- what devices and transports tell ---

    def due_for(self, tenant: TenantId, device_id: DeviceId) -> Sequence[Command]:
        """Return what a device that asks now is handed, oldest first.

        That is what it has not got yet, and what it was handed and did not answer for
        `hand_out_again_s`.
        """
        return self._handing.due_for(tenant, device_id)

    def due_in_s(self, tenant: TenantId, device_id: DeviceId) -> float | None:
        """Return in how many seconds the next repeat is due; None if no pause is running."""
        return self._handing.due_in_s(tenant, device_id)

    def handed_out(self, principal: Principal, device_id: DeviceId, request_id: str) -> None:
        """A command goes to whoever asked; it counts if that is its device, or its gateway."""
        self._handing.handed_out(principal, Key(principal.tenant, device_id, request_id))

    def fetched(self, tenant: TenantId, device_id: DeviceId, request_id: str) -> None:
        """A device has a command: its session acknowledged it."""
        self._handing.fetched(Key(tenant, device_id, request_id))

    def acknowledged(self, principal: Principal, topic: str) -> None:
        """A session acknowledged a message on a topic: if it is the device's, it has it."""
        command = self._handing.find_own(principal, topic)
        if command is not None:
            self._handing.fetched(Key.of(command))

    def refused(self, principal: Principal, topic: str) -> None:
        """A session does not take a message on a topic: a command to its device is rejected."""
        command = self._handing.find_own(principal, topic)
        if command is not None:
            self._sending.refuse(Key.of(command))

    def undeliverable(
        self, tenant: TenantId, device_id: DeviceId, request_id: str, error: str
    ) -> None:
        """Whatever carries commands to a device will not carry this one: it is rejected."""
        self._sending.refuse(Key(tenant, device_id, request_id), error)

    def owed_to(self, principal: Principal) -> builtins.list[Envelope]:
        """Return the messages of what a device, or those it speaks for, has not got yet."""
        return self._handing.owed_to(principal)

    # --- ending ---

    async def cancel(
        self, actor: Principal, device_id: DeviceId, request_id: str, *, reason: str = ""
    ) -> Command:
        """Take a command back: it ends as rejected, by its sender.

        Doing so twice changes nothing. Raises `Conflict` for one that has ended otherwise.
        """
        return await self._ending.cancel(
            actor, Key(actor.tenant, device_id, request_id), reason=reason
        )

    def sweep(self, until: int) -> None:
        """Let expire what was not answered in time; all received until then was looked at."""
        self._ending.sweep(until)

    # --- projection ---

    def apply(self, batch: Committed) -> None:
        """Follow what went to devices and what they answered."""
        for number, envelope in enumerate(batch.envelopes):
            if not envelope.route.name:  # most are telemetry: this costs them 50 ns, not 170
                continue
            operation = envelope.route.operation
            if operation is Operation.COMMAND_RESULT:
                decoded = batch.decoded[number]
                if decoded is not None:  # else nothing that can be read today
                    key = _key_of(envelope.route)
                    self._ending.answered(key, batch.first + number, envelope, decoded)
            elif operation is Operation.COMMAND:
                self._sent(batch.first + number, envelope)
        self._applied = batch.last

    def _sent(self, position: int, envelope: Envelope) -> None:
        command = self._book.find(_key_of(envelope.route))
        if command is None or command.state is not CommandState.QUEUED:
            return
        self._book.change(steps.sent(command, position, envelope.received_at))

    async def checkpoint(self) -> None:
        """Store the commands that changed, with the position they have reached.

        One at a time: a position must not be told while what leads to it can still fail.
        """
        async with self._storing:
            applied = self._applied
            waits = self._ending.holds_answers
            await self._storage.store_dirty()
            await self._strays.store()
            if applied != self._durable and not waits:
                await self._store_position(self._given.records, applied)

    # --- retention ---

    async def forget(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop the commands of a deleted device."""
        await self._storage.forget_device(tenant, device_id)

    async def forget_old(self) -> int:
        """Drop what ended longer ago than it is kept; return how many."""
        now = self._given.clock.now()
        return await self._storage.forget_old(now, keep_days=self._settings.keep_days)


def _key_of(route: Route) -> Key:
    return Key(route.tenant, route.device_id, route.name)

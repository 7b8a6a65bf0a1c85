"""Commands: requests to devices, each to exactly one outcome, whatever crashes.

A command is on disk before it is published, published again if a crash came between, and
`sent` once the journal has it. What a device answers is in the journal as well: the first
answer in its order ends the command, later ones are notes. Who takes a command back has its
word on disk before an answer that is under way is looked at. Time ends what nobody answered.
"""

import asyncio
import builtins
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec.structs import replace

from weft.commands import metrics, steps
from weft.commands.book import Book
from weft.commands.drafts import (
    CommandDependencies,
    Drafts,
    message_of,
    refusal_of,
    require_same,
)
from weft.commands.kinds import COMMANDS, DAY_NS, PLATFORM, POSITION, Key, day_of
from weft.commands.results import read_outcome
from weft.commands.settings import CommandSettings
from weft.errors import Conflict, NotFound, QuotaExceeded, StorageError
from weft.model.command import ENDS, Command, CommandState, LateResult
from weft.model.ids import DeviceId, TenantId, require_name
from weft.model.message import Committed, Decoded, Envelope, Operation, Route
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Reader, Writer
from weft.registry.tenants import Quotas

STORED_AT_ONCE = 64  # in one transaction: then others have their turn
PUBLISHED_AT_ONCE = 1_000  # that wait for one commit together
_PAGE = 500

Publish = Callable[[Envelope, Decoded], Awaitable[int]]
Withdraw = Callable[[Command], None]


class _Claim:
    """Somebody is ending a command by a write of their own; answers wait for how it goes."""

    def __init__(self) -> None:
        self.results: list[tuple[int, Envelope, Any]] = []
        self.done = asyncio.Event()


class Commands:
    """All commands: the projection that follows them, and what callers ask and want."""

    name = "commands"

    def __init__(self, given: CommandDependencies, settings: CommandSettings | None = None) -> None:
        self._given = given
        self._settings = settings or CommandSettings()
        self.drafts = Drafts(given, self._settings)
        self._storing = asyncio.Lock()
        self._book = Book()
        self._publish: Publish | None = None
        self._publishing: set[Key] = set()
        self._refused: builtins.list[Key] = []
        self._claims: dict[Key, _Claim] = {}
        self._reserved: dict[TenantId, int] = {}
        self._strays: dict[Key, list[LateResult]] = {}
        self._applied = 0
        self._durable = 0

    async def load(self) -> None:
        """Read what is open; call once, before the journal is read again."""

        def read(r: Reader) -> tuple[list[Command], int]:
            found = [
                record.value
                for tenant in r.tenants(COMMANDS)
                for state in CommandState
                if state not in ENDS
                for record in r.list(COMMANDS, tenant, where=("state", state), limit=10_000_000)
            ]
            position = r.find(POSITION, PLATFORM, self.name)
            return found, position.value if position else 0

        found, position = await self._given.records.read(read)
        for command in sorted(found, key=lambda one: one.created_at):
            self._book.add(command)
        self._applied = self._durable = position

    def on_change(self, listener: Callable[[Command], None]) -> None:
        """Call `listener` on the loop with a command at each change of its state."""
        self._book.on_change(listener)

    def publish_with(self, publish: Publish) -> None:
        """Send messages to devices through `publish`, which returns when they are on disk."""
        self._publish = publish

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
        if again and (before := await self._find(Key.of(command))) is not None:
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
        for start in range(0, len(due), PUBLISHED_AT_ONCE):
            async with asyncio.TaskGroup() as tasks:
                for key in due[start : start + PUBLISHED_AT_ONCE]:
                    command = self._book.find(key)
                    if command is not None and command.expires_at > now:
                        tasks.create_task(self._publish_one(command))

    async def _publish_refusals(self, now: int) -> None:
        """Have the journal say that a session refused its command; loss of that is no harm."""
        refused, self._refused = self._refused, []
        for key in refused:
            command = self._book.find(key)
            if self._publish is not None and command is not None and not command.has_ended:
                await self._publish(*refusal_of(command, now))

    # --- what is asked ---

    def open_for(self, tenant: TenantId, device_id: DeviceId) -> Sequence[Command]:
        """Return the commands of a device that have not ended, oldest first."""
        now = self._given.clock.now()
        return [one for one in self._book.open_of(tenant, device_id) if one.expires_at > now]

    async def get(self, tenant: TenantId, device_id: DeviceId, request_id: str) -> Command:
        """Return a command, or raise `NotFound`."""
        found = await self._find(Key(tenant, device_id, request_id))
        if found is None:
            raise NotFound(
                f"There is no command {request_id!r} of device {device_id!r}.",
                remedy=f"See weft command list {device_id}.",
            )
        return found

    async def _find(self, key: Key) -> Command | None:
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
        state: CommandState | None = None,
        after: str = "",
        limit: int = 100,
    ) -> builtins.list[Command]:
        """Return a device's commands, the newest of our own request ids first, behind `after`."""
        held = dict(self._book.held_of(tenant, device_id))

        def work(reader: Reader) -> builtins.list[Command]:
            found: builtins.list[Command] = []
            place = after
            while len(found) < limit:
                page = reader.list(
                    COMMANDS,
                    tenant,
                    where=("device", device_id),
                    after=place,
                    limit=_PAGE,
                    descending=True,
                )
                now = [held.get(record.value.request_id, record.value) for record in page]
                found += [one for one in now if state in {None, one.state}]
                if len(page) < _PAGE:
                    break
                place = page[-1].key
            return found[:limit]

        return await self._given.records.read(work)

    async def wait(
        self, tenant: TenantId, device_id: DeviceId, request_id: str, *, wait_s: float
    ) -> Command:
        """Return a command as soon as it has ended, or as it is after `wait_s`."""
        command = await self.get(tenant, device_id, request_id)
        if command.has_ended or wait_s <= 0:
            return command
        if self._book.waiters >= self._settings.waiting_max:
            raise QuotaExceeded(
                f"{self._settings.waiting_max} callers wait for outcomes already.",
                remedy="Ask without wait_s, or watch kind command at /api/v1/live.",
            )
        bounded_s = min(wait_s, self._settings.wait_max_s)
        found = await self._book.wait(Key.of(command), bounded_s)
        return found or await self.get(tenant, device_id, request_id)

    def close(self) -> None:
        """Let everybody who waits go on: Weft is stopping."""
        self._book.release()

    # --- what devices and transports tell ---

    def fetched(self, tenant: TenantId, device_id: DeviceId, request_id: str) -> None:
        """A device has a command: its session acknowledged it, or it was fetched."""
        command = self._book.find(Key(tenant, device_id, request_id))
        if command is None or command.state not in {CommandState.QUEUED, CommandState.SENT}:
            return
        self._book.change(steps.delivered(command, self._given.clock.now()))

    def acknowledged(self, principal: Principal, topic: str) -> None:
        """A session acknowledged a message on a topic: if it is the device's, it has it."""
        match topic.split("/"):
            case ["devices", device, "commands", request_id, _]:
                command = self._book.find(Key(principal.tenant, DeviceId(device), request_id))
                if command is not None and self._speaks_for(principal, command):
                    self.fetched(principal.tenant, command.device_id, request_id)

    def refused(self, principal: Principal, topic: str) -> None:
        """A session does not take a message on a topic: a command to its device is rejected."""
        match topic.split("/"):
            case ["devices", device, "commands", request_id, _]:
                key = Key(principal.tenant, DeviceId(device), request_id)
                command = self._book.find(key)
                if command is not None and self._speaks_for(principal, command):
                    self._refused.append(key)

    def owed_to(self, principal: Principal) -> builtins.list[Envelope]:
        """Return the messages of what a device, or those it speaks for, has not got yet."""
        device = self._given.devices.find(principal.tenant, principal.id)
        if device is None or device.uid != principal.uid:
            return []
        now = self._given.clock.now()
        return [
            message_of(command, now)
            for one in (device, *self._given.devices.children_of(device))
            for command in self.open_for(one.tenant, one.device_id)
            if command.state is CommandState.SENT
        ]

    def _speaks_for(self, principal: Principal, command: Command) -> bool:
        if principal.kind is not PrincipalKind.DEVICE:
            return False
        device = self._given.devices.find(command.tenant, command.device_id)
        gateway = device.gateway if device is not None else ""
        return principal.uid in {command.device_uid, gateway}

    # --- ending ---

    async def cancel(
        self, actor: Principal, device_id: DeviceId, request_id: str, *, reason: str = ""
    ) -> Command:
        """Take a command back: it ends as rejected, by its sender.

        Doing so twice changes nothing. Raises `Conflict` for one that has ended otherwise.
        """
        key = Key(actor.tenant, device_id, request_id)
        while (claim := self._claims.get(key)) is not None:
            await claim.done.wait()
        command = await self.get(*key)
        if not command.has_ended and command.expires_at <= self._given.clock.now():
            command = steps.expired(command)
            self._book.change(command)
        if command.has_ended:
            return _require_cancelled(command)
        error = f"Cancelled: {reason}" if reason else "Cancelled."
        new = steps.cancelled(command, str(actor), self._given.clock.now(), error)
        claim = self._claims[key] = _Claim()
        try:
            await self._write_cancelled(actor, new, reason)
            self._take_cancelled(command, new)
        finally:
            self._settle(key, claim)
        return self._book.find(key) or new

    async def _write_cancelled(self, actor: Principal, new: Command, reason: str) -> None:
        key = Key.of(new)

        def write(w: Writer) -> None:
            w.put(COMMANDS, key.tenant, key.record, new)
            detail = {"request_id": key.request_id, "name": new.name, "reason": reason}
            self._given.audit.entry(
                w, actor, "command.cancel", f"device:{key.device_id}", detail=detail
            )

        await self._given.records.write(write)

    def _take_cancelled(self, before: Command, new: Command) -> None:
        """Take in what was written; the command may have been sent or delivered meanwhile."""
        current = self._book.find(Key.of(new))
        if current is before:
            self._book.change(new, stored=True)
        elif current is not None:
            assert new.ended_at is not None
            ended = steps.cancelled(current, new.ended_by, new.ended_at, new.error)
            self._book.change(ended)

    def _settle(self, key: Key, claim: _Claim) -> None:
        """Take in what was answered meanwhile: a late result, or the outcome after all."""
        del self._claims[key]
        for position, envelope, decoded in claim.results:
            self._result(position, envelope, decoded)
        claim.done.set()

    def sweep(self, until: int) -> None:
        """Let expire what was not answered in time; all received until then was looked at."""
        for command in self._book.take_expired(until):
            if Key.of(command) not in self._claims:
                self._book.change(steps.expired(command))

    # --- projection ---

    @property
    def position(self) -> int:
        """Durable position."""
        return self._durable

    @property
    def backlog(self) -> int:
        """Messages whose effect is not stored yet."""
        return self._applied - self._durable

    def apply(self, batch: Committed) -> None:
        """Follow what went to devices and what they answered."""
        for number, envelope in enumerate(batch.envelopes):
            if not envelope.route.name:  # most are telemetry: this costs them 50 ns, not 170
                continue
            operation = envelope.route.operation
            if operation is Operation.COMMAND_RESULT:
                self._result(batch.first + number, envelope, batch.decoded[number])
            elif operation is Operation.COMMAND:
                self._sent(batch.first + number, envelope)
        self._applied = batch.last

    def _sent(self, position: int, envelope: Envelope) -> None:
        command = self._book.find(_key_of(envelope.route))
        if command is None or command.state is not CommandState.QUEUED:
            return
        self._book.change(steps.sent(command, position, envelope.received_at))

    def _result(self, position: int, envelope: Envelope, decoded: Any) -> None:
        if decoded is None:  # nothing that can be read today
            return
        key = _key_of(envelope.route)
        claim = self._claims.get(key)
        if claim is not None:
            claim.results.append((position, envelope, decoded))
            return
        result = LateResult(position, envelope.received_at, read_outcome(decoded))
        command = self._book.find(key)
        if command is None:
            self._strays.setdefault(key, []).append(result)
            return
        if not command.has_ended and result.at >= command.expires_at:
            command = steps.expired(command)
            self._book.change(command)
        if command.has_ended:
            if (new := steps.noted(command, result)) is not command:
                self._book.note(new)
            return
        by_device = envelope.route.principal_kind == PrincipalKind.DEVICE
        by = "device" if by_device else envelope.route.principal_id
        self._book.change(steps.answered(command, result, by))

    async def checkpoint(self) -> None:
        """Store the commands that changed, with the position they have reached.

        One at a time: a position must not be told while what leads to it can still fail.
        """
        async with self._storing:
            await self._checkpoint()

    async def _checkpoint(self) -> None:
        applied = self._applied
        waits = any(claim.results for claim in self._claims.values())
        while self._book.dirty:
            await self._store(list(self._book.dirty)[:STORED_AT_ONCE])
        if self._strays:
            await self._note_strays()
        if applied != self._durable and not waits:
            await self._given.records.write(lambda w: w.put(POSITION, PLATFORM, self.name, applied))
            self._durable = applied

    async def _store(self, keys: Sequence[Key]) -> None:
        changed = [(key, self._book.find(key)) for key in keys]
        self._book.dirty.difference_update(keys)

        def write(w: Writer) -> None:
            for key, command in changed:
                if command is not None:
                    w.put(COMMANDS, key.tenant, key.record, command)

        try:
            await self._given.records.write(write)
        except BaseException:
            self._book.dirty.update(key for key, command in changed if command is not None)
            raise
        for _key, command in changed:
            if command is not None:
                self._book.stored(command)

    async def _note_strays(self) -> None:
        """Note answers to commands that ended before; of one that nobody sent, only count."""
        strays, self._strays = self._strays, {}

        def write(w: Writer) -> tuple[int, int]:
            late = unknown = 0
            for key, results in strays.items():
                record = w.find(COMMANDS, key.tenant, key.record)
                if record is None:
                    unknown += len(results)
                    continue
                command = record.value
                for result in results:
                    new = steps.noted(command, result)
                    late += new is not command
                    command = new
                if command is not record.value:
                    w.put(COMMANDS, key.tenant, key.record, command)
            return late, unknown

        try:
            late, unknown = await self._given.records.write(write)
        except BaseException:
            for key, results in strays.items():
                self._strays[key] = results + self._strays.get(key, [])
            raise
        metrics.LATE.inc(late)
        metrics.UNKNOWN.inc(unknown)

    # --- retention ---

    async def forget(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop the commands of a deleted device."""
        self._book.forget(tenant, device_id)
        await self._delete_where(tenant, ("device", device_id))

    async def forget_old(self) -> int:
        """Drop what ended longer ago than it is kept; return how many."""
        now = self._given.clock.now()
        oldest = now // DAY_NS - self._settings.keep_days
        tenants = await self._given.records.read(lambda r: list(r.tenants(COMMANDS)))
        count = 0
        for tenant in tenants:
            for day in range(max(0, oldest - 40), oldest):
                count += await self._delete_where(tenant, ("ended_on", day_of(day * DAY_NS)))
        return count

    async def _delete_where(self, tenant: TenantId, where: tuple[str, str]) -> int:
        def write(w: Writer) -> int:
            page = w.list(COMMANDS, tenant, where=where, limit=_PAGE)
            for record in page:
                w.delete(COMMANDS, tenant, record.key)
            return len(page)

        count = 0
        while deleted := await self._given.records.write(write):
            count += deleted
        return count


def _key_of(route: Route) -> Key:
    return Key(route.tenant, route.device_id, route.name)


def _require_cancelled(command: Command) -> Command:
    if command.state is CommandState.REJECTED and command.ended_by != "device":
        return command
    raise Conflict(
        f"The command has {command.state} already.", remedy="There is nothing left to take back."
    )

"""Bulks: one request to many devices, each of which gets a command of its own.

A bulk is kept before anything is sent, and worked off in parts; the commands' ids are made
of the bulk's and the device's, so that a crash in the middle sends none twice and leaves
none out. A device that cannot be sent to is a failure of its own and hinders no other.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from weft.commands.commands import Commands
from weft.commands.drafts import CommandDependencies
from weft.commands.kinds import COMMANDS, DAY_NS, day_of
from weft.commands.settings import CommandSettings
from weft.errors import (
    Invalid,
    NotFound,
    PeerError,
    QuotaExceeded,
    StorageError,
    TooLarge,
    WeftError,
)
from weft.model.command import CommandState
from weft.model.ids import DeviceId, TenantId, derived_id_at, new_id, require_name
from weft.model.moments import NS_PER_S
from weft.model.principal import Principal, PrincipalKind
from weft.observability.log import get_logger
from weft.ports import Deciding, Kind, Reader, Writer
from weft.security.policy import require
from weft.supervision import keep_running

log = get_logger(__name__)

SENT_AT_ONCE: Final = 100  # share a commit of the records and one of the journal
FAILURES_MAX: Final = 1_000  # of one bulk, kept with their reasons; all are counted
WAIT_S: Final = 1.0  # until there may be room for more open commands


class BulkFailure(Struct, frozen=True):
    """A device that could not be sent to, and why."""

    device_id: str
    code: str
    detail: str


class Bulk(Struct, frozen=True):
    """One request to many devices; `done` of them have been dealt with."""

    tenant: TenantId
    bulk_id: str
    name: str
    input: dict[str, Any]
    sender_kind: PrincipalKind
    sender_id: str
    sender_uid: str
    created_at: int
    expires_at: int
    devices: tuple[str, ...]
    done: int = 0
    failed: int = 0
    failures: tuple[BulkFailure, ...] = ()

    @property
    def is_sent(self) -> bool:
        """Whether every device has been dealt with."""
        return self.done == len(self.devices)

    @property
    def sender(self) -> Principal:
        """Who asked for it: asked for its rights again at every device."""
        return Principal(self.tenant, self.sender_kind, self.sender_id, self.sender_uid)


class Progress(Struct, frozen=True):
    """A bulk, and how many of its commands are in each state."""

    bulk: Bulk
    counts: dict[CommandState, int]


class Targets(Struct, frozen=True):
    """Whom a bulk goes to: the devices named, or all of a type."""

    devices: tuple[str, ...] = ()
    type_name: str | None = None


def _index(bulk: Bulk) -> dict[str, str]:
    return {"sent": "yes" if bulk.is_sent else "no", "made_on": day_of(bulk.created_at)}


BULKS: Final = Kind("command_bulk", Bulk, _index)


class Bulks:
    """All bulks of all tenants."""

    def __init__(
        self,
        given: CommandDependencies,
        commands: Commands,
        policy: Deciding,
        settings: CommandSettings,
    ) -> None:
        self._given = given
        self._commands = commands
        self._policy = policy
        self._settings = settings
        self._wanted = asyncio.Event()
        self._wanted.set()  # one may have been left by a crash

    async def start(
        self,
        actor: Principal,
        targets: Targets,
        name: str,
        input: dict[str, Any],  # noqa: A002  the word of the W3C's Thing Models
        *,
        ttl_s: int | None = None,
    ) -> Bulk:
        """Keep a bulk; its commands are sent from now on.

        Raises `Invalid` without targets, `TooLarge` for more than one bulk may have.
        """
        require_name(name, "command name")
        self._commands.drafts.require_plain_input(input)
        devices = await self._devices_of(actor.tenant, targets)
        now = self._given.clock.now()
        bulk = Bulk(
            tenant=actor.tenant,
            bulk_id=new_id(),
            name=name,
            input=input,
            sender_kind=actor.kind,
            sender_id=actor.id,
            sender_uid=actor.uid,
            created_at=now,
            expires_at=now + self._commands.drafts.require_ttl(ttl_s) * NS_PER_S,
            devices=devices,
        )

        def write(w: Writer) -> None:
            w.insert(BULKS, bulk.tenant, bulk.bulk_id, bulk)
            detail = {"name": name, "devices": len(devices)}
            self._given.audit.entry(
                w, actor, "command.bulk", f"command_bulk:{bulk.bulk_id}", detail=detail
            )

        await self._given.records.write(write)
        self._wanted.set()
        return bulk

    async def _devices_of(self, tenant: TenantId, targets: Targets) -> tuple[str, ...]:
        most = self._settings.bulk_devices_max
        if targets.type_name is not None and not targets.devices:
            self._given.types.get(tenant, targets.type_name)
            found = await self._given.devices.list(
                tenant, type_name=targets.type_name, limit=most + 1
            )
            names = tuple(str(one.device_id) for one in found)
        elif targets.devices and targets.type_name is None:
            names = tuple(dict.fromkeys(targets.devices))
        else:
            raise Invalid(
                "A bulk goes to the devices that are named or to all of a type.",
                remedy="Send devices or type, one of the two.",
            )
        if len(names) > most:
            raise TooLarge(
                f"A bulk goes to {most} devices at most.",
                remedy="Send several, or raise commands.bulk_devices_max.",
            )
        if not names:
            raise NotFound(
                f"No device is of type {targets.type_name!r}.", remedy="See weft device list."
            )
        return names

    async def progress(self, tenant: TenantId, bulk_id: str) -> Progress:
        """Return how far a bulk is, or raise `NotFound`."""
        await self._commands.checkpoint()  # what is counted is what is stored

        def read(r: Reader) -> Progress:
            record = r.find(BULKS, tenant, bulk_id)
            if record is None:
                raise NotFound(
                    f"There is no bulk {bulk_id!r}.", remedy="Take the bulk_id of the answer."
                )
            counts = {
                state: r.count(COMMANDS, tenant, where=("bulk", f"{bulk_id}/{state.value}"))
                for state in CommandState
            }
            return Progress(record.value, counts)

        return await self._given.records.read(read)

    # --- working them off ---

    async def run(self) -> None:
        """Send what bulks ask for, until cancelled."""

        def failed(error: Exception, wait_s: float) -> None:
            self._wanted.set()
            log.error("bulk_not_sent", error=str(error), retry_in_s=round(wait_s, 1))

        await keep_running(self._send_when_wanted, expected=(StorageError,), failed=failed)

    async def _send_when_wanted(self) -> None:
        await self._wanted.wait()
        self._wanted.clear()
        while await self.send_some():
            continue
        if await self._open():
            await asyncio.sleep(WAIT_S)
            self._wanted.set()

    async def send_some(self) -> bool:
        """Send a part of every bulk that is not sent; return whether anything was done."""
        worked = False
        for bulk in await self._open():
            worked |= await self._send_part(bulk)
        return worked

    async def _open(self) -> list[Bulk]:
        def read(r: Reader) -> list[Bulk]:
            return [
                record.value
                for tenant in r.tenants(BULKS)
                for record in r.list(BULKS, tenant, where=("sent", "no"), limit=100)
            ]

        return await self._given.records.read(read)

    async def _send_part(self, bulk: Bulk) -> bool:
        """Send to the next devices, as many as the tenant has room for."""
        if self._given.clock.now() >= bulk.expires_at:
            over = BulkFailure("", "expired", "Its time was over before it could be sent.")
            left = [replace(over, device_id=name) for name in bulk.devices[bulk.done :]]
            await self._note(bulk, len(left), left)
            return True
        count = min(SENT_AT_ONCE, self._commands.room_of(bulk.tenant))
        names = bulk.devices[bulk.done : bulk.done + count]
        if not names:
            return False
        async with asyncio.TaskGroup() as tasks:
            sending = [tasks.create_task(self._send_one(bulk, name)) for name in names]
        sent = [one.result() for one in sending]
        # What stands behind one that has to wait is sent again with it, as the same command.
        stops = [place for place, one in enumerate(sent) if isinstance(one, WeftError)]
        count = stops[0] if stops else len(sent)
        await self._note(bulk, count, [one for one in sent[:count] if isinstance(one, BulkFailure)])
        if stops and isinstance(error := sent[count], StorageError):
            raise error
        return count > 0

    async def _send_one(self, bulk: Bulk, name: str) -> BulkFailure | WeftError | None:
        """Send to one device; return its failure, or an error that has to be waited out."""
        actor, device_id = bulk.sender, DeviceId(name)
        try:
            require(self._policy, actor, "command.send", f"device:{name}")
            device = self._given.devices.get(bulk.tenant, device_id)
            draft = self._commands.drafts.make(device, bulk.name, bulk.input, ttl_s=None)
            command = replace(
                draft,
                request_id=derived_id_at(bulk.created_at, bulk.bulk_id, name),
                expires_at=bulk.expires_at,
                sender=str(actor),
                bulk_id=bulk.bulk_id,
            )
            await self._commands.submit(actor, command, again=True)
        except StorageError as error:
            return error
        except PeerError as error:
            if isinstance(error, QuotaExceeded) and self._commands.room_of(bulk.tenant) <= 0:
                return error
            return BulkFailure(name, error.code, error.detail)
        return None

    async def _note(self, bulk: Bulk, count: int, failures: Sequence[BulkFailure]) -> None:
        new = replace(
            bulk,
            done=bulk.done + count,
            failed=bulk.failed + len(failures),
            failures=(*bulk.failures, *failures)[:FAILURES_MAX],
        )
        await self._given.records.write(lambda w: w.put(BULKS, bulk.tenant, bulk.bulk_id, new))

    async def forget_old(self) -> None:
        """Drop bulks that are older than outcomes are kept."""
        oldest = self._given.clock.now() // DAY_NS - self._settings.keep_days

        def write(w: Writer) -> None:
            for tenant in w.tenants(BULKS):
                for day in range(max(0, oldest - 40), oldest):
                    where = ("made_on", day_of(day * DAY_NS))
                    for record in w.list(BULKS, tenant, where=where, limit=1_000):
                        w.delete(BULKS, tenant, record.key)

        await self._given.records.write(write)

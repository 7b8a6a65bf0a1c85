"""Presence: which devices are connected, how, and every time they were.

A spell is one connection of one device, by itself or through its gateway, from its first
moment to its last, with the reason why it ended. Spells are known at once and stored about
once a second; one that a crash left open is ended at the next start, and says so.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

from msgspec import Struct
from msgspec.structs import replace

from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.principal import PrincipalKind
from weft.ports import Clock, Kind, Reader, Record, Records, Writer
from weft.registry.changes import Listeners
from weft.security.connections import Connection, Connections

SPELLS_PER_DEVICE = 100
STORED_AT_ONCE = 64  # in one transaction: then others have their turn
CUT_BY_STOP = "Weft was stopped"


class Spell(Struct, frozen=True):
    """One connection of one device."""

    tenant: TenantId
    device_id: DeviceId
    device_uid: str
    spell_id: str
    protocol: str
    peer: str
    began_at: int  # ns
    ended_at: int | None = None
    reason: str = ""  # why it ended
    through: str = ""  # uid of the gateway; empty when the device connected by itself

    @property
    def key(self) -> str:
        """Sorts a device's spells by age."""
        return f"{self.device_uid}/{self.spell_id}"


class PresenceChange(Struct, frozen=True):
    """A spell that has begun or ended, and whether the device is connected now."""

    spell: Spell
    connected: bool


SPELLS: Kind[Spell] = Kind(
    "spell",
    Spell,
    index=lambda s: {"device": s.device_uid, "open": "yes" if s.ended_at is None else "no"},
)


class Presence:
    """The spells of all devices."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._open: dict[str, dict[str, Spell]] = {}  # by device uid, then spell
        self._of_connection: dict[int, Spell] = {}  # by connection number
        self._through: dict[str, dict[str, Spell]] = {}  # by gateway uid, then child uid
        self._heard: dict[str, Spell] = {}  # without a connection, by device uid
        self._dirty: dict[str, Spell] = {}  # by record key
        self._numbers = count(1)
        self._writing = asyncio.Lock()
        self._listeners: Listeners[PresenceChange] = Listeners()

    def watch(self, connections: Connections) -> None:
        """Follow what transports register and end."""
        connections.on_change(self._changed)

    def on_change(self, listener: Callable[[PresenceChange], None]) -> None:
        """Call `listener` on the loop when a device came or left."""
        self._listeners.add(listener)

    async def load(self) -> None:
        """End the spells that the last stop left open; call once, before anybody connects."""
        now = self._clock.now()

        def write(w: Writer) -> None:
            for tenant in w.tenants(SPELLS):
                for record in w.list(SPELLS, tenant, where=("open", "yes"), limit=10_000_000):
                    ended = replace(record.value, ended_at=now, reason=CUT_BY_STOP)
                    w.put(SPELLS, tenant, record.key, ended)

        await self._records.write(write)

    # --- what happens ---

    def _changed(self, connection: Connection, ended: str | None) -> None:
        principal = connection.principal
        if principal.kind is not PrincipalKind.DEVICE:
            return
        if ended is None:
            spell = self._begin(
                Spell(
                    principal.tenant,
                    DeviceId(principal.id),
                    principal.uid,
                    self._next_id(connection.since),
                    connection.protocol,
                    connection.peer,
                    connection.since,
                )
            )
            self._of_connection[connection.number] = spell
            return
        begun = self._of_connection.pop(connection.number, None)
        if begun is not None:
            self._end(begun, ended)
        if principal.uid not in self._open:
            self._end_through(principal.uid, "its gateway left")

    def child_came(self, gateway: Device, child: Device, protocol: str) -> None:
        """Take note that a gateway says its device is there; again changes nothing.

        What it said with its last breath is not taken: nobody would say that the device is gone.
        """
        if self.is_connected(gateway.uid):
            self.child_heard(gateway, child, protocol, self._clock.now())

    def child_heard(self, gateway: Device, child: Device, protocol: str, at: int) -> None:
        """Take note that a device is there, though its gateway may keep no connection itself.

        Again changes nothing. Whoever calls this sees to it that the spell ends.
        """
        if self._spell_through(gateway.uid, child.uid) is None:
            self._begin(
                Spell(
                    child.tenant,
                    child.device_id,
                    child.uid,
                    self._next_id(at),
                    protocol,
                    gateway.device_id,
                    at,
                    through=gateway.uid,
                )
            )

    def heard_itself(self, device: Device, protocol: str, peer: str, at: int) -> None:
        """Take note that a device is there that has no connection, as one that only posts.

        Again, or while it is connected, changes nothing. Whoever calls this sees to it that the
        spell ends.
        """
        if device.uid not in self._open:
            self._heard[device.uid] = self._begin(
                Spell(
                    device.tenant,
                    device.device_id,
                    device.uid,
                    self._next_id(at),
                    protocol,
                    peer,
                    at,
                )
            )

    def fell_silent(self, device: Device, reason: str) -> None:
        """Take note that a device is not heard any more; again changes nothing."""
        spell = self._heard.pop(device.uid, None)
        if spell is not None:
            self._end(spell, reason)
            if device.uid not in self._open:
                self._end_through(device.uid, "its gateway left")

    def child_left(self, gateway: Device, child: Device, reason: str) -> None:
        """Take note that a gateway says its device is gone; again changes nothing."""
        spell = self._spell_through(gateway.uid, child.uid)
        if spell is not None:
            self._end(spell, reason)

    def _spell_through(self, gateway_uid: str, child_uid: str) -> Spell | None:
        return self._through.get(gateway_uid, {}).get(child_uid)

    def _next_id(self, began_at: int) -> str:
        """Make an id that sorts by the moment, and within it by the order of coming."""
        return f"{began_at:020d}-{next(self._numbers):08d}"

    def _begin(self, spell: Spell) -> Spell:
        self._open.setdefault(spell.device_uid, {})[spell.spell_id] = spell
        if spell.through:
            self._through.setdefault(spell.through, {})[spell.device_uid] = spell
        self._dirty[spell.key] = spell
        self._listeners.tell(PresenceChange(spell, connected=True))
        return spell

    def _end(self, spell: Spell, reason: str) -> None:
        held = self._open.get(spell.device_uid, {})
        if held.pop(spell.spell_id, None) is None:
            return
        if not held:
            del self._open[spell.device_uid]
        if spell.through:
            self._through.get(spell.through, {}).pop(spell.device_uid, None)
        ended = replace(spell, ended_at=self._clock.now(), reason=reason)
        self._dirty[spell.key] = ended
        self._listeners.tell(PresenceChange(ended, connected=bool(held)))

    def _end_through(self, gateway_uid: str, reason: str) -> None:
        for spell in list(self._through.get(gateway_uid, {}).values()):
            self._end(spell, reason)
        self._through.pop(gateway_uid, None)

    async def checkpoint(self) -> None:
        """Store what has begun and ended since; call about once a second."""
        async with self._writing:
            dirty, self._dirty = self._dirty, {}
            waiting = list(dirty.values())
            try:
                while waiting:
                    await self._store(waiting[:STORED_AT_ONCE])
                    del waiting[:STORED_AT_ONCE]
            except BaseException:
                self._dirty = {spell.key: spell for spell in waiting} | self._dirty
                raise

    async def _store(self, spells: Sequence[Spell]) -> None:
        def write(w: Writer) -> None:
            for spell in spells:
                w.put(SPELLS, spell.tenant, spell.key, spell)
            for tenant, uid in {(spell.tenant, spell.device_uid) for spell in spells}:
                excess = w.count(SPELLS, tenant, where=("device", uid)) - SPELLS_PER_DEVICE
                if excess > 0:
                    for old in w.list(SPELLS, tenant, where=("device", uid), limit=excess):
                        w.delete(SPELLS, tenant, old.key)

        await self._records.write(write)

    # --- what is asked ---

    def is_connected(self, device_uid: str) -> bool:
        """Whether a device is connected, by itself or through its gateway."""
        return device_uid in self._open

    def open_spells(self, device_uid: str) -> list[Spell]:
        """Return the spells of a device that have not ended, oldest first."""
        return list(self._open.get(device_uid, {}).values())

    async def list(
        self, tenant: TenantId, device_uid: str, *, after: str = "", limit: int = 100
    ) -> Sequence[Record[Spell]]:
        """Return a device's spells, newest first."""
        await self.checkpoint()

        def read(r: Reader) -> Sequence[Record[Spell]]:
            where = ("device", device_uid)
            return r.list(SPELLS, tenant, where=where, after=after, limit=limit, descending=True)

        return await self._records.read(read)

    async def forget(self, device: Device) -> None:
        """Drop the spells of a deleted device, the last of which its delete has ended."""

        def write(w: Writer) -> None:
            where = ("device", device.uid)
            for record in w.list(SPELLS, device.tenant, where=where, limit=10_000):
                w.delete(SPELLS, device.tenant, record.key)

        async with self._writing:
            dirty = self._dirty.items()
            self._dirty = {key: one for key, one in dirty if one.device_uid != device.uid}
            await self._records.write(write)

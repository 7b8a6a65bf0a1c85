"""What waits in the queues of LoRaWAN servers, and what those call our devices; on disk.

A command is noted under the id that the server's events name. What a server calls a device
is learnt from its uplinks and kept under the device's uid, so that a command can go down
after a restart as well.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from weft.commands.kinds import Key
from weft.errors import PayloadInvalid
from weft.ingest.dialects.lorawan_words import Address, Queued
from weft.model.command import Command
from weft.model.device import Device
from weft.ports import Kind, Reader, Records, Writer

QUEUED_MAX: Final = 100_000  # noted at once; far more than there are open commands
ADDRESSES_MAX: Final = 10_000_000

QUEUED: Kind[Queued] = Kind("downlink", Queued)
ADDRESSES: Kind[Address] = Kind("downlink_address", Address)


class DownlinkQueue:
    """The notes of all servers."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._queued: dict[str, Queued] = {}
        self._by_command: dict[Key, str] = {}
        self._addresses: dict[str, Address] = {}  # by the uid of the device

    async def load(self) -> None:
        """Read what is noted; call once, before events come."""

        def read(r: Reader) -> tuple[list[Queued], dict[str, Address]]:
            queued = [
                record.value
                for tenant in r.tenants(QUEUED)
                for record in r.list(QUEUED, tenant, limit=QUEUED_MAX)
            ]
            addresses = {
                record.key: record.value
                for tenant in r.tenants(ADDRESSES)
                for record in r.list(ADDRESSES, tenant, limit=ADDRESSES_MAX)
            }
            return queued, addresses

        found, self._addresses = await self._records.read(read)
        for one in found:
            self._hold(one)

    def _hold(self, queued: Queued) -> None:
        self._queued[queued.queue_id] = queued
        self._by_command[_key_of(queued)] = queued.queue_id

    def find(self, queue_id: str) -> Queued | None:
        """Return what a network server's own id stands for, or None."""
        return self._queued.get(queue_id)

    def of_command(self, command: Command) -> Queued | None:
        """Return what is noted of a command, or None."""
        return self._queued.get(self._by_command.get(Key.of(command), ""))

    def all(self) -> Sequence[Queued]:
        """Return everything that is noted."""
        return list(self._queued.values())

    async def note(self, queued: Queued) -> None:
        """Note a command; it is on disk when this returns."""
        await self._records.write(lambda w: w.put(QUEUED, queued.tenant, queued.queue_id, queued))
        self._hold(queued)

    async def mark_placed(self, queue_id: str) -> Queued | None:
        """Note that a command has arrived; None for one that has ended meanwhile."""
        queued = self._queued.get(queue_id)
        if queued is None or queued.placed:
            return queued
        placed = replace(queued, placed=True)

        def write(w: Writer) -> None:
            if w.find(QUEUED, placed.tenant, queue_id) is not None:
                w.put(QUEUED, placed.tenant, queue_id, placed)

        await self._records.write(write)
        if queue_id not in self._queued:
            return None
        self._hold(placed)
        return placed

    async def forget(self, queue_ids: Iterable[str]) -> None:
        """Drop the notes of commands that have ended."""
        gone = [self._queued.pop(one) for one in queue_ids if one in self._queued]
        for one in gone:
            self._by_command.pop(_key_of(one), None)
        if gone:

            def write(w: Writer) -> None:
                for one in gone:
                    w.delete(QUEUED, one.tenant, one.queue_id)

            await self._records.write(write)

    # --- what devices are called ---

    def address_of(self, child: Device) -> Address | None:
        """Return what its network server calls a device, or None before its first uplink."""
        return self._addresses.get(child.uid)

    async def learn(self, child: Device, address: Address) -> None:
        """Keep what its network server calls a device; raises `PayloadInvalid` for no id."""
        if not address.is_valid:
            raise PayloadInvalid(
                f"{address.application[:64]!r} and {address.device[:64]!r} are no ids of The "
                "Things Stack.",
                remedy="They have 3 to 36 lower-case letters, digits and single hyphens.",
            )
        await self._records.write(lambda w: w.put(ADDRESSES, child.tenant, child.uid, address))
        self._addresses[child.uid] = address

    async def forget_device(self, child: Device) -> None:
        """Drop what a deleted device was called."""
        self._addresses.pop(child.uid, None)
        await self._records.write(lambda w: w.delete(ADDRESSES, child.tenant, child.uid))


def _key_of(queued: Queued) -> Key:
    return Key(queued.tenant, queued.device_id, queued.request_id)

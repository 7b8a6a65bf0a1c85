"""Storage: commands to the disk and from it, some at a time, and how long ended ones stay."""

from collections.abc import Sequence

from weft.commands.book import Book
from weft.commands.kinds import COMMANDS, DAY_NS, Key, day_of
from weft.model.command import ENDS, Command, CommandState
from weft.model.ids import DeviceId, TenantId
from weft.ports import Reader, Records, Writer

STORED_AT_ONCE = 64  # in one transaction: then others have their turn
_PAGE = 500
_DAYS_BACK = 40  # retention runs daily; so long may it have been off


class Storage:
    """Reads what is open, writes what changed, deletes what is old."""

    def __init__(self, records: Records, book: Book) -> None:
        self._records = records
        self._book = book

    @staticmethod
    def read_open(reader: Reader) -> list[Command]:
        """Return all commands that have not ended."""
        return [
            record.value
            for tenant in reader.tenants(COMMANDS)
            for state in CommandState
            if state not in ENDS
            for record in reader.list(COMMANDS, tenant, where=("state", state), limit=10_000_000)
        ]

    async def store_dirty(self) -> None:
        """Write every command that changed since it was written last."""
        while self._book.dirty:
            await self._store(list(self._book.dirty)[:STORED_AT_ONCE])

    async def _store(self, keys: Sequence[Key]) -> None:
        changed = [(key, self._book.find(key)) for key in keys]
        self._book.dirty.difference_update(keys)

        def write(w: Writer) -> None:
            for key, command in changed:
                if command is not None:
                    w.put(COMMANDS, key.tenant, key.record, command)

        try:
            await self._records.write(write)
        except BaseException:
            self._book.dirty.update(key for key, command in changed if command is not None)
            raise
        for _key, command in changed:
            if command is not None:
                self._book.stored(command)

    async def forget_device(self, tenant: TenantId, device_id: DeviceId) -> None:
        """Drop the commands of a deleted device."""
        self._book.forget(tenant, device_id)
        await self._delete_where(tenant, ("device", device_id))

    async def forget_old(self, now: int, *, keep_days: int) -> int:
        """Drop what ended longer ago than it is kept; return how many."""
        oldest = now // DAY_NS - keep_days
        tenants = await self._records.read(lambda r: list(r.tenants(COMMANDS)))
        count = 0
        for tenant in tenants:
            for day in range(max(0, oldest - _DAYS_BACK), oldest):
                count += await self._delete_where(tenant, ("ended_on", day_of(day * DAY_NS)))
        return count

    async def _delete_where(self, tenant: TenantId, where: tuple[str, str]) -> int:
        def write(w: Writer) -> int:
            page = w.list(COMMANDS, tenant, where=where, limit=_PAGE)
            for record in page:
                w.delete(COMMANDS, tenant, record.key)
            return len(page)

        count = 0
        while deleted := await self._records.write(write):
            count += deleted
        return count

"""Strays: answers to commands that are no longer in memory, looked up when all is stored."""

from weft.commands import metrics, steps
from weft.commands.kinds import COMMANDS, Key
from weft.model.command import LateResult
from weft.ports import Records, Writer


class Strays:
    """Answers whose command ended before, or never was."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._held: dict[Key, list[LateResult]] = {}

    def add(self, key: Key, result: LateResult) -> None:
        """Take one in, until the next `store`."""
        self._held.setdefault(key, []).append(result)

    async def store(self) -> None:
        """Note answers to commands that ended before; of one that nobody sent, only count."""
        if not self._held:
            return
        strays, self._held = self._held, {}

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
            late, unknown = await self._records.write(write)
        except BaseException:
            for key, results in strays.items():
                self._held[key] = results + self._held.get(key, [])
            raise
        metrics.LATE.inc(late)
        metrics.UNKNOWN.inc(unknown)

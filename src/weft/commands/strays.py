"""Strays: answers that decided nothing, on their way to the rejection inbox.

Whose command is no longer in memory is looked up when all is stored: it ended, and the
answer is noted there, or it never was. Either way the answer is in the inbox in the same
transaction. A flood keeps the newest of each device, and counts the rest.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from weft.commands import metrics, refusals, steps
from weft.commands.kinds import COMMANDS, Key, number_of
from weft.commands.refusals import Refuse, RefusedAnswer
from weft.commands.storage import STORED_AT_ONCE
from weft.model.command import Command, LateResult
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Envelope, RejectionReason
from weft.model.principal import PrincipalKind
from weft.ports import Record, Records, Writer

# Held between two checkpoints, or for as long as the disk takes no more.
PER_DEVICE_MAX: Final = 100  # a device in a loop says the same thing over and over
HELD_MAX: Final = 10_000
HELD_MAX_BYTES: Final = 32 * 1024 * 1024

BY_NUMBER_MAX: Final = 500  # a device's newest commands that a number is looked for among

Source = tuple[TenantId, DeviceId]


class Stray(Struct, frozen=True):
    """One of them: its reason is known, or its `result` is to be looked up."""

    key: Key
    position: int
    envelope: Envelope
    result: LateResult | None = None
    reason: RejectionReason | None = None
    left_out_before: int = 0


class Strays:
    """Answers that decided nothing, until they are stored."""

    def __init__(self, records: Records, *, keep_days: int) -> None:
        self._records = records
        self._keep_days = keep_days
        self._refuse: Refuse | None = None
        self._held: dict[Source, list[Stray]] = {}
        self._left_out: dict[Source, int] = {}
        self._count = 0
        self._bytes = 0

    def refuse_with(self, refuse: Refuse) -> None:
        """Have answers put into the rejection inbox by `refuse`."""
        self._refuse = refuse

    def add(self, stray: Stray) -> None:
        """Take one in, until the next `store`; the oldest of its device makes room for it."""
        source = stray.key[:2]
        held = self._held.get(source, [])
        full = self._count >= HELD_MAX or self._bytes >= HELD_MAX_BYTES
        if full and not held:
            metrics.LEFT_OUT.inc()
            return
        if full or len(held) >= PER_DEVICE_MAX:
            oldest = held.pop(0)
            self._count -= 1
            self._bytes -= len(oldest.envelope.payload)
            self._left_out[source] = self._left_out.get(source, 0) + 1
            metrics.LEFT_OUT.inc()
        held.append(stray)
        self._held[source] = held
        self._count += 1
        self._bytes += len(stray.envelope.payload)

    async def store(self) -> None:
        """Note and refuse what was taken in, some at a time."""
        waiting = self._take()
        try:
            while waiting:
                await self._store(waiting[:STORED_AT_ONCE])
                del waiting[:STORED_AT_ONCE]
        except BaseException:
            newer = self._take()
            for stray in (*waiting, *newer):
                self.add(stray)
            raise

    def _take(self) -> list[Stray]:
        """Return what is held, oldest first, and hold nothing more."""
        found: list[Stray] = []
        for source, strays in self._held.items():
            left_out = self._left_out.get(source, 0)
            first = strays[0]
            found.append(
                Stray(
                    first.key,
                    first.position,
                    first.envelope,
                    first.result,
                    first.reason,
                    first.left_out_before + left_out,
                )
            )
            found += strays[1:]
        self._held, self._left_out, self._count, self._bytes = {}, {}, 0, 0
        found.sort(key=lambda one: one.position)
        return found

    async def _store(self, strays: Sequence[Stray]) -> None:
        def write(w: Writer) -> tuple[int, int]:
            refused: list[RefusedAnswer] = []
            late = unknown = 0
            for stray in strays:
                reason = stray.reason
                if stray.result is not None:
                    reason, noted = self._look_up(w, stray.key, stray.result)
                    late += noted
                    unknown += reason is not None and reason.code == refusals.UNKNOWN
                # What we say ourselves, for a session, is no message that anybody lost.
                ours = stray.envelope.route.principal_kind == PrincipalKind.SYSTEM
                if reason is not None and not ours:
                    refused.append(
                        RefusedAnswer(stray.position, stray.envelope, reason, stray.left_out_before)
                    )
            if self._refuse is not None and refused:
                self._refuse(w, refused)
            return late, unknown

        late, unknown = await self._records.write(write)
        metrics.LATE.inc(late)
        metrics.UNKNOWN.inc(unknown)

    def _look_up(
        self, w: Writer, key: Key, result: LateResult
    ) -> tuple[RejectionReason | None, bool]:
        """Note a late answer at its command; return why it is refused, and whether it is new."""
        record = w.find(COMMANDS, key.tenant, key.record) or _find_by_number(w, key)
        if record is None or not record.value.has_ended:
            return refusals.unknown(key, keep_days=self._keep_days), False
        command = record.value
        if result.position == command.result_position:  # what ended it, read again after a crash
            return (refusals.mismatch(command) if command.output_problem else None), False
        new = steps.noted(command, result)
        if new is not command:
            w.put(COMMANDS, key.tenant, record.key, new)
        if refusals.repeats(command, result.outcome):
            return None, new is not command
        return refusals.late(command), new is not command


def _find_by_number(w: Writer, key: Key) -> Record[Command] | None:
    """Return the newest command with a number; dialects answer by it when theirs has ended."""
    if not key.request_id.isdecimal():
        return None
    newest = w.list(
        COMMANDS,
        key.tenant,
        where=("device", key.device_id),
        limit=BY_NUMBER_MAX,
        descending=True,
    )
    number = int(key.request_id)
    return next((one for one in newest if number and number_of(one.value) == number), None)

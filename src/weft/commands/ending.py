"""Ending: each command ends once: by its device's first answer, by its sender, or by time.

The order of the journal decides between answers. Who takes a command back has its word on
disk before an answer that is under way is looked at.
"""

import asyncio
from typing import Any

from weft.commands import metrics, refusals, steps
from weft.commands.book import Book
from weft.commands.drafts import CommandDependencies
from weft.commands.kinds import COMMANDS, Key
from weft.commands.lookup import Lookup
from weft.commands.outputs import Outputs
from weft.commands.results import read_outcome
from weft.commands.strays import Stray, Strays
from weft.errors import Conflict
from weft.model.command import Command, CommandState, LateResult
from weft.model.message import Envelope
from weft.model.principal import Principal, PrincipalKind
from weft.ports import Writer


class _Claim:
    """Somebody is ending a command by a write of their own; answers wait for how it goes."""

    def __init__(self) -> None:
        self.results: list[tuple[int, Envelope, Any]] = []
        self.done = asyncio.Event()


class Ending:
    """Ends commands."""

    def __init__(
        self, given: CommandDependencies, book: Book, lookup: Lookup, strays: Strays
    ) -> None:
        self._given = given
        self._book = book
        self._lookup = lookup
        self._strays = strays
        self._outputs = Outputs(given)
        self._claims: dict[Key, _Claim] = {}

    @property
    def holds_answers(self) -> bool:
        """Whether an answer waits for how a cancel goes: its effect cannot be stored yet."""
        return any(claim.results for claim in self._claims.values())

    # --- by its sender ---

    async def cancel(self, actor: Principal, key: Key, *, reason: str) -> Command:
        """Take a command back: it ends as rejected, by its sender.

        Doing so twice changes nothing. Raises `Conflict` for one that has ended otherwise.
        """
        while (claim := self._claims.get(key)) is not None:
            await claim.done.wait()
        command = await self._lookup.get(key)
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
            self.answered(key, position, envelope, decoded)
        claim.done.set()

    # --- by time ---

    def sweep(self, until: int) -> None:
        """Let expire what was not answered in time; all received until then was looked at."""
        for command in self._book.take_expired(until):
            if Key.of(command) not in self._claims:
                self._book.change(steps.expired(command))

    # --- by its device ---

    def answered(self, key: Key, position: int, envelope: Envelope, decoded: Any) -> None:
        """Take in what a device answered, at its position in the journal."""
        claim = self._claims.get(key)
        if claim is not None:
            claim.results.append((position, envelope, decoded))
            return
        result = LateResult(position, envelope.received_at, read_outcome(decoded))
        command = self._book.find(key)
        if command is None:
            self._strays.add(Stray(key, position, envelope, result))
            return
        if not command.has_ended and result.at >= command.expires_at:
            command = steps.expired(command)
            self._book.change(command)
        if command.has_ended:
            self._note_late(command, result, envelope)
            return
        by_device = envelope.route.principal_kind == PrincipalKind.DEVICE
        by = "device" if by_device else envelope.route.principal_id
        problem = self._outputs.find_mismatch(command, result.outcome)
        text = problem.detail if problem is not None else ""
        new = steps.answered(command, result, by, output_problem=text)
        self._book.change(new)
        if problem is not None:
            self._strays.add(Stray(key, position, envelope, reason=refusals.mismatch(new)))

    def _note_late(self, command: Command, result: LateResult, envelope: Envelope) -> None:
        if result.position == command.result_position:  # what ended it, read again
            return
        if (new := steps.noted(command, result)) is not command:
            metrics.LATE.inc()
            self._book.note(new)
        if not refusals.repeats(command, result.outcome):
            reason = refusals.late(command)
            self._strays.add(Stray(Key.of(command), result.position, envelope, reason=reason))


def _require_cancelled(command: Command) -> Command:
    if command.state is CommandState.REJECTED and command.ended_by != "device":
        return command
    raise Conflict(
        f"The command has {command.state} already.", remedy="There is nothing left to take back."
    )

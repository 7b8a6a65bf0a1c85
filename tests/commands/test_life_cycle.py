"""The life of commands, against a model of a few lines: one outcome each, whatever happens.

Hypothesis sends, delivers, polls, answers, answers twice, lets time pass, takes back, fills the
disk of the journal and pulls the plug in every order; after each step the commands are as
the model says, and what was once an outcome never changes.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tests.commands.support import ACME, ALICE, PUMP, Station

from weft.commands.settings import CommandSettings
from weft.errors import Conflict
from weft.model.command import Command, CommandState
from weft.model.moments import NS_PER_S

T = TypeVar("T")
ANSWERS = st.sampled_from(
    [
        ({"status": "succeeded", "output": 7}, CommandState.SUCCEEDED),
        ({"status": "failed", "error": "stuck"}, CommandState.FAILED),
        ({"status": "rejected", "error": "busy"}, CommandState.REJECTED),
        ({"rpm": 5}, CommandState.SUCCEEDED),
    ]
)
TTL_S = st.sampled_from([5, 60])
PAUSE = CommandSettings().hand_out_again_s * NS_PER_S
OPEN = (CommandState.QUEUED, CommandState.SENT, CommandState.DELIVERED)


class Expected:
    """What the model knows of one command."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.outcome: CommandState | None = None
        self.by = ""
        self.late = 0
        self.answer: dict[str, Any] | None = None  # that ended it
        self.published = False
        self.handed_out_at: int | None = None
        self.hand_outs = 0
        self.acknowledged = False

    def end(self, outcome: CommandState, by: str) -> None:
        self.outcome, self.by = outcome, by


class Lives(RuleBasedStateMachine):
    """Commands to one pump."""

    commands = Bundle("commands")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.station = Station()
        self.pump = self.run(self.station.pump())
        self.model: dict[str, Expected] = {}
        self.refused: set[int] = set()

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return self.loop.run_until_complete(wait())

    def teardown(self) -> None:
        self.loop.close()

    @rule(target=commands, ttl_s=TTL_S)
    def send(self, ttl_s: int) -> str:
        made = self.run(self.station.commands.send(ALICE, PUMP, "restart", {}, ttl_s=ttl_s))
        self.model[made.request_id] = expected = Expected(made)
        expected.published = not self.station.full
        return made.request_id

    @rule(request_id=commands, ttl_s=TTL_S)
    def send_again(self, request_id: str, ttl_s: int) -> None:
        """A caller that lost our answer; a longer life is not given to it by that."""
        commands = self.station.commands
        again = self.run(
            commands.send(ALICE, PUMP, "restart", {}, ttl_s=ttl_s, request_id=request_id)
        )
        assert again.created_at == self.model[request_id].command.created_at

    @rule(request_id=commands)
    def deliver(self, request_id: str) -> None:
        expected = self.model[request_id]
        self.station.commands.fetched(ACME, PUMP, request_id)
        if expected.outcome is None and not expected.hand_outs:
            expected.acknowledged = True

    @rule()
    def poll(self) -> None:
        """The device asks: it is handed what it has not got, and what it did not answer."""
        now = self.station.clock.now()
        due = {
            request_id
            for request_id, expected in self.model.items()
            if expected.outcome is None and not self.is_over(expected)
            if self.is_due(expected, now)
        }
        found = {one.request_id for one in self.station.commands.due_for(ACME, PUMP)}
        assert found == due
        for request_id in found:
            self.station.commands.handed_out(self.pump, PUMP, request_id)
            expected = self.model[request_id]
            expected.handed_out_at, expected.hand_outs = now, expected.hand_outs + 1
            expected.published = True  # the device has it, however
        assert not self.station.commands.due_for(ACME, PUMP), "asked at once again: nothing"

    def is_due(self, expected: Expected, now: int) -> bool:
        if expected.handed_out_at is None:
            return not expected.acknowledged
        return expected.handed_out_at + PAUSE <= now

    @rule(request_id=commands, answer=ANSWERS)
    def answer(self, request_id: str, answer: tuple[dict[str, Any], CommandState]) -> None:
        expected = self.model[request_id]
        payload, outcome = answer
        position = self.station.answer(expected.command, payload)
        if expected.outcome is None and self.is_over(expected):
            expected.end(CommandState.EXPIRED, "time")
        if expected.outcome is None:
            expected.end(outcome, "device")
            expected.answer = payload
        else:
            expected.late += 1
            if payload != expected.answer:
                self.refused.add(position)

    @rule(request_id=commands)
    def cancel(self, request_id: str) -> None:
        expected = self.model[request_id]
        if expected.outcome is None and self.is_over(expected):
            expected.end(CommandState.EXPIRED, "time")
        cancelled = expected.outcome is CommandState.REJECTED and expected.by == str(ALICE)
        try:
            self.run(self.station.commands.cancel(ALICE, PUMP, request_id))
        except Conflict:
            assert expected.outcome is not None
            assert not cancelled
        else:
            if expected.outcome is None:
                expected.end(CommandState.REJECTED, str(ALICE))
            assert expected.by == str(ALICE)

    @rule(seconds=st.sampled_from([1, 4, 30]))
    def time_passes(self, seconds: int) -> None:
        self.station.clock.turn(seconds)

    @rule()
    def sweep(self) -> None:
        self.station.commands.sweep(self.station.clock.now())
        self.time_decides()

    def time_decides(self) -> None:
        for expected in self.model.values():
            if expected.outcome is None and self.is_over(expected):
                expected.end(CommandState.EXPIRED, "time")

    @rule()
    def publish_waiting(self) -> None:
        before = {one.request_id for one in self.open() if one.state is CommandState.QUEUED}
        now = self.station.clock.now()
        self.run(self.station.commands.publish_waiting())
        if not self.station.full:
            for request_id in before:
                expected = self.model[request_id]
                expected.published |= expected.command.expires_at > now

    @rule()
    def checkpoint(self) -> None:
        self.run(self.station.commands.checkpoint())

    @rule()
    def crash(self) -> None:
        self.run(self.station.restart())
        for request_id, expected in self.model.items():
            found = self.run(self.station.commands.get(ACME, PUMP, request_id))
            assert found.hand_outs <= expected.hand_outs, "what was not stored is done again"
            expected.handed_out_at, expected.hand_outs = found.handed_out_at, found.hand_outs
            expected.acknowledged = found.state is CommandState.DELIVERED and not found.hand_outs
            expected.published = found.state is not CommandState.QUEUED
        self.time_decides()

    @rule(full=st.booleans())
    def journal(self, *, full: bool) -> None:
        self.station.full = full

    @rule(request_id=consumes(commands))
    def let_go(self, request_id: str) -> None:
        """Nobody touches it any more; it is still looked at after each step."""

    def is_over(self, expected: Expected) -> bool:
        return self.station.clock.now() >= expected.command.expires_at

    def open(self) -> list[Command]:
        return self.station.commands._book.open_of(ACME, PUMP)

    @invariant()
    def every_command_is_as_the_model_says(self) -> None:
        for request_id, expected in self.model.items():
            found = self.run(self.station.commands.get(ACME, PUMP, request_id))
            if expected.outcome is None:
                assert found.state in OPEN
                assert (found.state is CommandState.QUEUED) <= (not expected.published)
                assert (found.hand_outs, found.handed_out_at) == (
                    expected.hand_outs,
                    expected.handed_out_at,
                )
            else:
                assert (found.state, found.ended_by) == (expected.outcome, expected.by)
        waiting = {one for one, expected in self.model.items() if expected.outcome is None}
        assert {one.request_id for one in self.open()} == waiting

    @invariant()
    def a_late_answer_is_counted_once_it_is_stored(self) -> None:
        self.run(self.station.commands.checkpoint())
        for request_id, expected in self.model.items():
            found = self.run(self.station.commands.get(ACME, PUMP, request_id))
            assert found.late_count == expected.late
        assert set(self.station.refused) == self.refused

    @invariant()
    def nothing_is_published_twice(self) -> None:
        sent = [one.route.name for one, decoded in self.station.journal if decoded is None]
        assert len(sent) == len(set(sent))


class LivesWithoutCheckpoints(Lives):
    """The same where only the test asks for checkpoints: a crash repeats more."""

    @invariant()
    def a_late_answer_is_counted_once_it_is_stored(self) -> None:
        """Not asked here: it would store after each step."""


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLivesWithoutCheckpoints = LivesWithoutCheckpoints.TestCase
TestLivesWithoutCheckpoints.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)

"""Waiting over edits, pauses and restarts: against a model that has no timers to lose."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.rules.support import ALICE, MAIN, START, Plant, S, device, hot, members_of

from weft.rules.kinds import RULES

HOT, COOL = 90.0, 20.0


class Story:
    """A plant whose clock goes from act to act; what is due before an act is done before it."""

    def __init__(self, plant: Plant | None = None, name: str = "overheating") -> None:
        self.plant, self.name, self.second = plant or Plant(), name, 0
        self.document: dict[str, Any] = {}

    async def save(self, **more: Any) -> None:
        self.document = hot(**{**self.document, **more})
        if await self.plant.all(RULES):
            await self.plant.rules.update(ALICE, self.name, self.document)
        else:
            await self.plant.rules.create(ALICE, self.document)
        await self.plant.engine.flush()

    async def go(self, seconds: int) -> None:
        """Let time pass: everything fires that is due before the moment that is reached."""
        self.second += seconds
        self.plant.clock.turn(seconds)
        await self.plant.engine.tick(START + self.second * S + S // 2)
        await self.plant.engine.flush()

    async def say(self, degrees: float, **more: Any) -> None:
        await self.plant.hear(self.second, {"temperature": degrees}, **more)

    async def pause(self) -> None:
        """Do what Weft does with a rule that fails everywhere."""
        rule = await self.plant.rules.get(MAIN, self.name)
        paused = replace(rule, paused="it fails")
        await self.plant.records.write(lambda w: w.put(RULES, MAIN, self.name, paused))
        self.plant.engine.rule_changed(rule, paused, at=self.plant.clock.now())

    async def resume(self) -> None:
        await self.plant.rules.set_enabled(ALICE, self.name, enabled=True)
        await self.plant.engine.flush()

    async def restart(self) -> None:
        await self.plant.engine.checkpoint()
        self.plant = await self.plant.restart()
        self.plant.clock.turn(self.second)

    async def alarms(self) -> list[tuple[int, int | None]]:
        """Return when each alarm was raised and cleared, in seconds."""
        return [
            ((one.raised_at - START) // S, one.cleared_at and (one.cleared_at - START) // S)
            for one in sorted(await self.plant.raised(), key=lambda one: one.raised_at)
        ]


async def clearing(**more: Any) -> Story:
    """Hot at 0, cool at 10: a wait of a minute until it is clear."""
    story = Story()
    await story.save(clear_for="1m", **more)
    await story.say(HOT)
    await story.go(10)
    await story.say(COOL)
    await story.go(10)
    return story


@pytest.mark.parametrize(("wait", "cleared"), [("5m", 310), ("30s", 40), ("5s", 20)])
async def test_an_edit_of_the_wait_holds_for_what_waits(wait: str, cleared: int) -> None:
    """Nothing more is heard of the machine: it is clear after the new time, not never."""
    story = await clearing()
    await story.save(clear_for=wait)
    await story.go(3_600)
    assert await story.alarms() == [(0, cleared)]


async def test_a_wait_to_raise_goes_on_over_an_edit_too() -> None:
    """The message was reworded while a silent machine was about to be told of."""
    story = Story()
    await story.save(**{"for": "1m"})
    await story.say(HOT)
    await story.go(30)
    await story.save(message="hot", **{"for": "2m"})
    await story.go(3_600)
    assert await story.alarms() == [(120, None)]


async def test_other_words_end_a_wait_and_the_next_sample_decides() -> None:
    """It was clear below 80 and is clear below 10 now: 20 degrees clear nothing by waiting."""
    story = await clearing()
    await story.save(clear="temperature < 10")
    await story.go(3_600)
    assert await story.alarms() == [(0, None)]
    await story.say(5.0)
    await story.go(3_600)
    assert await story.alarms() == [(0, 3_680)]


async def test_a_rule_that_is_taken_up_again_goes_on_waiting() -> None:
    """It was paused when the wait was over. The machine said nothing: it is clear."""
    story = await clearing()
    await story.pause()
    await story.go(100)
    assert await story.alarms() == [(0, None)]
    await story.resume()
    await story.go(1)
    assert await story.alarms() == [(0, 120)]


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("restarts", [False, True])
async def test_what_passed_unseen_ends_a_wait(*, others: bool, restarts: bool) -> None:
    """Hot again while the rule was paused, and not a word since: nothing may clear it."""
    story = await clearing()
    if others:  # then its device is evaluated all the while
        await story.plant.rules.create(ALICE, hot(name="other", when="temperature > 1000"))
    await story.pause()
    if restarts:
        await story.restart()
    await story.say(HOT)
    if restarts:
        await story.restart()
    await story.go(10)
    await story.resume()
    await story.go(3_600)
    assert await story.alarms() == [(0, None)]
    await story.say(COOL)
    await story.go(3_600)
    assert await story.alarms() == [(0, 3_690)]


async def test_a_group_whose_rule_was_paused_waits_anew() -> None:
    """Its members may have spoken meanwhile; what they say next decides."""
    plant = Plant(device("pump-7"))
    members_of(plant.around).groups["pumps"] = {"pump-7"}
    story = Story(plant)
    await story.save(
        scope={"group": "pumps"}, message="hot", when="any(temperature > 80)", clear_for="1m"
    )
    await story.say(HOT)
    await story.go(10)
    await story.say(COOL)
    await story.pause()
    await story.go(10)
    await story.say(HOT)
    await story.resume()
    await story.go(3_600)
    assert await story.alarms() == [(0, None)]
    await story.say(COOL)
    await story.go(3_600)
    assert await story.alarms() == [(0, 3_680)]


async def test_a_group_goes_on_waiting_over_an_edit_as_a_device_does() -> None:
    """Its rule was reworded while it waited; its members say nothing more."""
    plant = Plant(device("pump-7"))
    members_of(plant.around).groups["pumps"] = {"pump-7"}
    story = Story(plant)
    await story.save(
        scope={"group": "pumps"}, message="hot", when="any(temperature > 80)", **{"for": "1m"}
    )
    await story.say(HOT)
    await story.go(10)
    await story.save(message="very hot")
    await story.go(3_600)
    assert await story.alarms() == [(60, None)]


# --- the model ----------------------------------------------------------------------------


@dataclass
class Model:
    """The same, looked at in every second instead of by timers."""

    wait: int = 5
    clear_wait: int = 5
    saved: int = 0
    paused: bool = False
    phase: str = "idle"
    since: int = 0
    alarms: list[tuple[int, int | None]] = field(default_factory=list)

    def pass_time(self, first: int, until: int) -> None:
        for second in range(first, until):
            if not self.paused and second >= self.saved:
                self._expire(second)

    def _expire(self, second: int) -> None:
        if self.phase == "pending" and second >= self.since + self.wait:
            self._raise(second)
        elif self.phase == "clearing" and second >= self.since + self.clear_wait:
            self._clear(second)

    def _raise(self, second: int) -> None:
        self.phase = "raised"
        self.alarms.append((second, None))

    def _clear(self, second: int) -> None:
        self.phase = "idle"
        self.alarms[-1] = (self.alarms[-1][0], second)

    def break_off(self) -> None:
        self.phase = {"pending": "idle", "clearing": "raised"}.get(self.phase, self.phase)

    def say(self, second: int, degrees: float) -> None:
        if self.paused:
            self.break_off()
            return
        if degrees == HOT:
            if self.phase == "idle":
                self.phase, self.since = "pending", second
            if self.phase == "clearing":
                self.phase = "raised"
        elif self.phase == "pending":
            self.phase = "idle"
        elif self.phase == "raised":
            self.phase, self.since = "clearing", second
        self._expire(second)

    def save(self, second: int, **changes: int) -> None:
        if self.paused or not changes:
            self.break_off()
        self.wait = changes.get("wait", self.wait)
        self.clear_wait = changes.get("clear_wait", self.clear_wait)
        self.saved, self.paused = second, False

    def resume(self, second: int) -> None:
        if self.paused:
            self.saved, self.paused = second, False


ACTS = st.lists(
    st.tuples(
        st.integers(1, 8),
        st.sampled_from(
            ["hot", "hot", "cool", "cool", "wait", "longer", "shorter", "words", "pause", "resume",
             "restart"]
        ),
    ),
    max_size=30,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(ACTS)
async def test_whatever_is_edited_paused_and_restarted_no_wait_is_lost(
    acts: list[tuple[int, str]],
) -> None:
    """In any order: the same alarms at the same moments as in the model."""
    story, model = Story(), Model()
    waits: dict[str, Any] = {"for": "5s", "clear_for": "5s"}
    await story.save(**waits)
    words = 80
    for seconds, act in [*acts, (60, "resume"), (60, "wait")]:
        model.pass_time(story.second, story.second + seconds)
        await story.go(seconds)
        now = story.second
        match act:
            case "hot" | "cool":
                await story.say(HOT if act == "hot" else COOL)
                model.say(now, HOT if act == "hot" else COOL)
            case "longer" | "shorter":
                length = 12 if act == "longer" else 2
                await story.save(**{"for": f"{length}s", "clear_for": f"{length}s"})
                model.save(now, wait=length, clear_wait=length)
            case "words":
                words += 1 if words < 89 else -8
                await story.save(when=f"temperature > {words}")
                model.save(now)
            case "pause":
                await story.pause()
                model.paused = True
            case "resume":
                await story.resume()
                model.resume(now)
            case "restart":
                await story.restart()
    assert await story.alarms() == model.alarms

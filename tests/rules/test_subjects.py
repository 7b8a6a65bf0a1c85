"""Groups and assets: one alarm for all, counted member by member, the same after a restart."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.support import MAIN, START, Line, Plant, S, around, device, hot, members_of

from weft.errors import Invalid, NotFound
from weft.model.alarm import AlarmState, Subject, SubjectKind
from weft.model.ids import DeviceId, RuleId
from weft.model.principal import Principal, PrincipalKind
from weft.rules.documents import read_rule
from weft.rules.model import Rule
from weft.rules.replay import try_rule
from weft.rules.requests import Clear, Raise, Request
from weft.rules.runtime import Runtime
from weft.rules.subjects import key_of

ALICE = Principal(MAIN, PrincipalKind.USER, "alice", "u-alice")
PUMPS = ("p1", "p2", "p3", "p4")
HALL = {"scope": {"group": "pumps"}, "selector": {}, "message": "{subject}: {members}"}


def over(when: str = "any(temperature > 80)", **more: Any) -> dict[str, Any]:
    return hot(**{**HALL, "when": when, **more})


def plant(*names: str) -> Plant:
    made = Plant(*(device(name) for name in names or PUMPS))
    members_of(made.around).groups["pumps"] = set(names or PUMPS)
    return made


async def test_one_alarm_is_raised_for_a_group_and_names_who_made_it_so() -> None:
    """Two hot pumps are one alarm, of the group; the evidence says which pump spoke."""
    weft = plant()
    await weft.rules.create(ALICE, over("count(temperature > 80) >= 2"))

    await weft.hear(1, {"temperature": 90.0}, name="p1")
    assert await weft.raised() == []
    await weft.hear(2, {"temperature": 91.0}, name="p3")

    (alarm,) = await weft.raised()
    assert alarm.subject == Subject(SubjectKind.GROUP, "pumps")
    assert alarm.device_id == ""
    assert alarm.members == ("p1", "p3")
    assert alarm.message == "group pumps: p1, p3"
    (sample,) = alarm.evidence
    assert (sample.position, sample.device_id) == (2, "p3")
    assert sample.values == {"count((temperature > 80))": 2}


async def test_it_clears_when_all_are_known_to_be_well() -> None:
    """One that has not been heard of is unknown, and unknown is not false."""
    weft = plant("p1", "p2")
    await weft.rules.create(ALICE, over())
    await weft.hear(1, {"temperature": 90.0}, name="p1")
    await weft.hear(2, {"temperature": 20.0}, name="p1")
    (alarm,) = await weft.raised()
    assert alarm.state is AlarmState.ACTIVE

    await weft.hear(3, {"temperature": 20.0}, name="p2")

    (alarm,) = await weft.raised()
    assert alarm.state is AlarmState.CLEARED
    assert alarm.clearing_position == 3


async def test_a_member_that_leaves_is_counted_no_more() -> None:
    """Sold while it was hot: it never speaks again, and the group is well."""
    weft = plant("p1", "p2")
    await weft.rules.create(ALICE, over())
    await weft.hear(1, {"temperature": 20.0}, name="p2")
    await weft.hear(2, {"temperature": 90.0}, name="p1")

    members_of(weft.around).groups["pumps"].discard("p1")
    weft.engine.scope_changed(MAIN, "pumps", at=START + 3 * S)
    await weft.engine.flush()

    (alarm,) = await weft.raised()
    assert alarm.state is AlarmState.CLEARED
    await weft.hear(4, {"temperature": 95.0}, name="p1")
    assert len(await weft.raised()) == 1


async def test_a_device_that_joins_is_counted_from_its_next_message() -> None:
    """It may be moved while it is hot already."""
    weft = plant("p1", "p2")
    members_of(weft.around).groups["pumps"].discard("p2")
    await weft.rules.create(ALICE, over())
    await weft.hear(1, {"temperature": 90.0}, name="p2")
    assert await weft.raised() == []

    members_of(weft.around).groups["pumps"].add("p2")
    weft.engine.device_moved(device("p2"), at=START + 2 * S)
    await weft.hear(3, {"temperature": 90.0}, name="p2")

    assert len(await weft.raised()) == 1


async def test_a_group_without_members_ends_its_episode() -> None:
    """The last one was deleted; nothing is left that could be hot."""
    weft = plant("p1")
    await weft.rules.create(ALICE, over())
    await weft.hear(1, {"temperature": 90.0}, name="p1")

    weft.engine.device_changed(device("p1"), None, at=START + 2 * S)
    await weft.engine.flush()

    (alarm,) = await weft.raised()
    assert alarm.state is AlarmState.CLEARED


async def test_each_asset_of_a_kind_has_an_alarm_of_its_own() -> None:
    """Two lines, one rule: each is judged by what is attached to it."""
    weft = Plant(*(device(name) for name in PUMPS))
    members = members_of(weft.around)
    members.assets |= {"line-1": {"p1", "p2"}, "line-2": {"p3", "p4"}, "plant": set(PUMPS)}
    members.kinds |= {"line-1": "line", "line-2": "line", "plant": "site"}
    await weft.rules.create(ALICE, over(scope={"each_asset": "line"}))

    await weft.hear(1, {"temperature": 90.0}, name="p1")
    await weft.hear(2, {"temperature": 90.0}, name="p4")
    await weft.hear(3, {"temperature": 90.0}, name="p3")

    assert [alarm.asset for alarm in await weft.raised()] == ["line-1", "line-2"]


async def test_a_device_that_joins_may_send_what_was_before() -> None:
    """Attached today, it empties two hours of memory: the line stood for long enough, once."""
    weft = Plant(device("p1"), device("p2"))
    members = members_of(weft.around)
    members.assets["line-1"] = {"p1"}
    members.kinds["line-1"] = "line"
    stop = over("all(running == false)", scope={"each_asset": "line"}, **{"for": "5m"})
    await weft.rules.create(ALICE, stop)
    now = 7_200.0
    members.assets["line-1"] = {"p2"}
    for name in ("p1", "p2"):
        weft.engine.device_moved(device(name), at=START + round(now * S))

    for minute, running in enumerate([True, False, False, False, False, False, False, True, True]):
        received = now + 1 + minute / 100
        await weft.hear(minute * 60.0, {"running": running}, name="p2", received=received)

    (alarm,) = await weft.raised()
    assert (alarm.asset, alarm.raised_at) == ("line-1", START + 6 * 60 * S)
    assert (alarm.state, alarm.cleared_at) == (AlarmState.CLEARED, START + 7 * 60 * S)


async def test_an_edit_makes_no_second_alarm_and_a_deleted_rule_clears() -> None:
    """What an older version has raised is cleared by the new one."""
    weft = plant("p1", "p2")
    await weft.rules.create(ALICE, over())
    await weft.hear(1, {"temperature": 90.0}, name="p1")
    await weft.rules.update(ALICE, "overheating", over("any(temperature > 85)"))
    await weft.hear(2, {"temperature": 90.0}, name="p1")
    assert [alarm.state for alarm in await weft.raised()] == [AlarmState.ACTIVE]

    await weft.rules.delete(ALICE, "overheating")
    await weft.engine.flush()

    assert [alarm.state for alarm in await weft.raised()] == [AlarmState.CLEARED]
    assert key_of(Subject(SubjectKind.GROUP, "pumps"), "overheating") not in {
        key for _tenant, key in weft.engine._runtime.states
    }


async def test_a_rule_that_was_stopped_goes_on_with_the_same_alarm() -> None:
    """Stopped by Weft, started again after a restart: the episode is the old one."""
    weft = plant("p1", "p2")
    await weft.rules.create(ALICE, over())
    await weft.hear(1, {"temperature": 90.0}, name="p1")
    await weft.engine.checkpoint()
    again = await weft.restart()
    await again.hear(2, {"temperature": 92.0}, name="p1")
    await again.hear(3, {"temperature": 20.0}, name="p1")
    await again.hear(4, {"temperature": 20.0}, name="p2")

    assert [alarm.state for alarm in await again.raised()] == [AlarmState.CLEARED]


async def test_what_cannot_be_had_is_refused_on_save() -> None:
    """A group that is not there; a key that no member has."""
    weft = plant()
    with pytest.raises(NotFound, match="nowhere"):
        await weft.rules.create(ALICE, over(scope={"group": "nowhere"}))
    with pytest.raises(Invalid, match="temprature"):
        await weft.rules.create(ALICE, over("any(temprature > 80)"))
    with pytest.raises(Invalid, match="temperature"):
        await weft.rules.create(ALICE, over(message="{temperature}"))


async def test_a_rule_that_fails_on_all_members_is_paused() -> None:
    """RU-2 holds for groups as well."""
    weft = plant("p1", "p2")
    await weft.rules.create(ALICE, over("any(1 / rpm > 0)"))
    for second in range(6):
        await weft.hear(second, {"rpm": 0}, name="p1")

    rule = await weft.rules.get(MAIN, "overheating")
    assert "division" in rule.paused


async def test_the_past_is_judged_as_the_present() -> None:
    """A trial over the journal finds what live found."""
    weft = plant("p1", "p2")
    await weft.rules.create(ALICE, over("mean_of(temperature) > 50"))
    for second, (name, value) in enumerate(
        [("p1", 90.0), ("p2", 0.0), ("p1", 99.0), ("p2", 30.0)], 1
    ):
        await weft.hear(second, {"temperature": value}, name=name)
    live = await weft.raised()

    async def samples() -> Any:
        for batch in weft.line.batches:
            yield batch

    trial = await try_rule(
        over("mean_of(temperature) > 50"), samples(), tenant=MAIN, around=weft.around
    )

    assert [one.raised_at for one in trial.firings] == [one.raised_at for one in live]
    assert [one.cleared_at for one in trial.firings] == [one.cleared_at for one in live]
    assert len(live) == 2


# --- against a model ----------------------------------------------------------------------


def _any(known: list[float], size: int) -> bool | None:
    if any(one > 80 for one in known):
        return True
    return False if known and len(known) == size else None


def _all(known: list[float], size: int) -> bool | None:
    if any(one <= 80 for one in known):
        return False
    return True if known and len(known) == size else None


CONDITIONS = {
    "any(temperature > 80)": _any,
    "all(temperature > 80)": _all,
    "count(temperature > 80) >= 2": lambda known, _size: (
        sum(one > 80 for one in known) >= 2 if known else None
    ),
    "share(temperature > 80) > 0.5": lambda known, _size: (
        sum(one > 80 for one in known) / len(known) > 0.5 if known else None
    ),
    "mean_of(temperature) > 80": lambda known, _size: (
        sum(known) / len(known) > 80 if known else None
    ),
    "max_of(temperature) - min_of(temperature) > 30": lambda known, _size: (
        max(known) - min(known) > 30 if known else None
    ),
}

# (seconds since the step before, which pump, its temperature or None to leave or join)
STEPS = st.lists(
    st.tuples(
        st.integers(1, 40),
        st.sampled_from(PUMPS),
        st.one_of(st.sampled_from([0.0, 70.0, 81.0, 96.0, 120.0]), st.none()),
    ),
    max_size=25,
)


def rule_of(document: dict[str, Any]) -> Rule:
    read, source = read_rule(document)
    return Rule(
        rule_id=RuleId(read.name),
        uid="uid",
        tenant=MAIN,
        version=1,
        owner=ALICE,
        document=read,
        source=source,
        created_at=START,
        updated_at=START,
        enabled=True,
    )


def found_by(asked: list[Request]) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    for request in asked:
        assert isinstance(request, Raise | Clear)
        told.append(("raise" if isinstance(request, Raise) else "clear", request.at))
    return told


class Model:
    """The rule as the manual says it: all members are looked at, every time."""

    def __init__(self, when: str, stale_s: int) -> None:
        self._holds = CONDITIONS[when]
        self._stale_ns = stale_s * S
        self.members = dict.fromkeys(PUMPS, START)  # last heard
        self.values: dict[str, float] = {}
        self.told: list[tuple[str, int]] = []
        self._raised = False
        self._passed = START

    def look(self, now: int, at: int) -> None:
        counted = [
            name for name, heard in self.members.items() if not self._is_silent(heard, now)
        ]  # a message that comes just when somebody falls silent is looked at first
        known = [self.values[name] for name in counted if name in self.values]
        holds = self._holds(known, len(counted))
        if holds is True and not self._raised:
            self._raised = True
            self.told.append(("raise", at))
        elif holds is False and self._raised:
            self._raised = False
            self.told.append(("clear", at))

    def _is_silent(self, heard: int, now: int) -> bool:
        return bool(self._stale_ns) and heard + self._stale_ns < now

    def pass_until(self, now: int) -> None:
        """Let each moment come at which somebody has been silent for too long."""
        moments = {heard + self._stale_ns for heard in self.members.values() if self._stale_ns}
        for moment in sorted(one for one in moments if self._passed <= one < now):
            self.look(moment + 1, moment)
        self._passed = now


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(sorted(CONDITIONS)), STEPS, st.sampled_from([0, 30]), st.integers(0, 25))
def test_live_restarted_and_counted_anew_are_the_same(
    when: str, steps: list[tuple[int, str, float | None]], stale_s: int, cut: int
) -> None:
    """Members speak, fall silent, leave and come back; the process dies somewhere in between."""
    document = over(when, scope={"group": "pumps", "stale_after": f"{stale_s}s"})
    if not stale_s:
        document["scope"] = {"group": "pumps"}
    surroundings = around(*(device(name) for name in PUMPS))
    group = members_of(surroundings).groups.setdefault("pumps", set(PUMPS))
    rule, model, line = rule_of(document), Model(when, stale_s), Line()
    asked: list[Request] = []
    runtime = Runtime(surroundings, asked.append)
    runtime.set_rule(rule, at=START)
    last_heard = dict.fromkeys(PUMPS, START)
    position, second = 0, 0
    for place, (pause, name, value) in enumerate(steps):
        second += pause
        now = START + second * S
        if place == cut:
            runtime = _restarted(runtime, rule, surroundings, asked)
        model.pass_until(now)
        if value is not None:
            batch = line.say(second, {"temperature": value}, name=name)
            runtime.apply(batch, after=position)
            position = batch.last
            if name in group:
                model.values[name] = value
                model.members[name] = last_heard[name] = now
                model.look(now, now)
            continue
        runtime.advance(now)
        if name in group:
            group.discard(name)
            del model.members[name]
        else:
            group.add(name)
            model.members[name] = last_heard[name]
        runtime.place_device(device(name), at=now)
        if not group:
            if model._raised:
                model.told.append(("clear", now))
                model._raised = False
        else:
            model.look(now, now)
    assert found_by(asked) == model.told


def _restarted(runtime: Runtime, rule: Rule, surroundings: Any, asked: list[Request]) -> Runtime:
    """Keep what stands on disk, and start again from it."""
    rows = [(key, state.row()) for key, state in runtime.states.items()]
    again = Runtime(surroundings, asked.append)
    again.set_rule(rule, at=START)
    for (tenant, device_id), row in rows:
        again.restore(tenant, DeviceId(device_id), row)
    again.restored()
    return again

"""The checker itself: what it is there to find, it finds."""

import random
from typing import Any

import pytest
from tests.soak import checks
from tests.soak.checks import Seen, Violation
from tests.soak.device import Device
from tests.soak.plant import HELD, LIMIT, OVER, Episodes

SINCE = "2026-01-01T00:00:00Z"


class Answers:
    """A server that answers what a test says."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists = lists
        self.twin = 0

    async def pages(self, path: str, **_params: Any) -> list[dict[str, Any]]:
        return self.lists[path.strip("/").replace("-", "_")]

    async def get(self, _path: str, **_params: Any) -> Any:
        return {"telemetry": {"serial": {"value": self.twin}}}


def device(*acknowledged: int) -> Device:
    made = Device("press-000", "", port=1)
    made.book.sent = sorted(acknowledged)
    made.book.acknowledged = set(acknowledged)
    return made


def row(serial: int, at: str = "a") -> dict[str, Any]:
    return {"device": "press-000", "key": "serial", "at": at, "value": serial}


async def test_a_reading_that_is_missing_from_history_is_named() -> None:
    server: Any = Answers(history=[row(1), row(3)])
    with pytest.raises(Violation, match=r"1 acknowledged missing.*2 of press-000"):
        await checks.check_history(server, [device(1, 2, 3)], Seen(), {1, 2, 3}, SINCE)


async def test_a_reading_that_is_there_twice_is_named_also_rounds_later() -> None:
    seen = Seen()
    seen.take([row(1), row(2)])
    seen.take([row(1), row(3)])
    with pytest.raises(Violation, match="serial 2 stands in history twice"):
        seen.take([row(2, at="b")])


@pytest.mark.parametrize("shown", [4, 9])
async def test_a_twin_that_is_behind_or_ahead_of_its_device_is_found(shown: int) -> None:
    server: Any = Answers()
    server.twin = shown
    with pytest.raises(Violation, match="the twin has serial"):
        await checks.check_twins(server, [device(5, 6)], {"press-000": 5})


def alarm(number: int, rule: str, state: str = "cleared") -> dict[str, Any]:
    name = f"alarm-{number}"
    return {"alarm_id": name, "device_id": "press-000", "rule_id": rule, "state": state}


def actions(*alarms: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"alarm_id": one["alarm_id"]} for one in alarms]


GOOD = [alarm(1, OVER), alarm(2, HELD)]


@pytest.mark.parametrize(
    ("alarms", "outbox", "found"),
    [
        ([*GOOD, alarm(3, OVER)], None, "raised 2 alarms in 1 to 1"),
        (GOOD[:1], None, "raised 0 alarms in 1 to 1"),
        ([GOOD[0], alarm(2, HELD, "active")], None, "1 alarms are not cleared"),
        (GOOD, actions(*GOOD, GOOD[0]), "Actions per alarm"),
    ],
)
async def test_alarms_and_actions_that_are_not_one_each_are_found(
    alarms: list[dict[str, Any]], outbox: list[dict[str, Any]] | None, found: str
) -> None:
    server: Any = Answers(alarms=alarms, outbox=actions(*alarms) if outbox is None else outbox)
    episodes = {"press-000": Episodes(firsts=[7], ended=1)}
    with pytest.raises(Violation, match=found):
        await checks.check_alarms(server, episodes, {"press-000": (1, 1)}, final=True)


class Faulty(Answers):
    """A server whose faults have these alarms."""

    def __init__(self, faults: dict[str, list[dict[str, Any]]], orders: int = 1) -> None:
        super().__init__(
            alarms=GOOD,
            outbox=actions(GOOD[0]),
            faults=[{"fault_id": name, "orders": [{}] * orders} for name in faults],
        )
        self.faults = faults

    async def pages(self, path: str, **_params: Any) -> list[dict[str, Any]]:
        if path.endswith("/alarms") and path != "/alarms":
            return self.faults[path.split("/")[2]]
        return await super().pages(path)


@pytest.mark.parametrize(
    ("server", "found"),
    [
        (Faulty({"f": GOOD[:1]}), "part of no fault"),
        (Faulty({"f": GOOD, "g": GOOD[:1]}), "or of two"),
        (Faulty({"f": GOOD}, orders=2), "has the work orders"),
    ],
)
async def test_alarms_that_are_not_part_of_one_fault_are_found(server: Any, found: str) -> None:
    episodes = {"press-000": Episodes(firsts=[7], ended=1)}
    with pytest.raises(Violation, match=found):
        await checks.check_alarms(server, episodes, {"press-000": (1, 1)}, final=True)


async def test_two_alarms_of_one_fault_need_one_action() -> None:
    episodes = {"press-000": Episodes(firsts=[7], ended=1)}
    server: Any = Faulty({"f": GOOD})
    assert await checks.check_alarms(server, episodes, {"press-000": (1, 1)}, final=True) == (2, 1)


def test_an_episode_ends_only_when_both_clocks_have_seen_it_stand() -> None:
    """The first high reading is acknowledged, then stands for longer than the rule waits."""
    episodes, acknowledged, chance = Episodes(rest_s=1.0), set[int](), random.Random(0)

    def is_high(serial: int, now: float) -> bool:
        return episodes.level(serial, now, acknowledged, chance) > LIMIT

    assert not is_high(1, 0.5)
    assert is_high(2, 2.0)
    assert is_high(3, 9.0), "not acknowledged: it may not have arrived"
    acknowledged.add(2)
    assert is_high(4, 9.1)
    assert is_high(5, 9.2)
    assert not is_high(6, 9.5)
    assert (episodes.began, episodes.ended, episodes.is_high) == ([2], 1, False)

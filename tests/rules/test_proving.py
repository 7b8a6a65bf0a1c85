"""Proving a rule by its own tests: the live evaluation on a clock of its own."""

from typing import Any

import pytest
from tests.rules.support import ALICE, MAIN, Plant, device, hot, members_of

from weft.errors import Invalid
from weft.rules.proving import TestsFailed

HOT_FOR = {
    "name": "hot for long enough",
    "given": [
        {"at": "0s", "values": {"temperature": 85}},
        {"at": "40s", "values": {"temperature": 60}},
    ],
    "expect": [{"raised": "30s", "cleared": "40s"}],
}


def with_tests(*tests: dict[str, Any], **more: Any) -> dict[str, Any]:
    return hot(tests=list(tests), **{"for": "30s", **more})


def problems(plant: Plant, document: dict[str, Any]) -> list[str]:
    return [one for proof in plant.rules.prove(MAIN, document) for one in proof.problems]


async def test_a_rule_that_does_what_its_tests_say_is_saved() -> None:
    """And they run again on demand."""
    plant = Plant()
    rule = await plant.rules.create(ALICE, with_tests(HOT_FOR))

    assert [one.passed for one in plant.rules.prove(MAIN, rule.source)] == [True]


async def test_a_rule_that_fails_its_tests_is_saved_only_by_force_or_to_try_it() -> None:
    """Somebody shortens the time, and learns what that would do."""
    plant = Plant()
    with pytest.raises(TestsFailed, match="raised is 10s, and 30s is expected") as refused:
        await plant.rules.create(ALICE, with_tests(HOT_FOR, **{"for": "10s"}))
    assert "--force" in refused.value.remedy

    await plant.rules.create(ALICE, with_tests(HOT_FOR, **{"for": "10s"}), force=True)
    await plant.rules.update(
        ALICE, "overheating", with_tests(HOT_FOR, mode="dry_run", **{"for": "9s"})
    )
    with pytest.raises(TestsFailed):
        await plant.rules.update(ALICE, "overheating", with_tests(HOT_FOR, **{"for": "9s"}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"expect": []},
            "0 alarms are expected, and there are 1: device-1 raised 30s, cleared 40s",
        ),
        ({"expect": [{"raised": "30s", "cleared": "1m"}]}, "cleared is 40s, and 1m is expected"),
        ({"expect": [{"raised": "30s", "open": True}]}, "cleared is 40s, and never is expected"),
        ({"expect": [{"raised": "30s", "message": "x"}]}, "message is device-1 is at 85"),
        ({"given": []}, "1 alarms are expected, and there are 0: none"),
    ],
)
async def test_what_differs_is_told_in_the_tests_own_words(
    change: dict[str, Any], said: str
) -> None:
    """Seconds since the begin, not moments of a clock."""
    (problem,) = problems(Plant(), with_tests({**HOT_FOR, **change}))

    assert said in problem


async def test_a_group_is_tested_with_devices_of_the_test() -> None:
    """All who speak are its members."""
    plant = Plant(device("p1"))
    members_of(plant.around).groups["pumps"] = {"p1"}
    test = {
        "name": "two of three",
        "given": [
            {"at": "1s", "device": "a", "values": {"temperature": 85}},
            {"at": "2s", "device": "b", "values": {"temperature": 85}},
            {"at": "3s", "device": "c", "values": {"temperature": 20}},
        ],
        "expect": [{"raised": "2s", "subject": "group pumps", "members": ["a", "b"], "open": True}],
        "until": "1h",
    }
    document = hot(
        when="count(temperature > 80) >= 2", scope={"group": "pumps"}, message="", tests=[test]
    )

    assert problems(plant, document) == []


async def test_each_asset_of_a_test_has_the_devices_that_name_it() -> None:
    """Two lines, one of them hot."""
    test = {
        "name": "one line",
        "devices": {"a": {"asset": "line-1"}, "b": {"asset": "line-2"}},
        "given": [
            {"at": "1s", "device": "a", "values": {"temperature": 85}},
            {"at": "1s", "device": "b", "values": {"temperature": 20}},
        ],
        "expect": [{"raised": "1s", "subject": "asset line-1"}],
    }
    document = hot(
        when="any(temperature > 80)", scope={"each_asset": "line"}, message="", tests=[test]
    )

    assert problems(Plant(), document) == []


async def test_silence_and_schedules_are_tested_on_the_tests_own_clock() -> None:
    """A Monday morning, whatever day it is."""
    test = {
        "name": "silent in the shift",
        "start": "2026-01-05T08:00:00Z",
        "given": [{"at": "0s", "values": {"temperature": 20}}],
        "expect": [{"raised": "10m"}],
        "until": "11m",
    }
    when = "silent(temperature, 10m) && during('Mon-Fri 06:00-22:00', 'Europe/Berlin')"

    assert problems(Plant(), hot(when=when, tests=[test])) == []


async def test_a_sample_that_no_device_could_send_is_refused() -> None:
    """A misspelled key would prove nothing."""
    test = {**HOT_FOR, "given": [{"at": "0s", "values": {"temprature": 85}}]}

    with pytest.raises(Invalid, match=r"given\[0\]: 'temprature' is no telemetry key"):
        problems(Plant(), with_tests(test))


async def test_a_reported_property_and_a_late_sample_may_be_given() -> None:
    """As live: what was measured before the newest neither raises nor clears."""
    test = {
        "name": "late",
        "given": [
            {"at": "0s", "reported": {"limit": 50}},
            {"at": "10s", "values": {"temperature": 20}},
            {"at": "5s", "received": "20s", "values": {"temperature": 90}},
        ],
    }

    assert problems(Plant(), hot(when="temperature > twin.reported.limit", tests=[test])) == []

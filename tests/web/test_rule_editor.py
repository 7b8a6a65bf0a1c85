"""The rule editor beside what devices have said: faults, the device that is meant, and the past."""

import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.plant import Plant
from tests.web.support import hold, let_go, opened

TANK = {"telemetry": {"level": {"type": "number", "minimum": 0, "maximum": 100}}}
# What a tank has said, a value a minute: once to 50, once to 90, once to 15 exactly.
LEVELS = (10, 50, 10, 10, 90, 10, 10, 15, 10)
RUNNING = {
    "name": "level-high",
    "when": "level > 40",
    "severity": "major",
    "message": "{device} is at {level}",
    "selector": {"type": "tank"},
}


@pytest.fixture(scope="module")
def tanks(plant: Plant) -> Plant:
    """A type that one device follows, and one that none does."""
    for name in ("tank", "tank-of-nobody"):
        plant.server.call("PUT", f"/types/{name}", TANK)
    plant.add("tank-1", type_name="tank")
    now = time.time_ns() // 1_000_000
    begin = now - len(LEVELS) * 60_000
    said = [
        {"ts": begin + place * 60_000, "values": {"level": level}}
        for place, level in enumerate(LEVELS)
    ]
    plant.say("tank-1", *said)
    return plant


def test_a_clearing_condition_is_completed_and_judged_as_the_other_is(
    browser: Browser, tanks: Plant, at_plant: Any
) -> None:
    """Both faults stand below their own column at once, where no device of the type exists."""
    with opened(browser, tanks.server, state=at_plant) as (page, watched):
        page.goto("/new-rule?type=tank-of-nobody")
        clear = page.get_by_role("textbox", name="Cleared when")
        clear.press_sequentially("lev")
        page.get_by_role("listbox").get_by_role("option").first.wait_for()
        page.keyboard.press("Tab")
        expect(clear).to_have_value("level")
        clear.press_sequentially(" < 'low'")
        expect(page.get_by_text("At column")).to_have_count(1)
        page.get_by_role("textbox", name="Condition").fill("levle > 40")
        expect(page.get_by_text("At column 1:")).to_be_visible()
        expect(page.get_by_text("At column")).to_have_count(2)
        expect(clear).to_have_attribute("aria-invalid", "true")
        clear.fill("level < 30")
        expect(page.get_by_text("At column")).to_have_count(1)
        page.get_by_role("textbox", name="Condition").fill("level > 40")
        expect(page.get_by_text("At column")).to_have_count(0)
        expect(page.get_by_text("No device of this type yet")).to_be_visible()
        watched.require_clean()


def test_the_device_that_a_rule_is_begun_about_is_not_swapped(
    browser: Browser, tanks: Plant, at_plant: Any
) -> None:
    """Though it is not among those that are offered: here none but another."""
    with opened(browser, tanks.server, state=at_plant) as (page, watched):
        page.route(
            "**/api/v1/devices?*",
            lambda route: route.fulfill(json={"items": [_truck(tanks)], "next": None}),
        )
        page.goto("/new-rule?device=tank-1")
        page.get_by_role("textbox", name="Condition").fill("level > 40")
        preview = page.get_by_role("region", name="On real history")
        expect(preview.get_by_text("It would have held 2 times")).to_be_visible()
        expect(preview.get_by_label("Device", exact=True)).to_have_value("tank-1")
        watched.require_clean()


def _truck(tanks: Plant) -> Any:
    return tanks.server.call("GET", "/devices/truck-1")


def test_what_takes_long_shows_that_it_is_being_done(
    browser: Browser, tanks: Plant, at_plant: Any
) -> None:
    """The preview, and the rule's own tests, while the server has not answered."""
    proof = {
        "name": "once",
        "given": [{"at": "0s", "values": {"level": 50}}],
        "expect": [{"raised": "0s", "open": True}],
    }
    tanks.server.call("POST", "/rules", {**RUNNING, "name": "proved", "tests": [proof]})
    with opened(browser, tanks.server, state=at_plant) as (page, watched):
        previews, tests = "**/api/v1/rule-previews", "**/api/v1/rule-tests"
        held = hold(page, previews)
        page.goto("/rules/proved")
        page.get_by_role("progressbar", name="Looking at its history").wait_for()
        let_go(page, previews, held)
        expect(page.get_by_text("It would have held")).to_be_visible()
        expect(page.get_by_role("progressbar")).to_have_count(0)
        held = hold(page, tests)
        run = page.get_by_role("button", name="Run them")
        run.click()
        page.get_by_role("progressbar", name="Running its tests").wait_for()
        expect(run).to_be_disabled()
        let_go(page, tests, held)
        expect(run).to_be_enabled()
        expect(page.get_by_text("passed", exact=True)).to_be_visible()
        watched.require_clean()
    tanks.server.call("DELETE", "/rules/proved")


def _rows(page: Page) -> dict[str, list[str]]:
    """The messages of the findings by their verdict."""
    rows = page.get_by_role("region", name="Alarms of the replay").locator("tbody tr[data-at]")
    told: dict[str, list[str]] = {}
    for place in range(rows.count()):
        cells = rows.nth(place).locator("td").all_inner_texts()
        told.setdefault(cells[0].strip(), []).append(cells[2].strip())
    return told


def test_a_changed_version_is_replayed_against_the_running_one(
    browser: Browser, tanks: Plant, at_plant: Any
) -> None:
    """What it would add, miss, and raise just the same is said in words, each with its message."""
    tanks.server.call("POST", "/rules", RUNNING)
    with opened(browser, tanks.server, state=at_plant) as (page, watched):
        page.goto("/rules/level-high")
        page.get_by_role("textbox", name="Condition").fill("level > 80 || level == 15")
        replay = page.get_by_role("region", name="What would have fired")
        replay.get_by_label("Over").select_option("1h")
        replay.get_by_label("Compared with").select_option(label="the version in force")
        replay.get_by_role("button", name="Replay it").click()
        expect(replay.get_by_text("It would have raised 2 alarms on 1 subject.")).to_be_visible()
        for words in ("1 added", "1 missing", "1 same"):
            expect(replay.get_by_text(words, exact=True)).to_be_visible()
        expect(replay.get_by_role("link", name="tank-1")).to_have_count(3)
        assert _rows(page) == {
            "added": ["tank-1 is at 15"],
            "missing": ["tank-1 is at 50"],
            "same": ["tank-1 is at 90"],
        }
        # The rule that runs is as it was: nothing was saved or raised by trying.
        assert tanks.server.call("GET", "/rules/level-high")["document"]["when"] == "level > 40"
        replay.get_by_label("Compared with").select_option(label="nothing")
        replay.get_by_role("button", name="Replay it").click()
        expect(replay.get_by_text("1 added", exact=True)).to_have_count(0)
        expect(replay.get_by_text("It would have raised 2 alarms on 1 subject.")).to_be_visible()
        watched.require_clean()
    tanks.server.call("DELETE", "/rules/level-high")

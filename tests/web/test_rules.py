"""Rules: written beside real history, replayed, switched on, and taken back."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import START_S, Server, hold, let_go, opened, settle


@pytest.fixture(scope="module")
def device_type(weft: Server) -> str:
    """The type of pump-1, which has history by now."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(HTTPError):  # the demonstration has not made it yet
            if weft.call("GET", "/history?devices=pump-1&keys=vibration&limit=20")["items"]:
                device: dict[str, Any] = weft.call("GET", "/devices/pump-1")
                return str(device["type_name"])
        time.sleep(0.2)
    raise AssertionError("pump-1 has said nothing.")


@pytest.fixture
def new_rule(
    browser: Browser, weft: Server, signed_in: object, device_type: str
) -> Iterator[tuple[Page, Any]]:
    """The page of a new rule, with the type and the name filled in."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/new-rule")
        page.get_by_label("Name", exact=True).fill("shaking")
        page.get_by_label("Device type").select_option(device_type)
        yield page, watched


def test_a_condition_is_completed_and_judged_on_history_while_it_is_typed(
    new_rule: tuple[Page, Any],
) -> None:
    """The keyboard takes a name; a fault stands below its column; a good one is drawn."""
    page, watched = new_rule
    condition = page.get_by_role("textbox", name="Condition")
    condition.press_sequentially("vib")
    page.get_by_role("listbox").get_by_role("option").first.wait_for()
    page.keyboard.press("Tab")
    expect(condition).to_have_value("vibration")
    condition.press_sequentially(" > 'much'")
    expect(page.get_by_text("At column")).to_be_visible()
    condition.fill("vibration > 0.001")
    preview = page.get_by_role("region", name="On real history")
    preview.get_by_label("Device", exact=True).select_option("pump-1")
    expect(preview.get_by_text("It would have held")).to_be_visible()
    expect(preview.get_by_role("figure")).to_be_visible()
    watched.require_clean()


def test_a_rule_is_replayed_saved_changed_and_deleted(
    new_rule: tuple[Page, Any], weft: Server
) -> None:
    """Its alarms are known before it is; a version comes back, and what was deleted."""
    page, watched = new_rule
    page.get_by_role("textbox", name="Condition").fill("vibration > 0.001")
    page.get_by_role("button", name="Replay it").click()
    expect(page.get_by_text("It would have raised")).to_be_visible(timeout=30_000)
    findings = page.get_by_role("region", name="Alarms of the replay")
    expect(findings.locator("tbody tr[data-at]").first).to_contain_text("shaking on")
    page.get_by_role("button", name="Save and switch on").click()
    page.get_by_role("heading", name="shaking", level=1).wait_for()
    page.get_by_label("Message", exact=True).fill("{device} shakes")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("version 2").first).to_be_visible()
    assert weft.call("GET", "/rules/shaking")["document"]["message"] == "{device} shakes"
    page.get_by_role("button", name="Take into the editor").click()
    expect(page.get_by_label("Message", exact=True)).to_have_value("")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone")).to_be_visible()
    page.reload()
    page.get_by_role("link", name="shaking").wait_for()
    weft.call("DELETE", "/rules/shaking")
    watched.require_clean()


def test_a_rule_whose_name_is_taken_by_now_is_not_called_undone(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Another has made one of that name before Undo was pressed: that is said."""
    rule = {"name": "taken", "when": "vibration > 1000", "severity": "info", "message": "much"}
    weft.call("POST", "/rules", rule)
    with opened(browser, weft, state=signed_in) as (page, _):
        page.goto("/rules/taken")
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_role("heading", name="Rules", level=1).wait_for()
        weft.call("POST", "/rules", rule)
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".toast.bad")).to_contain_text("taken")
        settle(page)
        expect(page.get_by_text("Undone")).to_have_count(0)
    weft.call("DELETE", "/rules/taken")


def test_what_the_server_refuses_is_said_where_it_was_asked(new_rule: tuple[Page, Any]) -> None:
    """And nothing that was written is gone."""
    page, _ = new_rule
    page.get_by_role("textbox", name="Condition").fill("vibration >")
    page.get_by_role("button", name="Save and switch on").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("textbox", name="Condition")).to_have_value("vibration >")


def test_what_is_being_written_outlives_the_switch(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Switched off in the middle of a sentence; and one who was faster is not written over."""
    rule = {"name": "half", "when": "vibration > 1000", "severity": "info", "message": "much"}
    weft.call("POST", "/rules", rule)
    with opened(browser, weft, state=signed_in) as (page, _):
        page.goto("/rules/half")
        message = page.get_by_label("Message", exact=True)
        message.fill("too much")
        page.get_by_role("button", name="Switch off").click()
        page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
        page.get_by_role("button", name="Switch on").wait_for()
        expect(message).to_have_value("too much")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("version 2").first).to_be_visible()
        assert weft.call("GET", "/rules/half")["document"]["message"] == "too much"
        message.fill("far too much")
        version = weft.call("GET", "/rules/half")["version"]
        weft.call("PUT", "/rules/half", rule, If_Match=f'"{version}"')
        page.get_by_role("button", name="Switch on").click()
        page.locator(".toast.bad").wait_for()  # it is not the rule that one has seen
        expect(message).to_have_value("far too much")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert weft.call("GET", "/rules/half")["document"]["message"] == "much"
    weft.call("DELETE", "/rules/half")


def test_a_rule_that_was_switched_off_stays_off_until_it_is_switched_on(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Its document says that it is on, as it was then: neither Save nor Undo starts it."""
    rule = {"name": "rests", "when": "vibration > 1000", "severity": "info", "message": "much"}
    weft.call("POST", "/rules", {**rule, "enabled": True})
    weft.call("POST", "/rules/rests/disable", {})
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/rules/rests")
        page.get_by_label("Message", exact=True).fill("too much")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("version 2").first).to_be_visible()
        saved = weft.call("GET", "/rules/rests")
        assert (saved["document"]["message"], saved["enabled"]) == ("too much", False)
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("Undone")).to_be_visible()
        assert weft.call("GET", "/rules/rests")["enabled"] is False
        watched.require_clean()
    weft.call("DELETE", "/rules/rests")


def test_what_is_typed_while_the_switch_is_on_its_way_is_kept(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """The rule is read again after the switch; the message is written while that takes time."""
    rule = {"name": "slow", "when": "vibration > 1000", "severity": "info", "message": "much"}
    weft.call("POST", "/rules", {**rule, "enabled": False})
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/rules/slow")
        message = page.get_by_label("Message", exact=True)
        expect(message).to_have_value("much")
        held = hold(page, "**/api/v1/rules/slow")
        with page.expect_request("**/api/v1/rules/slow"):
            page.get_by_role("button", name="Switch on").click()
        message.fill("too much")
        let_go(page, "**/api/v1/rules/slow", held)
        page.get_by_role("button", name="Switch off").wait_for()
        expect(message).to_have_value("too much")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("version 2").first).to_be_visible()
        assert weft.call("GET", "/rules/slow")["document"]["message"] == "too much"
        watched.require_clean()
    weft.call("DELETE", "/rules/slow")

"""Alarms and work orders: what an operator does with them, by mouse and by keyboard."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.business import Business, business_at
from tests.web.support import START_S, Server, opened, sign_in


@pytest.fixture(scope="module")
def raised(weft: Server) -> dict[str, Any]:
    """An open alarm of the demonstration that has a work order."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        for order in weft.call("GET", "/work-orders")["items"]:
            alarm: dict[str, Any] = weft.call("GET", f"/alarms/{order['alarm_ids'][0]}")
            return alarm
        time.sleep(0.5)
    raise AssertionError("The demonstration has made no work order.")


@pytest.fixture(scope="module")
def ovens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """Four ovens that stay too warm, and a work order for one, which no far side ends."""
    with business_at(tmp_path_factory.mktemp("ovens")) as made:
        mend = {"connector": "alerts", "title": "Mend {device}"}
        rule = {
            "name": "broken",
            "selector": {"devices": ["oven-0"]},
            "when": "temperature > 90",
            "severity": "major",
            "message": "{device} is broken",
            "actions": [{"work_order": mend}],
        }
        made.server.call("POST", "/rules", rule)
        made.warm(*(f"oven-{number}" for number in range(4)))
        deadline = time.monotonic() + START_S
        while not made.server.call("GET", "/work-orders")["items"] or len(_open(made)) < 5:
            assert time.monotonic() < deadline, "There is no work order."
            time.sleep(0.1)
        yield made


@pytest.fixture(scope="module")
def at_ovens(browser: Browser, ovens: Business) -> Any:
    """The cookie of somebody who has signed in there."""
    with opened(browser, ovens.server) as (page, _):
        sign_in(page)
        return page.context.storage_state()


def _open(ovens: Business) -> list[dict[str, Any]]:
    alarms: list[dict[str, Any]] = ovens.server.call("GET", "/alarms?open=true")["items"]
    return alarms


def _row(page: Page, label: str) -> Any:
    return page.get_by_role("region", name=label).locator("tbody tr[data-at]")


def test_an_operator_acknowledges_by_keyboard_alone(
    browser: Browser, weft: Server, signed_in: object, raised: dict[str, Any]
) -> None:
    """`g a`, into the list, `a`, a comment, Enter: the alarm says who and what."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        page.keyboard.press("g")
        page.keyboard.press("a")
        page.get_by_role("heading", name="Alarms", level=1).wait_for()
        page.goto(f"/alarms/{raised['alarm_id']}")
        page.get_by_role("heading", name=raised["message"], level=1).wait_for()
        page.goto(f"/alarms?state=all&device={raised['device_id']}")
        _row(page, "Alarms").first.focus()
        page.keyboard.press("c")
        page.get_by_role("dialog").get_by_label("Comment").fill("looked at by key")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Comment kept")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.get_by_text("looked at by key")).to_be_visible()
        watched.require_clean()


def test_marked_alarms_are_dealt_with_together(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """All shown are given a priority at once, and each says so, here and at the server."""
    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        page.goto("/alarms")
        expect(_row(page, "Alarms")).to_have_count(5)
        expect(_row(page, "Alarms").filter(has_text="urgent")).to_have_count(0)
        page.get_by_role("button", name="Mark all shown").click()
        page.get_by_role("button", name="Set priority").click()
        page.get_by_role("dialog").get_by_label("Priority").select_option("urgent")
        page.get_by_role("dialog").get_by_role("button", name="Set priority").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(_row(page, "Alarms").filter(has_text="urgent")).to_have_count(5)
        assert {one["priority"] for one in _open(ovens)} == {"urgent"}
        watched.require_clean()


def test_an_alarm_says_why_and_what_came_of_it(
    browser: Browser, weft: Server, signed_in: object, raised: dict[str, Any]
) -> None:
    """The condition part by part, the samples, the order and the lineage."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto(f"/alarms/{raised['alarm_id']}")
        why = page.get_by_role("region", name="Why it was raised")
        expect(why.locator("tbody tr").first).to_be_visible()
        page.get_by_role("region", name="Work orders").get_by_role("link").first.click()
        page.get_by_role("heading", name="Evidence", level=3).wait_for()
        expect(page.get_by_role("region", name="Where it comes from")).to_contain_text("rule")
        watched.require_clean()


def test_a_work_order_is_commented_and_closed_and_opened_again(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """What is done here is asked first where it ends something, and can be taken back."""
    order = ovens.server.call("GET", "/work-orders")["items"][0]
    path = f"/work-orders/{order['work_order_id']}"
    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        page.goto("/work-orders")
        page.get_by_role("link", name=order["title"]).first.wait_for()
        page.goto(path)
        remarks = page.get_by_role("region", name="Remarks")
        page.get_by_role("button", name="Comment").click()
        page.get_by_role("dialog").get_by_label("Comment").fill("the seal is worn")
        page.get_by_role("dialog").get_by_role("button", name="Comment").click()
        expect(remarks).to_contain_text("the seal is worn")
        page.get_by_role("button", name="Close", exact=True).click()
        closing = page.get_by_role("dialog", name="Close the work order")
        closing.get_by_role("button", name="Close", exact=True).last.click()
        page.get_by_role("button", name="Open again").click()
        assert ovens.server.call("GET", path)["state"] == "closed"
        again = page.get_by_role("dialog", name="Open it again")
        again.get_by_label("Comment").fill("it still leaks")
        again.get_by_role("button", name="Open again").click()
        expect(remarks).to_contain_text("it still leaks")
        expect(page.get_by_role("button", name="Close", exact=True)).to_be_visible()
        assert ovens.server.call("GET", path)["state"] == "open"
        watched.require_clean()

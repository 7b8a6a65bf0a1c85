"""Alarms and work orders: what an operator does with them, by mouse and by keyboard."""

import re
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import START_S, Server, opened


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
    browser: Browser, weft: Server, signed_in: object, raised: dict[str, Any]
) -> None:
    """All shown are given a priority at once, and each says so."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/alarms")
        _row(page, "Alarms").first.wait_for()
        page.get_by_role("button", name="Mark all shown").click()
        page.get_by_role("button", name="Set priority").click()
        page.get_by_role("dialog").get_by_label("Priority").select_option("urgent")
        page.get_by_role("dialog").get_by_role("button", name="Set priority").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(_row(page, "Alarms").first).to_contain_text("urgent")
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
    browser: Browser, weft: Server, signed_in: object, raised: dict[str, Any]
) -> None:
    """What is done here is asked first where it ends something, and can be taken back."""
    order = weft.call("GET", f"/work-orders?alarm={raised['alarm_id']}")["items"][0]
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/work-orders")
        page.get_by_role("link", name=order["title"]).first.wait_for()
        page.goto(f"/work-orders/{order['work_order_id']}")
        page.get_by_role("button", name="Comment").click()
        page.get_by_role("dialog").get_by_label("Comment").fill("the seal is worn")
        page.get_by_role("dialog").get_by_role("button", name="Comment").click()
        expect(page.get_by_role("region", name="Remarks")).to_contain_text("the seal is worn")
        if page.get_by_role("button", name="Close", exact=True).count():
            page.get_by_role("button", name="Close", exact=True).first.click()
            page.get_by_role("dialog").get_by_role("button", name="Close", exact=True).last.click()
        page.get_by_role("button", name=re.compile("Open again")).wait_for()
        watched.require_clean()

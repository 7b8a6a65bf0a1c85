"""Explore: choosing, comparing, saving, sharing and exporting, all of it by keyboard too."""

import re
import time
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import START_S, Server, opened, settle


@pytest.fixture(scope="module")
def _measured(weft: Server) -> None:
    """pump-1 and pump-2 have said something."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(HTTPError):  # the demonstration has not made them yet
            found = weft.call("GET", "/history?devices=pump-1,pump-2&keys=vibration&limit=200")
            if len({row["device"] for row in found["items"]}) == 2:
                return
        time.sleep(0.2)
    raise AssertionError("The pumps have said nothing.")


def _choose(page: Page) -> None:
    """Two devices and a value, with the keyboard alone."""
    search = page.get_by_label("Add a device", exact=True).first
    for name in ("pump-1", "pump-2"):
        search.fill(name)
        page.get_by_role("button", name=name, exact=True).wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("button", name=f"Take {name} away").wait_for()
    page.get_by_label("vibration").focus()
    page.keyboard.press("Space")


@pytest.mark.usefixtures("_measured")
def test_values_of_two_devices_are_compared_and_the_address_shows_them_again(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """What is looked at stands in the address: a reload shows the same."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/explore")
        _choose(page)
        page.get_by_label("Over").select_option("1h")
        page.get_by_label("Of each step").select_option("max")
        chart = page.get_by_role("figure")
        expect(chart.get_by_role("img")).to_have_accessible_name(re.compile("pump-2 vibration"))
        page.get_by_label("Compare with").select_option("1h")
        expect(page).to_have_url(re.compile("devices=pump-1%2Cpump-2.*compare=1h"))
        page.reload()
        expect(chart.get_by_role("img")).to_have_accessible_name(re.compile("pump-2 vibration"))
        expect(page.get_by_label("Compare with")).to_have_value("1h")
        watched.require_clean()


@pytest.mark.usefixtures("_measured")
def test_a_view_is_saved_shared_opened_and_deleted(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """And what was deleted comes back by Undo."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/explore")
        _choose(page)
        page.get_by_role("button", name="Save this view").click()
        page.get_by_label("Name of the view").fill("<b>pumps</b>")
        page.keyboard.press("Enter")
        views = page.get_by_role("region", name="Saved views")
        views.get_by_role("button", name="<b>pumps</b>", exact=True).wait_for()
        views.get_by_role("button", name="Share").click()
        expect(views.get_by_text("shared", exact=True)).to_be_visible()
        before = weft.call("GET", "/views")["items"][0]["query"]
        page.get_by_label("Compare with").select_option("1h")
        views.get_by_role("button", name="Save over it").click()
        question = page.get_by_role("dialog", name="Save over <b>pumps</b>?")
        question.get_by_role("button", name="Cancel").click()
        expect(question).to_have_count(0)
        assert weft.call("GET", "/views")["items"][0]["query"] == before
        views.get_by_role("button", name="Save over it").click()
        question.get_by_role("button", name="Save over it").click()
        expect(page.get_by_text("Saved", exact=True).last).to_be_visible()
        expect(question).to_have_count(0)
        settle(page)
        assert weft.call("GET", "/views")["items"][0]["query"]["compare"] == "1h"
        page.goto("/explore")
        views.get_by_role("button", name="<b>pumps</b>", exact=True).click()
        expect(page.get_by_role("figure")).to_be_visible()
        views.get_by_role("button", name="Delete <b>pumps</b>").click()
        page.get_by_role("button", name="Undo").click()
        views.get_by_role("button", name="<b>pumps</b>", exact=True).wait_for()
        expect(page.get_by_text("Undone")).to_be_visible()
        watched.require_clean()


def test_what_cannot_be_undone_is_not_called_undone(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """The server refuses the view that would come back: that is said, and nothing else."""
    weft.call("POST", "/views", {"name": "gone", "page": "explore", "query": {}})
    with opened(browser, weft, state=signed_in) as (page, _):
        page.goto("/explore")
        page.get_by_role("button", name="Delete gone").click()
        problem = {"code": "quota_exceeded", "detail": "There is no room.", "remedy": "Make some."}
        page.route("**/api/v1/views", lambda route: route.fulfill(status=429, json=problem))
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("There is no room.")).to_be_visible()
        page.wait_for_timeout(300)
        expect(page.get_by_text("Undone")).to_have_count(0)


@pytest.mark.usefixtures("_measured")
def test_what_is_looked_at_is_exported(browser: Browser, weft: Server, signed_in: object) -> None:
    """As CSV and as Parquet, by the links of the page."""
    with opened(browser, weft, state=signed_in) as (page, _):
        page.goto("/explore")
        _choose(page)
        for name, begins in (("CSV", b"device,key,"), ("Parquet", b"PAR1")):
            with page.expect_download() as told:
                page.get_by_role("link", name=f"Export {name}").click()
            content: Any = told.value.path().read_bytes()
            assert content.startswith(begins), content[:80]

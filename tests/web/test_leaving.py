"""What is not saved is not left unseen: by a link, a key, the way back, a reload, or a sign-out."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect
from tests.web.support import Server, opened

NEW_RULE = re.compile("/new-rule$")


@pytest.fixture
def writing(browser: Browser, weft: Server, signed_in: object) -> Iterator[tuple[Page, Any]]:
    """A new rule that was come to from the list of rules, with a name."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/rules")
        page.get_by_role("link", name="New rule").first.click()
        page.get_by_label("Name", exact=True).fill("half-written")
        yield page, watched


def _question(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Leave without saving?")


def _stay(page: Page) -> None:
    _question(page).get_by_role("button", name="Cancel").click()
    expect(_question(page)).to_have_count(0)
    expect(page).to_have_url(NEW_RULE)
    expect(page.get_by_label("Name", exact=True)).to_have_value("half-written")


def _leave(page: Page) -> None:
    _question(page).get_by_role("button", name="Leave").click()


def test_a_link_and_a_key_ask_before_they_go(writing: tuple[Page, Any]) -> None:
    """And go where they were to go, once one has said so."""
    page, watched = writing
    devices = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Devices")
    devices.click()
    _stay(page)
    page.locator("#content").focus()
    page.keyboard.press("g")
    page.keyboard.press("a")
    _stay(page)
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Go to a page or a device").fill("explore")
    page.keyboard.press("Enter")
    _stay(page)
    devices.click()
    _leave(page)
    page.get_by_role("heading", name="Devices", level=1).wait_for()
    watched.require_clean()


def test_the_way_back_asks_and_leads_there_in_the_end(writing: tuple[Page, Any]) -> None:
    """One that is taken back is not spent: the next leads to the same page, and forward again."""
    page, watched = writing
    page.go_back()
    _stay(page)
    page.go_back()
    _leave(page)
    page.get_by_role("heading", name="Rules", level=1).wait_for()
    page.go_forward()
    page.get_by_role("heading", name="New rule", level=1).wait_for()
    expect(page.get_by_label("Name", exact=True)).to_have_value("")
    page.go_back()
    page.get_by_role("heading", name="Rules", level=1).wait_for()
    expect(_question(page)).to_have_count(0)
    watched.require_clean()


def test_the_browser_asks_who_reloads(writing: tuple[Page, Any]) -> None:
    """As long as there is something to lose, and then no more."""
    page, _ = writing
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", answer)
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => window.location.reload())")
    expect(page.get_by_label("Name", exact=True)).to_have_value("half-written")
    assert asked == ["beforeunload"]
    page.get_by_label("Name", exact=True).fill("")
    page.reload()
    page.get_by_role("heading", name="New rule", level=1).wait_for()
    assert asked == ["beforeunload"]


def test_who_signs_out_is_asked(writing: tuple[Page, Any]) -> None:
    """And is still signed in after a no."""
    page, watched = writing
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    _stay(page)
    watched.require_clean()


def test_what_is_as_it_was_is_left_without_a_word(writing: tuple[Page, Any]) -> None:
    """Typed and taken back again: nothing is lost."""
    page, watched = writing
    page.get_by_role("textbox", name="Condition").fill("vibration > 1")
    page.get_by_role("textbox", name="Condition").fill("")
    page.get_by_label("Name", exact=True).fill("")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Devices").click()
    page.get_by_role("heading", name="Devices", level=1).wait_for()
    expect(_question(page)).to_have_count(0)
    watched.require_clean()


def test_a_version_does_not_take_the_place_of_what_is_written_unasked(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """`Take into the editor` over unsaved words asks; what is saved goes on without a question."""
    rule = {"name": "twice", "when": "vibration > 1000", "severity": "info", "message": "much"}
    weft.call("POST", "/rules", rule)
    weft.call("PUT", "/rules/twice", rule | {"message": "too much"}, If_Match='"1"')
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/rules/twice")
        message = page.get_by_label("Message", exact=True)
        message.fill("far too much")
        page.get_by_role("button", name="Take into the editor").click()
        question = page.get_by_role("dialog", name="Take version 1 into the editor?")
        question.get_by_role("button", name="Cancel").click()
        expect(message).to_have_value("far too much")
        page.get_by_role("button", name="Take into the editor").click()
        question.get_by_role("button", name="Take into the editor").click()
        expect(message).to_have_value("much")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("version 3").first).to_be_visible()
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Devices").click()
        page.get_by_role("heading", name="Devices", level=1).wait_for()
        watched.require_clean()
    weft.call("DELETE", "/rules/twice")


def test_a_type_that_is_changed_is_not_left_by_another_tab_unasked(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """After a no the tab of types is still the chosen one, and what was written is there."""
    name = weft.call("GET", "/types")["items"][0]["name"]
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto(f"/onboarding?tab=types&type={name}")
        page.get_by_label("Title").fill("Another title")
        page.get_by_role("tab", name="Quarantine").click()
        _question(page).get_by_role("button", name="Cancel").click()
        types = page.get_by_role("tab", name="Types")
        expect(types).to_have_attribute("aria-selected", "true")
        expect(page.get_by_label("Title")).to_have_value("Another title")
        page.get_by_role("link", name="← ").first.click()
        _leave(page)
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_label("Title")).not_to_have_value("Another title")
        page.get_by_role("tab", name="Quarantine").click()
        expect(page.get_by_role("tab", name="Quarantine")).to_have_attribute(
            "aria-selected", "true"
        )
        expect(_question(page)).to_have_count(0)
        watched.require_clean()

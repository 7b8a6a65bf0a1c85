"""The dashboard as a person has it: signing in, moving about, every page clean."""

import re

import pytest
from playwright.sync_api import Browser, expect
from tests.web.support import APP, NAME, Server, opened, sign_in, violations

_FOUND = [
    path
    for page in sorted((APP / "src/pages").glob("*/page.ts"))
    for path in re.findall(r"path: '([^']+)'", page.read_text("utf-8"))
]
PATHS = [path for path in _FOUND if ":" not in path]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("phone", [False, True])
def test_every_page_is_clean_and_accessible(
    browser: Browser, weft: Server, signed_in: object, path: str, phone: bool
) -> None:
    """No error, no other machine asked, nothing that the policy stops, nothing for axe.

    Light, then dark: the page follows the system while it is open.
    """
    with opened(browser, weft, state=signed_in, phone=phone) as (page, watched):
        page.goto(path)
        page.get_by_role("heading", level=1).wait_for()
        page.wait_for_timeout(700)
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            found = violations(page)
            assert not found, f"{colours}: " + "\n".join(found)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{overflow} px to the side"
        watched.require_clean()


def test_a_person_signs_in_and_out(browser: Browser, weft: Server) -> None:
    """The cookie is kept by the browser, and no script reads it."""
    with opened(browser, weft) as (page, watched):
        sign_in(page)
        cookie = next(one for one in page.context.cookies() if one["name"] == "__Host-weft")
        assert cookie["httpOnly"]
        assert cookie["secure"]
        assert cookie["sameSite"] == "Strict"
        assert page.evaluate("document.cookie") == ""
        page.reload()
        page.get_by_role("heading", name="Overview").wait_for()
        page.get_by_role("button", name=re.compile("Account")).click()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        assert not [one for one in page.context.cookies() if one["name"] == "__Host-weft"]
        watched.require_clean()


def test_a_wrong_password_is_told_in_words(browser: Browser, weft: Server) -> None:
    """And what was typed as the name stays."""
    with opened(browser, weft) as (page, _):
        page.goto("/devices")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill("not the password at all")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("do not go together")
        expect(page.get_by_label("Name")).to_have_value(NAME)


def test_the_keyboard_alone_reaches_every_page(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """`g` and a letter, the search, and the help that says so."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview").wait_for()
        page.keyboard.press("g")
        page.keyboard.press("d")
        page.get_by_role("heading", name="Devices").wait_for()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Keyboard help")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Go to a page").fill("pump-1")
        page.get_by_role("option", name=re.compile("pump-1")).first.wait_for()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="pump-1").wait_for()
        watched.require_clean()


def test_an_address_that_is_no_page_says_so(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """And shows the way back."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/no/such/page")
        page.get_by_text("There is no such page").wait_for()
        page.get_by_role("link", name="To the overview").click()
        page.get_by_role("heading", name="Overview").wait_for()
        watched.require_clean()

"""What surrounds every page: the drawer of a phone, colours, and a session that ends."""

import re

from playwright.sync_api import Browser, expect
from tests.web.support import NAME, PASSWORD, Server, hold, opened, sign_in, violations


def test_a_phone_has_a_drawer(browser: Browser, weft: Server, signed_in: object) -> None:
    """Opened by a thumb, closed by going somewhere or by Escape."""
    with opened(browser, weft, state=signed_in, phone=True) as (page, watched):
        page.goto("/overview")
        devices = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Devices")
        expect(devices).to_be_hidden()
        page.get_by_role("button", name="Menu").click()
        expect(devices).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        page.keyboard.press("Escape")
        expect(devices).to_be_hidden()
        page.get_by_role("button", name="Menu").click()
        devices.click()
        page.get_by_role("heading", name="Devices").wait_for()
        expect(devices).to_be_hidden()
        watched.require_clean()


def test_the_navigation_marks_what_a_page_is_a_part_of(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """An alarm is a part of the alarms, also one that is not there; a list is itself."""
    with opened(browser, weft, state=signed_in) as (page, _watched):
        marked = page.get_by_role("navigation", name="Pages").locator("a[aria-current]")
        for path, name, how in (
            ("/alarms", "Alarms", "page"),
            ("/alarms/none", "Alarms", "true"),
            ("/work-orders/none", "Work orders", "true"),
            ("/rules/none", "Rules", "true"),
            ("/new-rule", "Rules", "true"),
            ("/connectors/none", "Connectors", "true"),
            ("/devices/none", "Devices", "true"),
        ):
            page.goto(path)
            expect(marked).to_have_count(1)
            expect(marked).to_contain_text(name)
            expect(marked).to_have_attribute("aria-current", how)


def test_colours_are_chosen_and_kept(browser: Browser, weft: Server, signed_in: object) -> None:
    """Against the system's, until chosen otherwise."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/overview")
        page.get_by_role("button", name="Account").click()
        page.get_by_role("radio", name="Dark").click()
        body = page.locator("body")
        expect(body).to_have_css("background-color", "rgb(14, 19, 18)")
        page.reload()
        page.get_by_role("heading", name="Overview").wait_for()
        expect(body).to_have_css("background-color", "rgb(14, 19, 18)")
        watched.require_clean()


def test_a_session_that_ended_elsewhere_asks_for_the_password_and_goes_on(
    browser: Browser, weft: Server
) -> None:
    """Cut by an administrator: one is told, signs in, and is where one was."""
    with opened(browser, weft) as (page, _watched):
        page.goto("/devices/pump-2?tab=twin")
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("tab", name="Twin").wait_for()
        browsers = [one for one in weft.call("GET", "/sessions")["items"] if one["browser"]]
        newest = max(browsers, key=lambda one: one["created_at"])
        weft.call("DELETE", f"/sessions/{newest['session_id']}")
        page.get_by_text("Your session is over").wait_for()
        page.get_by_label("Name").fill(NAME)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="pump-2").wait_for()
        expect(page.get_by_role("tab", name="Twin")).to_have_attribute("aria-selected", "true")


def test_the_first_key_skips_to_the_page(browser: Browser, weft: Server, signed_in: object) -> None:
    """Past the navigation, for those who go by keyboard."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview").wait_for()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#content")).to_be_focused()
        watched.require_clean()


def test_a_link_to_a_page_with_another_query_is_followed(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """`Alarms` shows all of them, also from a filtered list; the way back has the filter."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/alarms?severity=critical")
        severity = page.get_by_label("Severity")
        expect(severity).to_have_value("critical")
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Alarms").click()
        expect(severity).to_have_value("")
        expect(page).to_have_url(f"{weft.url}/alarms")
        page.go_back()
        expect(severity).to_have_value("critical")
        watched.require_clean()


def test_a_page_that_follows_its_query_stays(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """An operation is chosen by a link: what was looked for in the list is still there."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/reference")
        look = page.get_by_role("searchbox").first
        look.fill("alarm")
        page.locator("a[href*='operation=']").first.click()
        expect(page).to_have_url(re.compile("operation="))
        expect(look).to_have_value("alarm")
        watched.require_clean()


def test_an_address_that_was_cut_is_no_page(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Half a character in it: one is told, and can go on."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/devices/%E0")
        expect(page.get_by_text("There is no such page")).to_be_visible()
        page.get_by_role("link", name="To the overview").click()
        page.get_by_role("heading", name="Overview").wait_for()
        watched.require_clean()


def test_a_part_whose_file_is_gone_says_so_and_can_be_loaded_again(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """The server was replaced since the page was opened: tabs and help are told, not left blank."""
    told = "This part could not be loaded"
    with opened(browser, weft, state=signed_in) as (page, _watched):
        page.goto("/devices/pump-1")
        page.get_by_role("tab", name="Charts").wait_for()
        held = hold(page, "**/*.js")
        page.get_by_role("tab", name="Charts").click()
        page.get_by_role("progressbar", name="Loading").wait_for()
        for one in held:
            one.abort()
        page.unroute("**/*.js")
        expect(page.get_by_role("alert").filter(has_text=told)).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        page.route("**/*.js", lambda route: route.fulfill(status=404, body=""))
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name=told)
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)
        page.unroute("**/*.js")
        page.goto("/security")
        page.get_by_role("tab", name="Audit").wait_for()
        page.route("**/*.js", lambda route: route.fulfill(status=404, body=""))
        page.get_by_role("tab", name="Audit").click()
        page.get_by_text(told).wait_for()
        page.unroute("**/*.js")
        page.get_by_role("button", name="Load again").click()
        page.get_by_role("region", name="State of the chain").wait_for()


def test_who_cannot_sign_out_is_told(browser: Browser, weft: Server) -> None:
    """The server refuses, so the cookie is still good: one is not shown as gone."""
    with opened(browser, weft) as (page, _watched):
        sign_in(page)
        page.route(
            "**/api/v1/sessions/current",
            lambda route: route.fulfill(
                status=503, json={"detail": "Weft is stopping."}, content_type="application/json"
            ),
        )
        page.get_by_role("button", name="Account").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_text("Weft is stopping.")).to_be_visible()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        page.unroute("**/api/v1/sessions/current")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Password").wait_for()


def test_a_page_that_could_not_be_loaded_is_forgotten_on_the_way_back(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """The network was away for a moment: where one came from is still there."""
    with opened(browser, weft, state=signed_in) as (page, _watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        page.route("**/*.js", lambda route: route.abort())
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Security").click()
        page.get_by_text("The page could not be loaded").wait_for()
        page.unroute("**/*.js")
        page.go_back()
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        expect(page.get_by_text("The page could not be loaded")).to_have_count(0)

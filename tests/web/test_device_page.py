"""A device's page: what it says now, what is wanted of it, and what stands in its way."""

import time

import pytest
from playwright.sync_api import Browser, Route, expect
from tests.web.support import Server, opened, settle, violations

TABS = (
    *("now", "charts", "twin", "commands"),
    *("events", "messages", "connection", "credentials", "about"),
)
BUSY_MS = 30_000  # a page that reads again, on a machine that does much else


@pytest.mark.parametrize("phone", [False, True])
def test_every_part_of_a_device_is_clean_and_accessible(
    browser: Browser, weft: Server, signed_in: object, phone: bool
) -> None:
    """By clicking from one to the next, light on a desk and dark on a phone."""
    with opened(browser, weft, state=signed_in, phone=phone, dark=phone) as (page, watched):
        page.goto("/devices/pump-1")
        for name in TABS:
            page.get_by_role("tab", name=name, exact=False).first.click()
            page.wait_for_timeout(700)
            found = violations(page)
            assert not found, f"{name}: " + "\n".join(found)
            overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, f"{name}: {overflow} px to the side"
        watched.require_clean()


def test_a_wish_is_checked_saved_and_taken_back(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """What the type does not declare is told while typing; undo brings the old wish back."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/devices/pump-2?tab=twin")
        page.get_by_role("button", name="Change what is desired", exact=True).click()
        editor = page.get_by_role("textbox", name="Desired")
        editor.fill('{"interval_s": "often"}')
        page.get_by_text("interval_s must be of type number").wait_for()
        save = page.get_by_role("button", name="Desire this")
        expect(save).to_be_disabled()
        editor.fill('{"speed": 3}')
        page.get_by_text("declares no property speed").wait_for()
        editor.fill('{"interval_s": 7}')
        save.click()
        row = page.get_by_role("row", name="interval_s")
        expect(row).to_contain_text("7")
        assert weft.call("GET", "/devices/pump-2/twin")["desired"] == {"interval_s": 7}
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("Undone").wait_for()
        assert weft.call("GET", "/devices/pump-2/twin")["desired"] == {}
        watched.require_clean()


def test_a_device_is_found_opened_and_left_by_keyboard(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Arrows in the list, Enter, arrows among the tabs."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/devices?type=factory-machine")  # of what other tests add, none draws
        rows = page.locator("tbody tr")
        page.locator("tbody tr[tabindex='0']").focus()
        second = rows.nth(1).locator("td").first.inner_text()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=second, level=1).wait_for()
        page.get_by_role("tab", name="Now").focus()
        page.keyboard.press("ArrowRight")
        page.get_by_text("Drag over a chart").wait_for()
        page.keyboard.press("End")
        page.get_by_role("heading", name="Lifecycle").wait_for()
        watched.require_clean()


def test_a_device_is_deleted_only_by_its_name(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """What cannot be undone is typed."""
    weft.call("POST", "/devices", {"device_id": "to-go"})
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/devices/to-go?tab=about")
        page.get_by_role("button", name="Delete").click()
        dialog = page.get_by_role("dialog")
        act = dialog.get_by_role("button", name="Delete")
        expect(act).to_be_disabled()
        dialog.get_by_label("Type to-go to go on").fill("to-go")
        act.click()
        page.get_by_text("to-go is deleted").wait_for()
        page.get_by_role("heading", name="Devices").wait_for()
        watched.require_clean()


def test_what_is_shown_live_is_what_the_twin_says(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """A payload is mapped by the type, and one that comes late does not undo a newer value."""
    reading = {"temperature": {"from": "t", "scale": 0.1}, "humidity": {"from": "h"}}
    document = {
        "telemetry": {"temperature": {"type": "number"}, "humidity": {"type": "number"}},
        "mapping": {"time": {"from": "at", "unit": "s"}, "telemetry": reading},
    }
    weft.call("PUT", "/types/room-probe", document)
    weft.call("POST", "/devices", {"device_id": "room-1", "type_name": "room-probe"})
    now = int(time.time())
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/devices/room-1")
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=BUSY_MS)
        keys, values = page.locator("dl dt.cut"), page.locator("dd.big")
        weft.call("POST", "/devices/room-1/telemetry", {"t": 215, "at": now})
        expect(values).to_have_text(["21.5"], timeout=BUSY_MS)
        weft.call("POST", "/devices/room-1/telemetry", {"t": 999, "h": 40, "at": now - 600})
        expect(values).to_have_text(["40", "21.5"], timeout=BUSY_MS)
        expect(keys).to_have_text(["humidity", "temperature"])
        watched.require_clean()


def test_the_input_of_a_command_is_kept_while_its_name_is_written(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Half an object, the name, the other half: nothing that was typed is lost."""
    weft.call("POST", "/devices", {"device_id": "bare"})
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/devices/bare?tab=commands")
        page.get_by_role("button", name="Send a command").first.click()
        dialog = page.get_by_role("dialog")
        editor = dialog.get_by_role("textbox", name="Input")
        editor.fill('{"speed": 3')
        dialog.get_by_label("Command").fill("spin")
        expect(editor).to_have_value('{"speed": 3')
        editor.press("End")
        editor.press_sequentially(', "left": true}')
        dialog.get_by_role("button", name="Send", exact=True).click()
        page.get_by_text("spin").wait_for()
        (command,) = weft.call("GET", "/devices/bare/commands")["items"]
        assert (command["name"], command["input"]) == ("spin", {"speed": 3, "left": True})
        watched.require_clean()


def test_events_come_with_their_units_page_by_page_and_live(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """None at first, and how to send one; then what comes, by name, and what is further back."""
    fields = {"rate": {"type": "number", "unit": "Cel"}}
    document = {"events": {"overheat": fields, "stop": {}}}
    weft.call("PUT", "/types/oven", document)
    weft.call("POST", "/devices", {"device_id": "oven-1", "type_name": "oven"})
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/devices/oven-1?tab=events")
        page.get_by_text("No event of it is kept").wait_for()
        expect(page.get_by_text("devices/me/events/overheat").first).to_be_visible()
        assert not violations(page)
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=BUSY_MS)
        weft.call("POST", "/devices/oven-1/events/overheat", {"rate": 3.5})
        rows = page.get_by_role("region", name="Events", exact=True).locator("tr[data-at]")
        expect(rows).to_have_count(1, timeout=BUSY_MS)
        expect(rows.first).to_contain_text("overheat")
        expect(rows.first).to_contain_text("3.5 °C")
        for _ in range(110):  # more than a page
            weft.call("POST", "/devices/oven-1/events/stop", {})
        expect(rows.first).to_contain_text("stop", timeout=BUSY_MS)
        page.reload()
        expect(rows.first).to_contain_text("stop")
        rows.first.focus()
        page.keyboard.press("End")  # of the first page; the next is read
        table = page.get_by_role("table")
        expect(table).to_have_attribute("aria-rowcount", "112", timeout=BUSY_MS)
        page.locator(":focus[data-at='99']").press("End")
        expect(rows.filter(has_text="overheat")).to_have_count(1, timeout=BUSY_MS)
        page.get_by_role("combobox", name="Event").select_option("overheat")
        expect(rows).to_have_count(1)
        weft.call("POST", "/devices/oven-1/events/overheat", {"rate": 4})
        expect(rows).to_have_count(2, timeout=BUSY_MS)
        expect(rows.first).to_contain_text("4 °C")
        rows.first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("message").wait_for()
        expect(dialog).to_contain_text("4 °C")
        assert not violations(page)
        watched.require_clean()


def test_messages_say_how_far_back_they_were_looked_for(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Nothing is no answer by itself: until when, and a way to look further back."""
    weft.call("POST", "/devices", {"device_id": "quiet"})
    weft.call("POST", "/devices/quiet/telemetry", {"first": 1})
    url = "**/api/v1/devices/quiet/messages?*"
    found = weft.call("GET", "/devices/quiet/messages")
    since = found["items"][0]["received_at"]
    nothing = {"items": [], "searched_from": 7_000, "searched_since": since}

    def answered(route: Route) -> None:
        is_further = "before=7000" in route.request.url
        route.fulfill(json={**found, "searched_from": None} if is_further else nothing)

    with opened(browser, weft, state=signed_in) as (page, watched):
        page.route(url, answered)
        page.goto("/devices/quiet?tab=messages")
        page.get_by_text("No message of it was found").wait_for()
        page.get_by_text("Looked through what came in since").wait_for()
        page.get_by_role("button", name="Look further back").click()
        page.locator("code").filter(has_text='"first"').first.wait_for()
        page.get_by_text("No older messages of it are kept").wait_for()
        expect(page.get_by_role("button", name="Look further back")).to_have_count(0)
        assert not violations(page)
        watched.require_clean()


def test_an_older_answer_does_not_replace_a_newer_one(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Read twice, and the first answer comes last: the badge says what the second one said."""
    url = "**/api/v1/devices/pump-2/connection"
    now = weft.call("GET", "/devices/pump-2/connection")
    held: list[Route] = []

    def keep_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    with opened(browser, weft, state=signed_in) as (page, watched):
        page.route(url, keep_the_first)
        page.goto("/devices/pump-2")
        state = page.locator(".state").first
        expect(state).to_contain_text("connected")
        with page.expect_response(url):
            held[0].fulfill(json={**now, "connected": not now["connected"]})
        settle(page)
        words = "connected" if now["connected"] else "not connected"
        expect(state.get_by_text(words, exact=True)).to_be_visible()
        watched.require_clean()

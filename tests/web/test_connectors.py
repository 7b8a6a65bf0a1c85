"""Connectors: how they are, what they refused and how it is sent again, who listens."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.web.business import Business, business_at
from tests.web.support import opened, sign_in, violations

HOSTILE = "<img src=x onerror=window.ran=1>"


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """A Weft whose webhook goes to a receiver of ours."""
    with business_at(tmp_path_factory.mktemp("business")) as made:
        yield made


@pytest.fixture(scope="module")
def inside(browser: Browser, business: Business) -> Any:
    """The cookie of somebody who has signed in there."""
    with opened(browser, business.server) as (page, _):
        sign_in(page)
        return page.context.storage_state()


def test_a_connector_is_found_and_tested(
    browser: Browser, business: Business, inside: object
) -> None:
    """From the list to the test button, which tells what the far side said."""
    business.status = 204
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors")
        page.get_by_role("link", name="alerts").click()
        page.get_by_role("heading", name="alerts", level=1).wait_for()
        page.get_by_role("button", name="Test", exact=True).click()
        expect(page.get_by_text("It answers:")).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_a_mapping_is_tried_before_it_is_saved(
    browser: Browser, business: Business, inside: object
) -> None:
    """A hostile text is a value in the request, and a word on the page."""
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/alerts")
        page.get_by_label("Name of the field").fill("hall")
        page.get_by_role("button", name="Add a field").click()
        page.get_by_label("Expression of hall").fill(f"'{HOSTILE}'")
        page.get_by_role("button", name="Show the request").click()
        sandbox = page.get_by_role("region", name="Try it on an alarm")
        expect(sandbox.locator("pre").last).to_contain_text(HOSTILE)
        page.get_by_role("button", name="Save the mapping").click()
        expect(page.get_by_text("Mapping saved")).to_be_visible()
        saved = business.server.call("GET", "/connectors/alerts/mapping")
        assert saved["fields"] == {"hall": f"'{HOSTILE}'"}
        assert not violations(page), "\n".join(violations(page))
        page.get_by_role("button", name="Back to all defaults").click()
        page.get_by_role("dialog").get_by_role("button", name="Back to all defaults").click()
        expect(page.get_by_text("The defaults are in force")).to_be_visible()
        assert page.evaluate("window.ran") is None
        watched.require_clean()


def test_a_mapping_that_is_not_saved_is_not_left_unasked(
    browser: Browser, business: Business, inside: object
) -> None:
    """And is left without a word when it is discarded."""
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/alerts")
        page.get_by_label("Name of the field").fill("hall")
        page.get_by_role("button", name="Add a field").click()
        page.get_by_label("Expression of hall").fill("'north'")
        rules = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Rules")
        rules.click()
        question = page.get_by_role("dialog", name="Leave without saving?")
        question.get_by_role("button", name="Cancel").click()
        expect(page.get_by_label("Expression of hall")).to_have_value("'north'")
        page.get_by_role("button", name="Discard").click()
        rules.click()
        page.get_by_role("heading", name="Rules", level=1).wait_for()
        expect(question).to_have_count(0)
        watched.require_clean()


def test_what_was_refused_is_sent_again_one_and_many(
    browser: Browser, business: Business, inside: object
) -> None:
    """Three are dead: one is sent again from its details, the others marked together."""
    business.refuse("oven-0", "oven-1", "oven-2")
    business.status = 204
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors?tab=outbox&state=dead")
        rows = page.get_by_role("region", name="Outbox").locator("tbody tr[data-at]")
        expect(rows).to_have_count(3)
        rows.first.click()
        dialog = page.get_by_role("dialog", name="One action")
        expect(dialog).to_contain_text("night shift")
        dialog.get_by_role("button", name="Send again").click()
        question = page.get_by_role("dialog", name="Send it again?")
        question.get_by_role("button", name="Send again").click()
        expect(page.get_by_text("On its way again")).to_be_visible()
        expect(rows).to_have_count(2)
        page.get_by_role("button", name="Mark all dead").click()
        page.get_by_role("button", name="Send again").click()
        page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        expect(page.get_by_text("2 on their way again")).to_be_visible()
        expect(page.get_by_text("Nothing is dead")).to_be_visible()
        assert business.dead() == []
        watched.require_clean()


def test_a_mapping_is_tried_on_an_alarm_that_there_was(
    browser: Browser, business: Business, inside: object
) -> None:
    """The alarm of an oven is chosen, and its own words stand in the request."""
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/alerts")
        sandbox = page.get_by_role("region", name="Try it on an alarm")
        alarm = business.server.call("GET", "/alarms?device=oven-0")["items"][0]
        sandbox.get_by_label("Alarm", exact=True).select_option(alarm["alarm_id"])
        sandbox.get_by_role("button", name="Show the request").click()
        expect(sandbox.locator("pre").last).to_contain_text("oven-0 is too warm")
        watched.require_clean()


def test_what_was_refused_is_sent_again_by_keyboard_alone(
    browser: Browser, business: Business, inside: object
) -> None:
    """`g c`, the tab by arrow, into the list, x, and the questions by Enter."""
    business.refuse("oven-3")
    business.status = 204
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        page.keyboard.press("g")
        page.keyboard.press("c")
        page.get_by_role("heading", name="Connectors", level=1).wait_for()
        page.get_by_role("tab", name="Connectors").focus()
        page.keyboard.press("ArrowRight")
        page.get_by_role("region", name="Outbox").locator("tbody tr[data-at]").first.wait_for()
        page.get_by_label("State").focus()
        page.keyboard.type("Dead")
        row = page.get_by_role("region", name="Outbox").locator("tbody tr[data-at]")
        expect(row).to_have_count(1)
        row.first.focus()
        page.keyboard.press("Enter")
        for title in ("One action", "Send it again?"):
            dialog = page.get_by_role("dialog", name=title)
            dialog.get_by_role("button", name="Send again").focus()
            page.keyboard.press("Enter")
            dialog.wait_for(state="hidden")
        expect(page.get_by_text("Nothing is dead")).to_be_visible()
        watched.require_clean()


def test_a_receiver_is_subscribed_tried_and_taken_off(
    browser: Browser, business: Business, inside: object
) -> None:
    """Its secret is shown once and kept nowhere; an odd name is a name."""
    business.status = 204
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors?tab=subscriptions")
        page.get_by_role("button", name="New subscription").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Name").fill("cmms")
        dialog.get_by_label("Address that events").fill(business.url)
        dialog.get_by_label("Devices", exact=True).check()
        dialog.get_by_label("Ask first").uncheck()
        dialog.get_by_role("button", name="Subscribe").click()
        expect(dialog).to_contain_text("never shown again")
        secret = dialog.locator("pre").inner_text().strip()
        assert len(secret) > 20
        dialog.get_by_role("button", name="I have copied it").click()
        stored = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert secret not in stored
        assert secret not in page.url
        assert secret not in page.content()
        shown = page.get_by_role("region", name="Subscription cmms")
        shown.wait_for()
        assert not violations(page), "\n".join(violations(page))
        shown.get_by_role("button", name="Send a test event").click()
        expect(shown.get_by_text("Taken", exact=True)).to_be_visible()
        shown.get_by_role("button", name="Let it rest").click()
        shown.get_by_role("button", name="Let it go on").click()
        expect(shown.get_by_role("button", name="Let it rest")).to_be_visible()
        shown.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("Nobody listens to events")).to_be_visible()
        watched.require_clean()


def test_dead_events_of_a_subscription_are_sent_again(
    browser: Browser, business: Business, inside: object
) -> None:
    """The receiver refuses an event of a device; later it takes it. Hostile words stay words."""
    business.status = 422
    body = {
        "name": "odd",
        "url": business.url + "?x=" + "%3Cimg%20src=x%3E",
        "topics": ["device"],
        "filter": f"device.attributes.note != '{HOSTILE}'",
        "handshake": False,
    }
    business.server.call("POST", "/subscriptions", body)
    business.server.call("POST", "/devices", {"device_id": "new-oven", "attributes": {"note": "x"}})
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors?tab=subscriptions&subscription=odd")
        shown = page.get_by_role("region", name="Subscription odd")
        again = shown.get_by_role("button", name="Send again").first
        for _ in range(40):
            page.reload()
            shown.wait_for()
            page.wait_for_timeout(300)
            if again.count():
                break
        expect(shown.get_by_text(HOSTILE)).to_be_visible()
        business.status = 204
        again.click()
        page.get_by_role("dialog").get_by_role("button", name="Send again").click()
        expect(page.get_by_text("On its way again")).to_be_visible()
        assert page.evaluate("window.ran") is None
        watched.require_clean()


def test_the_lines_that_set_one_up_are_read_by_weft(
    browser: Browser, business: Business, inside: object
) -> None:
    """What the page says to write is TOML, and names a kind that Weft knows."""
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors")
        page.get_by_label("Business system").wait_for()
        for kind in ("tryton", "odoo", "salesforce", "sap", "webhook", "email", "slack"):
            page.get_by_label("Business system").select_option(kind)
            lines = page.get_by_label("weft.toml").inner_text()
            table = next(iter(tomllib.loads(lines)["connectors"].values()))
            assert table["kind"] == kind
        watched.require_clean()


def test_the_outbox_of_a_connector_is_its_own_and_follows_by_itself(
    browser: Browser, business: Business, inside: object
) -> None:
    """From the connector's page to what goes there; what is new stands there without a key."""
    business.status = 204
    business.cool("oven-0")
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/alerts")
        page.get_by_role("link", name="Its outbox").click()
        expect(page.get_by_label("Connector", exact=True)).to_have_value("alerts")
        rows = page.get_by_role("region", name="Outbox").locator("tbody tr[data-at]")
        listed = business.server.call("GET", "/outbox?connector=alerts")["items"]
        assert len(listed) > 0
        expect(rows).to_have_count(len(listed))
        business.warm("oven-0")
        expect(rows).to_have_count(len(listed) + 1)
        expect(rows.first).to_contain_text("delivered")  # as the far side has taken it
        page.get_by_label("Connector", exact=True).fill("nobody")
        expect(page.get_by_text("Nothing on its way fits")).to_be_visible()
        expect(page).to_have_url(re.compile("connector=nobody"))
        page.get_by_role("button", name="Clear the filter").click()
        expect(rows).to_have_count(len(listed) + 1)
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_a_tab_names_its_panel_and_the_panel_its_tab(
    browser: Browser, business: Business, inside: object
) -> None:
    """As assistive technology reads it: one tab is chosen, and one panel stands behind it."""
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors")
        for name in ("Connectors", "Outbox", "Subscriptions"):
            tab = page.get_by_role("tab", name=name, exact=True)
            tab.click()
            panel = page.get_by_role("tabpanel", name=name, exact=True)
            expect(panel).to_have_count(1)
            expect(page.get_by_role("tabpanel")).to_have_count(1)
            assert tab.get_attribute("aria-controls") == panel.get_attribute("id")
        page.keyboard.press("Tab")
        expect(panel).to_be_focused()
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()

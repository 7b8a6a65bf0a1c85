"""Connectors set up in the browser: tested, saved, used by a rule, changed and taken away."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.business import WAIT_S, Business, business_at
from tests.web.plant import Plant
from tests.web.support import opened, sign_in, violations

KEY = "s3cret-of-the-receiver-0123456789ab"


@pytest.fixture(scope="module")
def business(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Business]:
    """A Weft whose operator lets tenants reach the receiver on this machine."""
    with business_at(tmp_path_factory.mktemp("set-up")) as made:
        yield made


@pytest.fixture(scope="module")
def inside(browser: Browser, business: Business) -> Any:
    """The cookie of somebody who has signed in there."""
    with opened(browser, business.server) as (page, _):
        sign_in(page)
        return page.context.storage_state()


def fill(page: Page, name: str, url: str) -> Any:
    """Open the form of a webhook and fill it in."""
    page.goto("/connectors")
    page.get_by_role("button", name="New connector").click()
    dialog = page.get_by_role("dialog", name="New connector")
    dialog.get_by_label("Business system").select_option("webhook")
    dialog.get_by_label("Name of the connector").fill(name)
    dialog.get_by_label("Url", exact=True).fill(url)
    dialog.get_by_label("Secret", exact=True).fill(KEY)
    return dialog


def test_one_is_set_up_tested_used_and_taken_away_by_clicking(
    browser: Browser, business: Business, inside: object
) -> None:
    """A wrong address is said beside the form; the right one is saved; a rule's alarm arrives."""
    business.status = 204
    with opened(browser, business.server, state=inside) as (page, watched):
        dialog = fill(page, "mine", business.url.replace("127.0.0.1", "10.0.0.1"))
        assert dialog.get_by_label("Secret", exact=True).get_attribute("type") == "password"
        dialog.get_by_role("button", name="Test", exact=True).click()
        expect(dialog.get_by_text("does not work")).to_be_visible()
        expect(dialog.get_by_text("not a public address")).to_be_visible()
        dialog.get_by_label("Url", exact=True).fill(business.url)
        dialog.get_by_role("button", name="Test", exact=True).click()
        expect(dialog.get_by_text("accepted a signed test event")).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        dialog.get_by_role("button", name="Save").click()
        page.get_by_role("heading", name="mine", level=1).wait_for()
        page.get_by_role("button", name="Test", exact=True).click()
        expect(page.get_by_text("It answers:")).to_be_visible()
        stored = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert KEY not in stored + page.url + page.content()

        rule = {
            "name": "cold",
            "when": "temperature < 5",
            "message": "{device} is too cold",
            "actions": [{"webhook": {"connector": "mine"}}],
        }
        business.server.call("POST", "/rules", rule)
        plant = Plant(business.server)
        plant.add("freezer-1")
        plant.say("freezer-1", {"temperature": 1})
        deadline = time.monotonic() + WAIT_S
        while not any(b"too cold" in body for body in list(business.taken)):
            assert time.monotonic() < deadline, "The receiver was never told."
            time.sleep(0.1)

        page.get_by_role("button", name="Edit").click()
        dialog = page.get_by_role("dialog", name="Change mine")
        expect(dialog.get_by_label("Url", exact=True)).to_have_value(business.url)
        expect(dialog.get_by_label("Secret", exact=True)).to_have_value("")
        expect(dialog.get_by_text("leave it empty to keep it").first).to_be_visible()
        dialog.get_by_text("More settings").click()
        dialog.get_by_label("Timeout (s)").fill("3")
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Changed, and in force")).to_be_visible()
        saved = business.server.call("GET", "/connectors/mine/settings")
        assert saved["settings"] == {"url": business.url, "timeout_s": 3}
        assert saved["version"] == 2

        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        question = page.get_by_role("dialog", name="mine is in use")
        expect(question).to_contain_text("rules cold")
        question.get_by_role("button", name="Delete all the same").click()
        page.get_by_role("heading", name="Connectors", level=1).wait_for()
        names = [one["name"] for one in business.server.call("GET", "/connectors")["items"]]
        assert names == ["alerts"]
        watched.faults = [one for one in watched.faults if "409" not in one]
        watched.require_clean()


def test_a_name_that_is_taken_is_not_written_over(
    browser: Browser, business: Business, inside: object
) -> None:
    """The operator's connector stands in the file: the form says so, and stays as it is."""
    with opened(browser, business.server, state=inside) as (page, watched):
        dialog = fill(page, "alerts", business.url)
        dialog.get_by_role("button", name="Save").click()
        expect(dialog.get_by_text("has a connector named 'alerts' already")).to_be_visible()
        expect(dialog.get_by_label("Name of the connector")).to_have_value("alerts")
        watched.faults = [one for one in watched.faults if "409" not in one]
        watched.require_clean()


def test_the_operators_own_is_not_changed_here(
    browser: Browser, business: Business, inside: object
) -> None:
    """What stands in the configuration has no button that could not work."""
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/alerts")
        page.get_by_role("button", name="Test", exact=True).wait_for()
        assert page.get_by_role("button", name="Edit").count() == 0
        watched.require_clean()


def test_each_kind_has_its_form_and_what_was_chosen_is_asked(
    browser: Browser, business: Business, inside: object
) -> None:
    """By keyboard: of SAP one is asked for user and password, or for a client and its secret."""
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors")
        page.get_by_role("button", name="New connector").focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="New connector")
        system = dialog.get_by_label("Business system")
        for kind in ("email", "odoo", "rest", "salesforce", "slack", "teams", "tryton", "sap"):
            system.select_option(kind)
            expect(dialog.get_by_role("button", name="Save")).to_be_enabled()
        expect(dialog.get_by_label("Auth: password")).to_be_visible()
        dialog.get_by_label("Auth", exact=True).select_option("oauth2")
        expect(dialog.get_by_label("Auth: token url")).to_be_visible()
        assert dialog.get_by_label("Auth: password").count() == 0
        dialog.get_by_text("More settings").click()
        assert not violations(page), "\n".join(violations(page))
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
        watched.require_clean()

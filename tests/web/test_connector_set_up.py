"""Connectors set up in the browser: tested, saved, used by a rule, changed and taken away."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.business import WAIT_S, Business, business_at
from tests.web.plant import Plant
from tests.web.support import hold, let_go, opened, settle, sign_in, violations

KEY = "s3cret-of-the-receiver-0123456789ab"

# What each kind asks for before anything else is opened.
ASKED = {
    "email": ("Url", "Sender", "Password"),
    "odoo": ("Url", "Key"),
    "rest": ("Url", "Create: path"),
    "salesforce": ("Url", "Client id", "Client secret"),
    "slack": ("Webhook",),
    "teams": ("Url", "Webhook"),
    "tryton": ("Url", "Database", "Key"),
    "sap": ("Url", "Auth: user", "Auth: password"),
}


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
        for kind, labels in ASKED.items():
            system.select_option(kind)
            for label in labels:
                expect(dialog.get_by_label(label, exact=True)).to_be_visible()
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


def test_an_item_with_a_comma_outlives_a_change_of_something_else(
    browser: Browser, business: Business, inside: object
) -> None:
    """A state of the far side may be called so; each item has a line of its own."""
    closed = ["done, paid", "void"]
    create = {"path": "/orders/{key}", "once": True, "id": "id"}
    settings = {"url": business.url, "create": create, "closed": closed}
    business.server.call("PUT", "/connectors/any", {"kind": "rest", "settings": settings})
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/any")
        page.get_by_role("button", name="Edit").click()
        dialog = page.get_by_role("dialog", name="Change any")
        dialog.get_by_text("More settings").click()
        expect(dialog.get_by_label("Closed", exact=True)).to_have_value("\n".join(closed))
        dialog.get_by_label("Timeout (s)").fill("3")
        assert not violations(page), "\n".join(violations(page))
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Changed, and in force")).to_be_visible()
        saved = business.server.call("GET", "/connectors/any/settings")
        assert saved["settings"] == {**settings, "timeout_s": 3}
        watched.require_clean()
    business.server.call("DELETE", "/connectors/any")


def test_a_secret_that_need_not_be_is_forgotten(
    browser: Browser, business: Business, inside: object
) -> None:
    """The next secret of a webhook is there for a change of secrets, and taken away after it."""
    secrets = {"secret": KEY, "next_secret": KEY[::-1]}
    order = {"kind": "webhook", "settings": {"url": business.url}, "secrets": secrets}
    business.server.call("PUT", "/connectors/two-keys", order)
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/two-keys")
        page.get_by_role("button", name="Edit").click()
        dialog = page.get_by_role("dialog", name="Change two-keys")
        assert dialog.get_by_label("Forget Secret", exact=True).count() == 0
        dialog.get_by_label("Forget Next secret").check()
        expect(dialog.get_by_label("Next secret", exact=True)).to_be_disabled()
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Changed, and in force")).to_be_visible()
        saved = business.server.call("GET", "/connectors/two-keys/settings")
        assert [one["name"] for one in saved["secrets"]] == ["secret"]
        watched.require_clean()
    business.server.call("DELETE", "/connectors/two-keys")


def test_what_a_test_has_said_holds_for_what_was_tested(
    browser: Browser, business: Business, inside: object
) -> None:
    """A change takes it away, and an answer that comes behind a change is not shown."""
    with opened(browser, business.server, state=inside) as (page, watched):
        dialog = fill(page, "late", business.url)
        business.status = 204
        dialog.get_by_role("button", name="Test", exact=True).click()
        expect(dialog.get_by_text("accepted a signed test event")).to_be_visible()
        dialog.get_by_label("Url", exact=True).fill(business.url + "x")
        expect(dialog.get_by_text("accepted a signed test event")).to_have_count(0)
        held = hold(page, "**/api/v1/connector-trials")
        with page.expect_request("**/api/v1/connector-trials"):
            dialog.get_by_role("button", name="Test", exact=True).click()
        dialog.get_by_label("Business system").select_option("odoo")
        with page.expect_response("**/api/v1/connector-trials"):
            let_go(page, "**/api/v1/connector-trials", held)
        settle(page)
        expect(dialog.locator(".answer")).to_have_count(0)
        expect(dialog.get_by_role("button", name="Test", exact=True)).to_be_enabled()
        watched.require_clean()


def test_what_is_saved_after_the_form_was_closed_takes_nobody_away(
    browser: Browser, business: Business, inside: object
) -> None:
    """It is saved, and said; and what was refused does not stand in the next form."""
    with opened(browser, business.server, state=inside) as (page, watched):
        for name in ("unhurried", "alerts"):
            dialog = fill(page, name, business.url)
            held = hold(page, f"**/api/v1/connectors/{name}")
            with page.expect_request(f"**/api/v1/connectors/{name}"):
                dialog.get_by_role("button", name="Save").click()
            page.keyboard.press("Escape")
            dialog.wait_for(state="hidden")
            page.get_by_role("button", name="New connector").click()
            dialog.get_by_label("Name of the connector").fill("next")
            let_go(page, f"**/api/v1/connectors/{name}", held)
            told = "It is in force" if name == "unhurried" else "has a connector named 'alerts'"
            expect(page.locator(".toast").filter(has_text=told)).to_be_visible()
            expect(dialog.get_by_label("Name of the connector")).to_have_value("next")
            expect(dialog.get_by_text("has a connector named")).to_have_count(0)
        watched.faults = [one for one in watched.faults if "409" not in one]
        watched.require_clean()
    business.server.call("DELETE", "/connectors/unhurried")


def test_a_change_to_another_system_is_asked_again_while_orders_are_open(
    browser: Browser, business: Business, inside: object
) -> None:
    """What would be left behind is named; whoever goes back has changed nothing."""
    business.status, business.answer = 200, b'{"number": "T-1"}'
    create = {"path": "/tickets", "id": "number", "once": True, "body": {"key": "{key}"}}
    settings = {"url": business.url, "create": create}
    call = business.server.call
    call("PUT", "/connectors/desk", {"kind": "rest", "settings": settings})
    rule = {
        "name": "dry",
        "when": "humidity < 9",
        "message": "{device} is too dry",
        "actions": [{"work_order": {"connector": "desk", "title": "Look at {device}"}}],
    }
    call("POST", "/rules", rule)
    plant = Plant(business.server)
    plant.add("humid-1")
    plant.say("humid-1", {"humidity": 3})
    deadline = time.monotonic() + WAIT_S
    while not any(one["remote_id"] == "T-1" for one in call("GET", "/work-orders")["items"]):
        assert time.monotonic() < deadline, "No work order was opened."
        time.sleep(0.1)
    moved = business.url + "-elsewhere"
    with opened(browser, business.server, state=inside) as (page, watched):
        page.goto("/connectors/desk")
        page.get_by_role("button", name="Edit").click()
        dialog = page.get_by_role("dialog", name="Change desk")
        dialog.get_by_label("Url", exact=True).fill(moved)
        dialog.get_by_role("button", name="Save").click()
        question = page.get_by_role("dialog", name="Lead desk to another system?")
        expect(question).to_contain_text("1 of its work orders open")
        question.get_by_role("button", name="Cancel").click()
        expect(dialog.get_by_text("1 of its work orders open")).to_be_visible()
        assert call("GET", "/connectors/desk/settings")["settings"]["url"] == business.url
        dialog.get_by_role("button", name="Save").click()
        question.get_by_role("button", name="Change all the same").click()
        expect(page.get_by_text("Changed, and in force")).to_be_visible()
        assert call("GET", "/connectors/desk/settings")["settings"]["url"] == moved
        watched.faults = [one for one in watched.faults if "409" not in one]
        watched.require_clean()


def test_a_connector_whose_kind_is_gone_is_read_and_taken_away(
    browser: Browser, business: Business, inside: object
) -> None:
    """The package that brought the kind is gone: the form says so, instead of waiting for it."""
    order = {"kind": "webhook", "settings": {"url": business.url}, "secrets": {"secret": KEY}}
    business.server.call("PUT", "/connectors/orphan", order)
    with opened(browser, business.server, state=inside) as (page, watched):
        page.route("**/api/v1/connector-kinds", lambda route: route.fulfill(json={"items": []}))
        page.goto("/connectors/orphan")
        page.get_by_role("button", name="Edit").click()
        dialog = page.get_by_role("dialog", name="Change orphan")
        expect(dialog.get_by_text("of the kind webhook are not offered")).to_be_visible()
        expect(dialog.get_by_text(business.url)).to_be_visible()
        expect(dialog.get_by_text("Secrets that are set: secret")).to_be_visible()
        assert dialog.get_by_role("button", name="Save").count() == 0
        dialog.get_by_role("button", name="Delete").click()
        question = page.get_by_role("dialog", name="Delete the connector orphan?")
        question.get_by_role("button", name="Delete").click()
        page.get_by_role("heading", name="Connectors", level=1).wait_for()
        names = [one["name"] for one in business.server.call("GET", "/connectors")["items"]]
        assert "orphan" not in names
        watched.require_clean()

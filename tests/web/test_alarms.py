"""Alarms and work orders: what an operator does with them, by mouse and by keyboard."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.business import Business, business_at
from tests.web.support import NAME, START_S, Server, opened, sign_in, violations, without

ALARMS = 6  # each of four ovens is too warm, and two are broken as well


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
    """Four ovens that stay too warm, and work orders for two, which no far side ends."""
    with business_at(tmp_path_factory.mktemp("ovens")) as made:
        mend = {"connector": "alerts", "title": "Mend {device}"}
        rule = {
            "name": "broken",
            "selector": {"devices": ["oven-0", "oven-3"]},
            "when": "temperature > 90",
            "severity": "major",
            "message": "{device} is broken",
            "actions": [{"work_order": mend}],
        }
        made.server.call("POST", "/rules", rule)
        made.warm(*(f"oven-{number}" for number in range(4)))
        deadline = time.monotonic() + START_S
        while len(_orders(made)) < 2 or len(_open(made)) < ALARMS:
            assert time.monotonic() < deadline, "There are no two work orders."
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


def _orders(ovens: Business) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = ovens.server.call("GET", "/work-orders")["items"]
    return orders


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
        expect(_row(page, "Alarms")).to_have_count(ALARMS)
        expect(_row(page, "Alarms").filter(has_text="urgent")).to_have_count(0)
        page.get_by_role("button", name="Mark all shown").click()
        page.get_by_role("button", name="Set priority").click()
        page.get_by_role("dialog").get_by_label("Priority").select_option("urgent")
        page.get_by_role("dialog").get_by_role("button", name="Set priority").click()
        expect(page.get_by_role("dialog")).to_be_hidden()
        expect(_row(page, "Alarms").filter(has_text="urgent")).to_have_count(ALARMS)
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
        expect(page.get_by_role("dialog")).to_have_count(0)  # the stream may be there first
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


def _press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_letter_behind_g_is_the_shells_also_in_a_list(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """`g s` and `g c` go to a page; alone, the same letters do something with the row."""
    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        for letter, heading in (("s", "Security"), ("c", "Connectors")):
            page.goto("/alarms")
            _row(page, "Alarms").first.focus()
            _press(page, "g", letter)
            page.get_by_role("heading", name=heading, level=1).wait_for()
            expect(page.get_by_role("dialog")).to_have_count(0)
        page.goto("/alarms")
        _row(page, "Alarms").first.focus()
        _press(page, "g", "x")  # no page has this letter: nothing is marked either
        expect(page.get_by_text("0 marked")).to_be_visible()
        _press(page, "x")
        expect(page.get_by_text("1 marked")).to_be_visible()
        _press(page, "s")
        page.get_by_role("dialog", name="Shelve for a while").wait_for()
        watched.require_clean()


def test_the_help_names_every_key_of_the_lists(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """What one presses there is what the list does."""
    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        page.goto("/alarms")
        _row(page, "Alarms").first.focus()
        _press(page, "?")
        shown = page.get_by_role("dialog", name="Keyboard help")
        for text in ("Shelve", "Take from the shelf", "Set priority", "Close", "Open again"):
            expect(shown.get_by_text(text, exact=True)).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_every_act_on_an_alarm_has_its_key(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """Seen, given to somebody, put on the shelf and taken from it, cleared: never the mouse."""
    path = f"/alarms/{_alarm_of(ovens, 'oven-1')['alarm_id']}"

    def stored() -> dict[str, Any]:
        alarm: dict[str, Any] = ovens.server.call("GET", path)
        return alarm

    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        page.goto("/alarms?device=oven-1")
        row = _row(page, "Alarms").first
        row.focus()
        dialog = page.get_by_role("dialog")
        for key, typed, said in (
            ("a", "seen by key", "Acknowledged"),
            ("i", NAME, "Assigned"),
            ("c", "a word by key", "Comment kept"),
            ("s", "until the part comes", "Shelved"),
        ):
            _press(page, key)
            dialog.get_by_role("textbox").first.fill(typed)
            _press(page, "Enter")
            expect(page.get_by_text(said, exact=True).last).to_be_visible()
            expect(dialog).to_have_count(0)
        alarm = stored()
        assert (alarm["state"], alarm["assignee"]) == ("acknowledged", NAME)
        assert alarm["shelved"]["reason"] == "until the part comes"
        expect(page.get_by_text("No alarm fits")).to_be_visible()  # it is put aside
        page.goto("/alarms?aside=shelved")
        _row(page, "Alarms").first.focus()
        _press(page, "u", "Enter")
        expect(page.get_by_text("Off the shelf", exact=True)).to_be_visible()
        assert stored()["shelved"] is None
        page.goto("/alarms?device=oven-1")
        _row(page, "Alarms").first.focus()
        _press(page, "e", "Enter")
        expect(page.get_by_text("Cleared", exact=True)).to_be_visible()
        alarm = stored()
        assert (alarm["state"], alarm["cleared_by"]) == ("cleared", f"user:{NAME}")
        watched.require_clean()


def _alarm_of(ovens: Business, device: str) -> dict[str, Any]:
    alarm: dict[str, Any] = ovens.server.call("GET", f"/alarms?device={device}")["items"][0]
    return alarm


def test_work_orders_are_dealt_with_by_keyboard_one_or_all_that_are_marked(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """Down and up, open and back, `x` on two, and each act once for both."""
    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        page.goto("/work-orders")
        rows = _row(page, "Work orders")
        expect(rows).to_have_count(2)
        rows.first.focus()
        _press(page, "j")
        expect(rows.last).to_be_focused()
        _press(page, "k", "Enter")
        page.get_by_role("heading", name="Evidence", level=3).wait_for()
        page.go_back()
        rows.first.focus()
        _press(page, "x", "j", "x")
        expect(page.get_by_text("2 marked")).to_be_visible()
        dialog = page.get_by_role("dialog")
        _press(page, "i")
        dialog.get_by_label("Name of the person").fill("night shift")
        _press(page, "Enter")
        expect(page.get_by_text("2 done")).to_be_visible()
        expect(rows.filter(has_text="night shift")).to_have_count(2)
        assert [order["assigned_to"] for order in _orders(ovens)] == ["night shift"] * 2
        expect(page.get_by_text("0 marked")).to_be_visible()
        rows.first.focus()
        _press(page, "a", "Enter")
        expect(page.get_by_text("Acknowledged", exact=True)).to_be_visible()
        assert sum(order["acknowledged_at"] is not None for order in _orders(ovens)) == 1
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_marked_work_orders_are_closed_together_and_what_cannot_be_is_said(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """Of two, somebody else has closed one meanwhile: the other is closed, and one is told."""
    with opened(browser, ovens.server, state=at_ovens) as (page, _watched):
        page.goto("/work-orders")
        rows = _row(page, "Work orders")
        expect(rows).to_have_count(2)
        page.get_by_role("button", name="Mark all shown").click()
        page.get_by_role("toolbar").get_by_role("button", name="Close", exact=True).click()
        dialog = page.get_by_role("dialog", name="Close the work order")
        expect(dialog.get_by_text("2 marked")).to_be_visible()
        first = _orders(ovens)[0]
        ovens.server.call("POST", f"/work-orders/{first['work_order_id']}/close", {"comment": ""})
        dialog.get_by_role("button", name="Close", exact=True).last.click()
        expect(page.get_by_text("1 done, 1 could not be")).to_be_visible()
        expect(rows.filter(has_text="closed")).to_have_count(2)
        assert {order["state"] for order in _orders(ovens)} == {"closed"}


def test_who_may_only_read_work_orders_is_offered_no_act(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """Neither marks nor keys."""
    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        without(page, "work_order.write")
        page.goto("/work-orders")
        rows = _row(page, "Work orders")
        rows.first.focus()
        _press(page, "a", "x")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("toolbar")).to_have_count(0)
        expect(page.get_by_role("checkbox")).to_have_count(0)
        watched.require_clean()


def test_an_alarm_opens_from_the_overview_and_from_its_device(
    browser: Browser, ovens: Business, at_ovens: object
) -> None:
    """Its message leads to it; that of an area, which has no device, as well."""
    ovens.server.call("POST", "/assets", {"asset_id": "bakery", "kind": "site"})
    ovens.server.call("PUT", "/devices/oven-2/attachments/observes", {"asset": "bakery"})
    area = {
        "name": "bakery-hot",
        "scope": {"asset": "bakery"},
        "when": "any(temperature > 85)",
        "severity": "critical",
        "message": "{subject} is too hot",
    }
    ovens.server.call("POST", "/rules", area)
    ovens.warm("oven-2")
    with opened(browser, ovens.server, state=at_ovens) as (page, watched):
        page.goto("/overview")
        open_ones = page.get_by_role("region", name="Open alarms")
        open_ones.get_by_role("link", name="asset bakery", exact=True).click()
        page.get_by_role("heading", name="Facilities", level=1).wait_for()
        page.go_back()
        open_ones.get_by_role("link", name="bakery is too hot").click()
        page.get_by_role("heading", name="bakery is too hot", level=1).wait_for()
        page.goto("/devices/oven-2")
        page.get_by_role("link", name="oven-2 is too warm").click()
        page.get_by_role("heading", name="oven-2 is too warm", level=1).wait_for()
        watched.require_clean()


def test_an_operator_sees_what_changed_in_the_last_hour(browser: Browser, ovens: Business) -> None:
    """The audit is not for operators; what became of alarms and orders is."""
    server = ovens.server
    invited = server.call("POST", "/users/invitations", {"roles": ["operator"]})
    password = "copper kettles whistle at dawn"
    server.call(
        "POST", "/sign-up", {"token": invited["token"], "name": "olga", "password": password}
    )
    alarm = _alarm_of(ovens, "oven-2")
    server.call("POST", f"/alarms/{alarm['alarm_id']}/comments", {"comment": "look here"})
    with opened(browser, server) as (page, watched):
        refused: list[str] = []
        page.on("response", lambda one: one.status == 403 and refused.append(one.url))
        page.goto("/overview")
        page.get_by_label("Name").fill("olga")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        changes = page.get_by_role("region", name="The last hour")
        said = changes.get_by_role("listitem").filter(has_text="alarm.comment").first
        expect(said).to_contain_text(NAME)
        said.get_by_role("link", name=alarm["message"]).click()
        page.get_by_role("heading", name=alarm["message"], level=1).wait_for()
        assert refused == []
        watched.require_clean()

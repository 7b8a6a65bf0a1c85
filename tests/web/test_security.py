"""Security: people, keys, who is here now, what was done, and why one may do it."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from playwright.sync_api import Browser, expect
from tests.web.support import (
    APP,
    PASSWORD,
    START_S,
    Server,
    hold,
    opened,
    settle,
    sign_in,
    violations,
)

from weft.security.actions import SCOPES

HOSTILE = "<img src=x onerror=window.ran=1>"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft with an administrator, another person, and what somebody hostile has named."""
    server = Server(tmp_path_factory.mktemp("guarded") / "data")
    server.start()
    try:
        server.sign_up()
        invited = server.call("POST", "/users/invitations", {"roles": ["viewer"]})
        body = {"token": invited["token"], "name": "bob", "password": PASSWORD + " too"}
        server.call("POST", "/sign-up", body)
        # Names of people and keys are plain words; a topic filter and a property are not.
        grants = [{"action": "subscribe", "filter": HOSTILE}]
        server.call("POST", "/keys", {"name": "odd", "grants": grants})
        server.call("POST", "/devices", {"device_id": "odd"})
        server.call("PATCH", "/devices/odd/twin", {"desired": {HOSTILE: 1}}, If_Match='"0"')
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def inside(browser: Browser, guarded: Server) -> Any:
    """The cookie of the administrator."""
    with opened(browser, guarded) as (page, _):
        sign_in(page)
        return page.context.storage_state()


def test_somebody_is_invited_by_a_link_that_is_shown_once(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """The link signs up whom it was given to; the page forgets it."""
    with opened(browser, guarded, state=inside) as (page, watched):
        page.goto("/security")
        page.get_by_role("button", name="Invite somebody").click()
        dialog = page.get_by_role("dialog", name="Invite somebody")
        dialog.get_by_label("Operator").check()
        dialog.get_by_role("button", name="Make the link").click()
        shown = page.get_by_role("dialog", name="Sign-up link")
        link = shown.locator("pre").inner_text().strip()
        assert not violations(page), "\n".join(violations(page))
        shown.get_by_role("button", name="I have copied it").click()
        expect(page.locator("dialog pre")).to_have_count(0)
        token = link.partition("#")[2]
        assert token not in page.content()
        assert token not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        made = {"token": token, "name": "carol", "password": PASSWORD + " also"}
        guarded.call("POST", "/sign-up", made)
        page.reload()
        expect(page.get_by_role("list", name="All users")).to_contain_text("carol")
        expect(page.get_by_role("list", name="All users")).to_contain_text("Operator, Viewer")
        watched.require_clean()


def test_roles_are_changed_and_a_person_is_disabled_and_let_in_again(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """What cuts somebody off is asked first."""
    with opened(browser, guarded, state=inside) as (page, watched):
        page.goto("/security")
        bob = page.get_by_role("group", name="bob")
        bob.get_by_role("button", name="Roles").click()
        dialog = page.get_by_role("dialog", name="Roles of bob")
        dialog.get_by_label("Operator").check()
        dialog.get_by_role("button", name="Save").click()
        expect(page.get_by_text("Roles changed")).to_be_visible()
        assert set(guarded.call("GET", "/users/bob")["roles"]) == {"operator", "viewer"}
        bob.get_by_role("button", name="Disable").click()
        page.get_by_role("dialog").get_by_role("button", name="Disable").click()
        bob.get_by_role("button", name="Enable").click()
        expect(bob.get_by_role("button", name="Disable")).to_be_visible()
        assert guarded.call("GET", "/users/bob")["disabled_at"] is None
        watched.require_clean()


def test_the_sessions_of_another_are_ended(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """Bob is signed in somewhere, and then no more."""
    with opened(browser, guarded, state=inside) as (page, watched):
        guarded.call("POST", "/sessions", {"name": "bob", "password": PASSWORD + " too"})
        page.goto("/security")
        page.get_by_role("group", name="bob").get_by_role("button", name="Signed in").click()
        dialog = page.get_by_role("dialog", name="Where bob is signed in")
        dialog.get_by_role("button", name="End").first.wait_for()
        while dialog.get_by_role("button", name="End").count():
            before = dialog.get_by_role("button", name="End").count()
            dialog.get_by_role("button", name="End").first.click()
            question = page.get_by_role("dialog", name="End this session?")
            question.get_by_role("button", name="End").click()
            expect(dialog.get_by_role("button", name="End")).to_have_count(before - 1)
        expect(dialog).to_contain_text("Signed in nowhere")
        assert guarded.call("GET", "/users/bob/sessions")["items"] == []
        watched.require_clean()


def test_the_sessions_of_one_are_not_shown_as_anothers(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """Bob's come late, when those of alice are looked at already."""
    for _ in range(3):  # more than alice has
        guarded.call("POST", "/sessions", {"name": "bob", "password": PASSWORD + " too"})
    with opened(browser, guarded, state=inside) as (page, watched):
        held = hold(page, "**/api/v1/users/bob/sessions")
        page.goto("/security")
        page.get_by_role("group", name="bob").get_by_role("button", name="Signed in").click()
        page.get_by_role("dialog").get_by_role("progressbar").wait_for()
        page.keyboard.press("Escape")
        page.get_by_role("group", name="alice").get_by_role("button", name="Signed in").click()
        dialog = page.get_by_role("dialog", name="Where alice is signed in")
        dialog.get_by_role("listitem").first.wait_for()
        of_alice = dialog.get_by_role("listitem").count()
        assert of_alice != len(guarded.call("GET", "/users/bob/sessions")["items"])
        with page.expect_response("**/api/v1/users/bob/sessions"):
            held[0].continue_()
        settle(page)
        expect(dialog.get_by_role("listitem")).to_have_count(of_alice)
        watched.require_clean()


def test_everybody_who_is_signed_in_is_listed_and_cut_with_one_click(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """Bob is found among all, and is out after a question; nobody else is."""
    guarded.call("POST", "/sessions", {"name": "bob", "password": PASSWORD + " too"})
    with opened(browser, guarded, state=inside) as (page, watched):
        page.goto("/security?tab=live")
        everybody = page.get_by_role("region", name="Everybody who is signed in")
        rows = everybody.locator("tbody tr[data-at]")
        expect(rows.filter(has_text="this browser")).to_contain_text("alice")
        everybody.get_by_label("Who, or from where").fill("bob")
        expect(rows.first).to_contain_text("bob")
        expect(rows.filter(has_text="alice")).to_have_count(0)
        count = rows.count()
        assert not violations(page), "\n".join(violations(page))
        rows.first.get_by_role("button", name="End").click()
        question = page.get_by_role("dialog", name="End this session of bob?")
        question.get_by_role("button", name="Cancel").click()
        assert len(guarded.call("GET", "/users/bob/sessions")["items"]) == count
        rows.first.get_by_role("button", name="End").press("Enter")
        question.get_by_role("button", name="End").press("Enter")
        expect(rows).to_have_count(count - 1)
        assert len(guarded.call("GET", "/users/bob/sessions")["items"]) == count - 1
        everybody.get_by_label("Who, or from where").fill("")
        expect(rows.filter(has_text="alice").first).to_be_visible()
        watched.require_clean()


def test_a_password_is_changed_and_this_browser_stays_in(browser: Browser, tmp_path: Path) -> None:
    """A wrong old one is said; the page goes on as it was, and another browser is out."""
    server = Server(tmp_path / "data")
    server.start()
    fresh = "granite otters hum on tuesdays"
    try:
        server.sign_up()
        with opened(browser, server) as (other, _), opened(browser, server) as (page, watched):
            sign_in(other)
            sign_in(page)
            watched.require_clean()
            page.goto("/security?tab=live")
            page.get_by_role("button", name="Change password").click()
            dialog = page.get_by_role("dialog", name="Change password")
            act = dialog.get_by_role("button", name="Change password")
            dialog.get_by_label("Old password").fill("not the old one at all")
            dialog.get_by_label("New password", exact=True).fill(fresh)
            dialog.get_by_label("New password once more").fill(fresh + "!")
            expect(act).to_be_disabled()
            dialog.get_by_label("New password once more").fill(fresh)
            act.click()
            expect(dialog.get_by_role("alert")).to_contain_text("nothing was changed")
            assert not violations(page), "\n".join(violations(page))
            dialog.get_by_label("Old password").fill(PASSWORD)
            act.click()
            # The other browser's, and that of the link by which one came.
            expect(page.get_by_text("2 other sessions were ended")).to_be_visible()
            # Its new token is known without a reload: this gets as far as the password.
            page.get_by_role("button", name="Change password").click()
            dialog.get_by_label("Old password").fill("not the old one at all")
            dialog.get_by_label("New password", exact=True).fill(PASSWORD)
            dialog.get_by_label("New password once more").fill(PASSWORD)
            act.click()
            expect(dialog.get_by_role("alert")).to_contain_text("nothing was changed")
            page.goto("/devices")
            page.get_by_role("heading", name="Devices", level=1).wait_for()
            other.goto("/devices")
            other.get_by_role("button", name="Sign in").wait_for()
    finally:
        server.stop()


def test_a_key_is_made_shown_once_and_revoked_by_keyboard_alone(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """`g s`, the tab by arrow, each field by key; the token is held nowhere afterwards."""
    with opened(browser, guarded, state=inside) as (page, watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        page.keyboard.press("g")
        page.keyboard.press("s")
        page.get_by_role("heading", name="Security", level=1).wait_for()
        page.get_by_role("tab", name="Users").focus()
        page.keyboard.press("ArrowRight")
        page.get_by_role("button", name="New key").focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="New key")
        dialog.get_by_label("Name").focus()
        page.keyboard.type("erp")
        dialog.get_by_label("devices: read").focus()
        page.keyboard.press("Space")
        dialog.get_by_label("alarms: write").focus()
        page.keyboard.press("Space")
        dialog.get_by_label("Name").focus()
        page.keyboard.press("Enter")
        shown = page.get_by_role("dialog", name="The token of the new key")
        token = shown.locator("pre").first.inner_text().strip()
        assert not violations(page), "\n".join(violations(page))
        page.keyboard.press("Escape")
        expect(page.locator("dialog pre")).to_have_count(0)
        assert token not in page.content()
        assert token not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        key = next(one for one in guarded.call("GET", "/keys")["items"] if one["name"] == "erp")
        assert key["scopes"] == ["alarms:write", "devices:read"]
        row = page.get_by_role("listitem").filter(has_text=key["key_id"])
        row.get_by_role("button", name="Revoke").focus()
        page.keyboard.press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Revoke").focus()
        page.keyboard.press("Enter")
        expect(row).to_contain_text("revoked")
        watched.require_clean()


def test_every_scope_that_there_is_can_be_given() -> None:
    """The page's own list is held to the server's."""
    written = (APP / "src/pages/security/scopes.ts").read_text("utf-8")
    both, read = re.findall(r"= \[(.*?)\] as const", written, re.DOTALL)
    offered = {
        f"{name}:{verb}" for name in re.findall(r"'(\w+)'", both) for verb in ("read", "write")
    }
    offered |= {f"{name}:read" for name in re.findall(r"'(\w+)'", read)}
    assert offered == set(SCOPES)


def test_a_connection_is_cut_in_one_click_and_a_question(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """A device holds a connection; it is found, cut, and its client hears of it."""
    guarded.call("POST", "/devices", {"device_id": "pump-1"})
    made = guarded.call("POST", "/devices/pump-1/credentials", {"kind": "secret"})
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="pump-1")
    client.username_pw_set("pump-1", made["token"])
    lost: list[str] = []

    def ended(_client: Any, _data: Any, _flags: Any, reason: Any, _props: Any) -> None:
        lost.append(str(reason))
        client.disconnect()

    client.on_disconnect = ended
    client.connect("127.0.0.1", guarded.mqtt_port)
    client.loop_start()
    try:
        with opened(browser, guarded, state=inside) as (page, watched):
            page.goto("/security?tab=live")
            page.get_by_label("Search", exact=True).fill("pump-1")
            rows = page.get_by_role("region", name="All live connections").locator(
                "tbody tr[data-at]"
            )
            expect(rows).to_have_count(1)
            assert not violations(page), "\n".join(violations(page))
            rows.get_by_role("button", name="Cut").click()
            page.get_by_role("dialog").get_by_role("button", name="Cut").click()
            expect(page.get_by_text("No connection fits")).to_be_visible()
            watched.require_clean()
        deadline = time.monotonic() + START_S
        while not lost:
            assert time.monotonic() < deadline, "The client was not told."
            time.sleep(0.05)
    finally:
        client.loop_stop()


def test_the_audit_is_filtered_and_its_chain_is_verified(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """Intact, with the end to keep; a kept end is verified against, a false one is told."""
    with opened(browser, guarded, state=inside) as (page, watched):
        page.goto("/security?tab=audit")
        chain = page.get_by_role("region", name="State of the chain")
        chain.get_by_role("button", name="Verify it now").click()
        expect(chain).to_contain_text("Intact")
        line = chain.locator("pre").inner_text().strip()
        chain.get_by_label("An end that you kept").fill(line)
        chain.get_by_role("button", name="Verify it now").click()
        expect(chain).to_contain_text("Intact")
        chain.get_by_label("An end that you kept").fill(re.sub(r'"hash":"..', '"hash":"00', line))
        chain.get_by_role("button", name="Verify it now").click()
        expect(chain).to_contain_text("Broken")
        chain.get_by_label("An end that you kept").fill("no line")
        expect(chain).to_contain_text("This is no line of ours")
        chain.get_by_label("An end that you kept").fill("")
        page.get_by_role("tab", name="Users").click()
        page.get_by_role("tab", name="Audit").click()
        expect(chain).to_contain_text("Broken")
        expect(chain).to_contain_text("verified against the end that you gave")
        expect(chain.locator("pre")).to_have_count(1)
        page.get_by_label("Filter by").select_option("action")
        page.get_by_label("Exactly").fill("key.create")
        rows = page.get_by_role("region", name="What was done").locator("tbody tr[data-at]")
        expect(rows.first).to_contain_text("key.create")
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_why_somebody_may_do_something_is_told(
    browser: Browser, guarded: Server, inside: object
) -> None:
    """Bob may not make a device; the answer says what he holds and what it takes."""
    with opened(browser, guarded, state=inside) as (page, watched):
        page.goto("/security?tab=policy")
        page.get_by_label("Name of the user").fill("bob")
        page.get_by_label("Action").fill("device.create")
        page.get_by_role("button", name="Ask").click()
        told = page.get_by_role("region", name="May X do Y on Z")
        expect(told.get_by_text("No", exact=True)).to_be_visible()
        expect(told).to_contain_text("tenant_admin")
        assert not violations(page), "\n".join(violations(page))
        page.reload()
        expect(told.get_by_text("No", exact=True)).to_be_visible()
        page.get_by_label("Action").fill("no.such")
        page.get_by_role("button", name="Ask").click()
        expect(told.get_by_role("alert")).to_contain_text("No action is named")
        page.goto("/overview")  # the refusal was wanted; nothing else may be complained of
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        others = [one for one in watched.faults if "422" not in one]
        assert not others, "\n".join(others)


@pytest.mark.parametrize("tab", ["users", "keys", "live", "audit", "policy"])
def test_hostile_names_are_shown_as_they_are(
    browser: Browser, guarded: Server, inside: object, tab: str
) -> None:
    """A filter in the list of keys, a property in the details of the audit: as text."""
    with opened(browser, guarded, state=inside) as (page, watched):
        page.goto(f"/security?tab={tab}")
        page.get_by_role("heading", level=1).wait_for()
        if tab == "keys":
            expect(page.get_by_text(HOSTILE)).to_be_visible()
        if tab == "audit":
            page.goto("/security?tab=audit&by=action&is=twin.desire")
            rows = page.get_by_role("region", name="What was done").locator("tbody tr[data-at]")
            rows.last.wait_for()
            rows.last.click()
            expect(page.get_by_role("dialog").locator("pre")).to_contain_text(HOSTILE)
        page.wait_for_timeout(500)
        assert page.evaluate("window.ran") is None
        assert page.locator("img[src='x']").count() == 0
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()

"""Claims: a batch gets its secret, devices come by it, and it ends; a device changes hands."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from tests.web.support import Server, opened, sign_in, violations

from weft.cli.client import find_client

HOSTILE = "<img src=x onerror=window.ran=1>"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft of which nobody has made a claim."""
    server = Server(tmp_path_factory.mktemp("claims") / "data")
    server.start()
    try:
        server.sign_up()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def inside(browser: Browser, empty: Server) -> Any:
    """The cookie of its administrator."""
    with opened(browser, empty) as (page, _):
        sign_in(page)
        return page.context.storage_state()


def _provision(weft: Server, claim: str, serial: str, label: str = "") -> int:
    """Ask for an identity as a device of the batch; the status of the answer."""
    request = urllib.request.Request(
        f"{weft.url}/api/v1/provision",
        data=json.dumps({"serial": serial, "label": label}).encode(),
        headers={"Authorization": f"Bearer {claim}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_claim_is_made_used_and_revoked(browser: Browser, empty: Server, inside: object) -> None:
    """From the empty list to who came with it; the token is held nowhere afterwards."""
    with opened(browser, empty, state=inside) as (page, watched):
        page.goto("/onboarding?tab=claims")
        expect(page.get_by_text("No claims yet")).to_be_visible()
        assert not violations(page), "\n".join(violations(page))
        page.get_by_role("button", name="New claim").last.click()
        dialog = page.get_by_role("dialog", name="New claim")
        dialog.get_by_label("Name of the batch").fill("pumps-2026")
        dialog.get_by_label("Devices at most").fill("2")
        dialog.get_by_label("Before each serial").fill("pump-")
        dialog.get_by_label("From these networks").fill("127.0.0.0/8, ::1/128")
        dialog.get_by_label("Let them in at once").check()
        assert not violations(page), "\n".join(violations(page))
        dialog.get_by_role("button", name="Make the claim").click()
        shown = page.get_by_role("dialog", name="Token of the claim")
        token = shown.locator("pre").first.inner_text().strip()
        assert token in shown.locator("pre").last.inner_text()
        shown.get_by_role("button", name="I have copied it").click()
        expect(page.locator("dialog pre")).to_have_count(0)
        assert token not in page.content()
        assert token not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        row = page.locator("tbody tr[data-at]").filter(has_text="pumps-2026")
        expect(row).to_contain_text("can be used")
        expect(row).to_contain_text("0 of 2")

        assert _provision(empty, token, "1", HOSTILE) == 201
        assert _provision(empty, token, "2") == 201
        assert _provision(empty, token, "3") >= 400
        page.reload()
        expect(row).to_contain_text("used up")
        row.get_by_role("button", name="pumps-2026").click()
        about = page.get_by_role("dialog", name="Claim pumps-2026")
        expect(about.get_by_text("let in", exact=True)).to_have_count(2)
        expect(about.get_by_text("refused", exact=True)).to_have_count(1)
        expect(about).to_contain_text("127.0.0.0/8")
        assert not violations(page), "\n".join(violations(page))
        about.get_by_role("button", name="Revoke").click()
        question = page.get_by_role("dialog", name="Revoke the claim pumps-2026 for good?")
        question.get_by_role("button", name="Revoke").click()
        expect(row).to_contain_text("revoked")
        (held,) = empty.call("GET", "/claims")["items"]
        assert held["revoked_at"] is not None
        row.get_by_role("button", name="pumps-2026").click()
        about.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("No claims yet")).to_be_visible()
        assert page.evaluate("window.ran") is None
        watched.require_clean()


def test_a_claim_is_made_by_keyboard_and_what_is_wrong_is_said(
    browser: Browser, empty: Server, inside: object
) -> None:
    """A network that is none: the dialog says so, and keeps what was typed."""
    with opened(browser, empty, state=inside) as (page, watched):
        page.goto("/onboarding?tab=claims")
        page.get_by_role("button", name="New claim").first.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="New claim")
        dialog.get_by_label("Name of the batch").focus()
        page.keyboard.type("by-key")
        dialog.get_by_label("From these networks").focus()
        page.keyboard.type("no-network")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_contain_text("no-network")
        page.keyboard.press("Control+a")
        page.keyboard.press("Delete")
        page.keyboard.press("Enter")
        page.get_by_role("dialog", name="Token of the claim").wait_for()
        page.keyboard.press("Escape")
        expect(page.locator("tbody tr[data-at]").filter(has_text="by-key")).to_be_visible()
        others = [one for one in watched.faults if "422" not in one]
        assert not others, "\n".join(others)


def test_a_code_is_made_for_a_device_and_ended(
    browser: Browser, empty: Server, inside: object
) -> None:
    """Shown once; the same administrator cannot claim what is theirs already, and is told so."""
    empty.call("POST", "/devices", {"device_id": "sold-1"})
    with opened(browser, empty, state=inside) as (page, watched):
        page.goto("/onboarding?tab=claims")
        over = page.get_by_role("region", name="Hand a device over")
        over.get_by_label("Device to hand over").fill("sold-1")
        over.get_by_role("button", name="Make a code").click()
        code = over.locator("pre").inner_text().strip()
        assert len(code.replace("-", "")) == 16
        take = page.get_by_role("region", name="Claim a device")
        take.get_by_label("Serial").fill("sold-1")
        take.get_by_label("Its code").fill(code.lower())
        take.get_by_role("button", name="Claim it").click()
        expect(take.get_by_role("alert")).to_be_visible()
        over.get_by_role("button", name="End its code").click()
        question = page.get_by_role("dialog", name="End the code of sold-1?")
        question.get_by_role("button", name="Cancel").click()
        assert over.locator("pre").inner_text().strip() == code
        over.get_by_role("button", name="End its code").click()
        question.get_by_role("button", name="End its code").click()
        expect(page.get_by_text("Nobody can claim sold-1 any more")).to_be_visible()
        expect(over.locator("pre")).to_have_count(0)
        over.get_by_label("Device to hand over").fill("no-such")
        over.get_by_role("button", name="Make a code").click()
        expect(over.get_by_role("alert")).to_contain_text("no-such")
        assert not violations(page), "\n".join(violations(page))
        others = [one for one in watched.faults if "status of 4" not in one]
        assert not others, "\n".join(others)


def test_a_device_of_another_tenant_is_claimed(
    browser: Browser, empty: Server, inside: object
) -> None:
    """Released by its maker, taken with serial and code at the page."""
    empty.call("POST", "/tenants", {"tenant_id": "maker"})
    maker = find_client(empty.folder, "maker")
    device = json.dumps({"device_id": "made-7", "label": HOSTILE}).encode()
    maker.send("POST", "/devices", body=device)
    code = maker.send("POST", "/devices/made-7/claim-code", body=b"{}").value["code"]
    with opened(browser, empty, state=inside) as (page, watched):
        page.goto("/onboarding?tab=claims")
        take = page.get_by_role("region", name="Claim a device")
        take.get_by_label("Serial").fill("made-7")
        take.get_by_label("Its code").fill(code)
        take.get_by_role("button", name="Claim it").click()
        expect(page.get_by_text("made-7 is yours")).to_be_visible()
        assert empty.call("GET", "/devices/made-7")["device_id"] == "made-7"
        assert page.evaluate("window.ran") is None
        watched.require_clean()

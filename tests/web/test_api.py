"""The API page: found by search, tried with the session, and asked for by programs that run."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.web.support import Server, opened, violations

HOSTILE = "<img src=x onerror=window.ran=1>"
TABS = {"curl": "curl", "Python": "python", "JavaScript": "javascript"}


@pytest.fixture(scope="module")
def token(weft: Server) -> str:
    """A key of a program."""
    made = weft.call("POST", "/keys", {"name": "reader", "scopes": ["devices:*", "rules:*"]})
    return str(made["token"])


def _code(page: Page, tab: str) -> str:
    page.get_by_role("tab", name=tab, exact=True).click()
    return page.locator(f"pre[aria-label='{tab}']").inner_text()


def _run(command: list[str], token: str) -> str:
    environment = {"PATH": os.environ["PATH"], "WEFT_TOKEN": token}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_an_operation_is_found_and_tried(browser: Browser, weft: Server, signed_in: object) -> None:
    """From a word of what it does to its answer, which is sent only after a click."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.method + " " + request.url))
        page.goto("/reference")
        page.get_by_label("Search operations").fill("list devices")
        page.get_by_role("link", name="GET List devices /devices", exact=True).click()
        page.get_by_role("heading", name="List devices", level=2).wait_for()
        assert "/reference?operation=list_devices" in page.url
        assert not [one for one in asked if "/api/v1/devices" in one]
        page.get_by_label("limit (query").fill("1")
        page.get_by_role("button", name="Send", exact=True).click()
        answer = page.locator("pre[aria-label='Answer']")
        assert len(json.loads(answer.inner_text())["items"]) == 1
        assert not violations(page), "\n".join(violations(page))
        watched.require_clean()


def test_what_changes_something_asks_first_by_keyboard_alone(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """`g p`, a search, an operation, its body, and the question; a hostile label stays text."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/overview")
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        page.keyboard.press("g")
        page.keyboard.press("p")
        page.get_by_role("heading", name="API", level=1).wait_for()
        page.get_by_label("Search operations").focus()
        page.keyboard.type("create_device")
        link = page.get_by_role("link", name="POST Make a device /devices", exact=True)
        link.focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Make a device", level=2).wait_for()
        page.get_by_label("Body, application/json").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(json.dumps({"device_id": "typed-1", "label": HOSTILE}))
        page.get_by_role("button", name="Send", exact=True).focus()
        page.keyboard.press("Enter")
        question = page.get_by_role("dialog", name="POST /api/v1/devices?")
        question.get_by_role("button", name="Send POST").focus()
        page.keyboard.press("Enter")
        expect(page.locator("pre[aria-label='Answer']")).to_contain_text(HOSTILE)
        assert weft.call("GET", "/devices/typed-1")["label"] == HOSTILE
        page.goto("/reference?operation=delete_device")
        link = page.get_by_role("link", name="DELETE Delete a device")
        expect(link.first).to_be_in_viewport()
        page.get_by_label("device_id (path)").fill("typed-1")
        page.get_by_role("button", name="Send", exact=True).click()
        page.keyboard.press("Escape")
        assert weft.call("GET", "/devices/typed-1")["device_id"] == "typed-1"
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Send DELETE").click()
        expect(page.get_by_text("It answered without a body")).to_be_visible()
        assert page.evaluate("window.ran") is None
        watched.require_clean()


@pytest.mark.parametrize("tab", list(TABS))
def test_the_examples_run_as_they_are(
    browser: Browser, weft: Server, signed_in: object, token: str, tab: str
) -> None:
    """Copied into a shell, an interpreter or Node, with a key, they do what they say."""
    program = {"curl": "curl", "Python": sys.executable, "JavaScript": "node"}[tab]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    name = f"made-by-{tab.lower()}"
    body = {"device_id": name, "label": 'it\'s "odd" \u2028 $HOME `x` ${y} \\'}
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/reference?operation=create_device")
        page.get_by_label("Body, application/json").fill(json.dumps(body))
        code = _code(page, tab)
        assert token not in code
        watched.require_clean()
    if tab == "curl":
        command = ["bash", "-c", code]
    else:
        command = [program, "-c" if tab == "Python" else "-e", code]
        if tab == "JavaScript":
            command.insert(1, "--input-type=module")
    assert name in _run(command, token)
    assert weft.call("GET", f"/devices/{name}")["label"] == body["label"]


def test_every_operation_is_shown_with_examples_that_parse(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """Each in turn, by its link; Python reads what is written for Python."""
    document: dict[str, Any] = weft.call("GET", "/openapi.json")
    expected = sum(len(methods) for methods in document["paths"].values())
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/reference?as=python")
        links = page.get_by_role("navigation", name="Operations").get_by_role("link")
        links.first.wait_for()
        assert links.count() == expected
        codes = page.evaluate(
            """async () => {
                const codes = [];
                for (const link of document.querySelectorAll('nav[aria-label="Operations"] a')) {
                    link.click();
                    await new Promise((done) => setTimeout(done, 0));
                    document.querySelector('[data-tab=python]').click();
                    await new Promise((done) => setTimeout(done, 0));
                    codes.push(document.querySelector('pre[aria-label="Python"]').innerText);
                }
                return codes;
            }"""
        )
        assert len(set(codes)) == expected
        for code in codes:
            compile(code, "example", "exec")
        watched.require_clean()


def test_the_page_leads_to_keys_and_subscriptions(
    browser: Browser, weft: Server, signed_in: object
) -> None:
    """What a program needs next is one click away."""
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/reference")
        page.get_by_role("link", name="Service keys", exact=True).click()
        page.get_by_role("button", name="New key").wait_for()
        page.goto("/reference")
        page.get_by_role("link", name="Subscriptions", exact=True).click()
        page.get_by_role("button", name="New subscription").wait_for()
        watched.require_clean()

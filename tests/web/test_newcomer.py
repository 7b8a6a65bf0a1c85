"""From the link that Weft prints to a first own rule that has made a work order.

What a newcomer has to do is counted and held to a bound: a step more has to be meant. The
moments are printed for whoever wants to know them (`pytest -s`).
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.web.support import PASSWORD, Server, opened

CLICKS_MAX, FIELDS_MAX, COMMANDS_MAX = 10, 7, 2


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft with an ERP beside it, at which nobody has signed up."""
    folder: Path = tmp_path_factory.mktemp("newcomer") / "data"
    server = Server(folder, "--demo", "factory")
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Newcomer:
    """Somebody who clicks, types and pastes, and counts it."""

    def __init__(self, page: Page) -> None:
        self.clicks = self.fields = self.commands = 0
        self._page = page
        self._began = time.monotonic()

    def click(self, what: Locator) -> None:
        """Press a button or follow a link."""
        self.clicks += 1
        what.click()

    def fill(self, label: str, words: str) -> None:
        """Type into a field."""
        self.fields += 1
        self._page.get_by_label(label, exact=True).fill(words)

    def paste(self, command: str) -> None:
        """Run in a terminal what the page shows."""
        self.commands += 1
        done = subprocess.run(
            command, shell=True, check=True, capture_output=True, timeout=30, text=True
        )
        assert "problem" not in done.stdout, done.stdout

    def tell(self, what: str) -> None:
        """Say when something was reached."""
        seconds = time.monotonic() - self._began
        print(f"{what}: {seconds:.1f} s, {self.clicks} clicks, {self.fields} fields")


def test_from_the_link_to_a_work_order(browser: Browser, factory: Server) -> None:
    """Sign up, add a device, hear it, write a rule about it, and see what the rule asked for."""
    with opened(browser, factory) as (page, watched):
        me = Newcomer(page)
        page.goto(factory.sign_up_link())
        me.fill("Name", "alice")
        me.fill("Password", PASSWORD)
        me.fill("Password again", PASSWORD)
        me.click(page.get_by_role("button", name="Sign up"))
        page.get_by_role("heading", name="Overview", level=1).wait_for()
        me.tell("signed up")
        command = _add_a_device(page, me)
        _write_a_rule(page, me)
        me.paste(command)
        me.click(page.get_by_role("link", name="Work orders", exact=True))
        page.get_by_role("link", name="Inspect my-oven").wait_for()
        me.tell("first work order")
        mine = page.get_by_role("row").filter(has_text="Inspect my-oven")
        expect(mine).to_have_count(1)
        expect(mine).to_contain_text("erp")
        assert me.clicks <= CLICKS_MAX
        assert me.fields <= FIELDS_MAX
        assert me.commands <= COMMANDS_MAX
        watched.require_clean()


def _add_a_device(page: Page, me: Newcomer) -> str:
    """Add one and send its first message; return the command that sends another."""
    me.click(page.get_by_role("link", name="Onboarding", exact=True))
    me.fill("Device id", "my-oven")
    me.click(page.get_by_role("button", name="Add the device"))
    me.click(page.get_by_role("tab", name="HTTP · curl"))
    region = page.get_by_role("region", name="Send a first message")
    command = region.locator("pre").inner_text()
    me.paste(command)
    expect(page.get_by_text("It has arrived")).to_be_visible()
    me.tell("first message")
    return command


def _write_a_rule(page: Page, me: Newcomer) -> None:
    """One about what has just come in."""
    me.click(page.get_by_role("link", name="Watch it with a rule"))
    me.fill("Name", "my-oven-warm")
    me.fill("Condition", "temperature > 20")
    me.click(page.get_by_label("Ask for a work order"))
    me.click(page.get_by_role("button", name="Save and switch on"))
    page.get_by_role("heading", name="my-oven-warm", level=1).wait_for()
    me.tell("own rule")

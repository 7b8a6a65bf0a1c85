"""From the link that Weft prints to the dashboard, as the first person does it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from tests.web.support import PASSWORD, Server, opened, violations


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Weft that nobody has signed up at."""
    folder: Path = tmp_path_factory.mktemp("fresh") / "data"
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_who_signs_up_is_in_the_dashboard(browser: Browser, fresh: Server) -> None:
    """Three fields and a button; then it says what to do first."""
    with opened(browser, fresh) as (page, watched):
        page.goto(fresh.sign_up_link())
        assert not violations(page), "\n".join(violations(page))
        page.get_by_label("Name").fill("alice")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Sign up").click()
        page.get_by_role("heading", name="Overview").wait_for()
        page.get_by_role("link", name="Add a device").wait_for()
        assert "weft_" not in page.url
        watched.require_clean()

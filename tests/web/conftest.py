"""One Weft with the demonstration for all tests of the dashboard, and a browser for each file.

The browser's driver keeps a loop running in this thread as long as it is open, in which no
asynchronous test can run: it is closed at the end of each file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.web.plant import Plant, plant_at
from tests.web.support import DIST, FLAGS, Server, find_chromium, opened, sign_in

expect.set_options(timeout=20_000)  # what other tests do on the same cores is no fault of a page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed; .ci/run installs it")
    if not (DIST / "index.html").exists():
        pytest.skip("the dashboard is not built; scripts/dashboard build says why")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield launched
        launched.close()


# Of the package: a factory that runs on beside all later tests would take their processor.
@pytest.fixture(scope="package")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A factory: machines, faults, alarms and work orders."""
    folder: Path = tmp_path_factory.mktemp("dashboard") / "data"
    server = Server(folder, "--demo", "factory")
    server.start()
    try:
        server.sign_up()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="package")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A small fleet on the road and two plants, of which we say what happens."""
    with plant_at(tmp_path_factory.mktemp("plant") / "data") as made:
        yield made


@pytest.fixture(scope="module")
def at_plant(browser: Browser, plant: Plant) -> Any:
    """The cookie of somebody who has signed in there."""
    with opened(browser, plant.server) as (page, _):
        sign_in(page)
        return page.context.storage_state()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, weft: Server) -> Any:
    """The cookie of somebody who has signed in, for new pages."""
    with opened(browser, weft) as (page, watched):
        sign_in(page)
        watched.require_clean()
        return page.context.storage_state()

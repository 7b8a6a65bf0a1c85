"""Pictures of the dashboard's pages, for people to look at: desktop and phone, light and dark.

python -m tests.web.screenshots FOLDER [PATH ...]
"""

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.web.support import FLAGS, Server, find_chromium, opened, sign_in
from tests.web.test_dashboard import PATHS

SETTLE_S = 25.0  # the factory of the demonstration has alarms and work orders by then


def main(folder: Path, paths: list[str]) -> None:
    """Take the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(Path(tempfile.mkdtemp()) / "data", "--demo", "factory")
    server.start()
    try:
        server.sign_up()
        time.sleep(SETTLE_S)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
            with opened(browser, server) as (page, _):
                page.goto("/")
                page.screenshot(path=folder / "sign-in.png")
                sign_in(page)
                state = page.context.storage_state()
            for phone in (False, True):
                for dark in (False, True):
                    with opened(browser, server, state=state, phone=phone, dark=dark) as (page, _):
                        for path in paths:
                            page.goto(path)
                            page.get_by_role("heading", level=1).wait_for()
                            page.wait_for_timeout(1500)
                            size = "phone" if phone else "desktop"
                            tone = "dark" if dark else "light"
                            name = path.strip("/").replace("/", "-").replace("?", "-")
                            page.screenshot(path=folder / f"{name}-{size}-{tone}.png")
            browser.close()
    finally:
        server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or PATHS)

"""The lines beside a new credential, taken from the page and run as they are."""

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from tests.web.support import Server, opened, violations


def test_the_javascript_of_a_new_device_sends_its_first_message(
    browser: Browser, weft: Server, signed_in: object, tmp_path: Path
) -> None:
    """With a reading that its type allows; the page that waits says that it has arrived."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is not installed; scripts/dashboard build says how it comes")
    climate = {"telemetry": {"humidity": {"type": "number", "minimum": 20, "maximum": 60}}}
    weft.call("PUT", "/types/scripted-climate", climate)
    with opened(browser, weft, state=signed_in) as (page, watched):
        page.goto("/onboarding?type=scripted-climate")
        page.get_by_label("Device id").fill("scripted-1")
        page.get_by_role("button", name="Add the device").click()
        page.get_by_role("tab", name="HTTP · JavaScript").click()
        lines = page.get_by_role("region", name="Send a first message", exact=True)
        expect(lines).to_contain_text('{"humidity":40}')
        assert not violations(page), "\n".join(violations(page))
        (tmp_path / "device.mjs").write_text(lines.locator("pre").inner_text())
        command = [node, "device.mjs"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("200 ")
        first = page.get_by_role("region", name="First message", exact=True)
        expect(first).to_contain_text("It has arrived")
        watched.require_clean()

"""The dashboard's own logic, where it needs no browser: frames, gaps, checks, addresses."""

import shutil
import subprocess

import pytest
from tests.web.support import APP


@pytest.mark.parametrize("script", ["run.mjs", "charts.mjs", "onboarding.mjs"])
def test_what_needs_no_browser_holds(script: str) -> None:
    """Run by Node.js through Vite, as the build reads it."""
    node = shutil.which("node")
    if node is None or not (APP / "node_modules/vite").exists():
        pytest.skip("Node.js or the npm packages are missing; scripts/dashboard build says why")
    done = subprocess.run(
        [node, f"test/{script}"], cwd=APP, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr

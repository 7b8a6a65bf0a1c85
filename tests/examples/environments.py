"""Environments in which a package of the examples is installed."""

import site
import subprocess
import sys
from pathlib import Path


def environment_with(package: Path, folder: Path) -> Path:
    """Make one with a package in it, beside what this one has; without a network."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    made = folder / "bin" / "python"
    where = subprocess.run(
        [made, "-c", "import site; print(site.getsitepackages()[0])"],
        check=True,
        capture_output=True,
        text=True,
    )
    path = Path(where.stdout.strip()) / "ours.pth"
    ours = [one for one in site.getsitepackages() if Path(one).exists()]
    path.write_text("".join(f"import site; site.addsitedir({one!r})\n" for one in ours))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [made, "-m", "pip", "install", "-q", *options, package],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return made

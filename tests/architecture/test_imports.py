"""Stations import downwards only, and the folders are the stations."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.support import ROOT, SOURCE


def test_the_contracts_of_import_hold() -> None:
    """Layers, pure wire protocols, drivers behind ports: as pyproject.toml declares them."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_folders_are_the_stations() -> None:
    """`ls src/weft` tells the message's story: nothing beside the layers, no layer missing."""
    found = {
        path.stem
        for path in SOURCE.iterdir()
        if (path.is_dir() and (path / "__init__.py").exists()) or path.suffix == ".py"
    }
    declared, planned = stations()
    assert found - declared - planned == {"__init__", "__main__"}
    assert declared <= found


def stations() -> tuple[set[str], set[str]]:
    """Return the layers that must be there, and those in brackets, that may."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    layers = next(
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    names = [name.strip() for layer in layers for name in layer.split("|")]
    planned = {name.strip("()") for name in names if name.startswith("(")}
    return {name for name in names if not name.startswith("(")}, planned

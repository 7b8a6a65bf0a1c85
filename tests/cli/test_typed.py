"""What we tell people to paste works where they stand."""

import sys
from pathlib import Path

import pytest

from weft.cli.typed import typed


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with its environment, and nothing on the path."""
    program = tmp_path / ".venv" / "bin" / "weft"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "up"])
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("WEFT_DATA", raising=False)
    return tmp_path


def test_a_program_off_the_path_is_named_by_its_place(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `scripts/run` starts it; from elsewhere the whole path."""
    data = str(here / "weft-data")
    assert typed(data) == ".venv/bin/weft"
    (here / "other").mkdir()
    monkeypatch.chdir(here / "other")
    assert typed(data) == f"{here}/.venv/bin/weft --data {data}"


def test_on_the_path_its_name_is_enough(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a namesake that is found first is not ours."""
    monkeypatch.setenv("PATH", str(here / ".venv" / "bin"))
    assert typed("/srv/demo") == "weft --data /srv/demo"
    other = here / "bin" / "weft"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o700)
    monkeypatch.setenv("PATH", f"{here / 'bin'}:{here / '.venv' / 'bin'}")
    assert typed("/srv/demo") == ".venv/bin/weft --data /srv/demo"


def test_the_usual_folder_is_not_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one below us, or the one that WEFT_DATA names."""
    monkeypatch.setattr(sys, "argv", ["python -m weft"])
    assert typed(str(here / "weft-data")) == "weft"
    monkeypatch.setenv("WEFT_DATA", "/srv/plant two")
    assert typed("/srv/plant two") == "weft"
    assert typed("/srv/it's") == """weft --data '/srv/it'"'"'s'"""

"""`weft device import`: what came of each row, on the screen and in a file."""

import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.support import Shell

from weft.cli import device_import


async def test_a_file_is_imported_and_its_mistakes_are_told(weft: Shell, tmp_path: Path) -> None:
    """Line, column and what to do; the others are there."""
    file = tmp_path / "pumps.csv"
    file.write_text("device_id,label\npump-1,One\na b,Two\n")
    result = await weft.run("device", "import", str(file))
    assert result.exit_code == 1
    assert "1 created, 0 updated, 0 skipped, 1 failed, of 2 rows." in result.stdout
    assert "line 3, device_id:" in result.stderr
    shown: Any = await weft.json("device", "show", "pump-1")
    assert shown["label"] == "One"


async def test_a_dry_run_makes_nothing(weft: Shell, tmp_path: Path) -> None:
    """And says so."""
    file = tmp_path / "pumps.ndjson"
    file.write_text('{"device_id": "pump-1"}\n')
    result = await weft.run("device", "import", str(file), "--dry-run")
    assert result.exit_code == 0, result.output
    assert "Nothing was done; it would be: 1 created" in result.stdout
    assert (await weft.run("device", "show", "pump-1")).exit_code == 1


async def test_secrets_go_to_a_file_that_only_its_owner_reads(weft: Shell, tmp_path: Path) -> None:
    """Without one they would be lost, so it is asked for."""
    file, report = tmp_path / "pumps.csv", tmp_path / "secrets.csv"
    file.write_text("device_id\npump-1\n")
    asked = await weft.run("device", "import", str(file), "--credentials")
    assert asked.exit_code == 2
    arguments = ("device", "import", str(file), "--credentials", "--report", str(report))
    made = await weft.run(*arguments)
    assert made.exit_code == 0, made.output
    assert "weft_" not in made.output
    token = report.read_text().splitlines()[1].rpartition(",")[2]
    assert (await weft.world.call("GET", "/whoami", token=token)).json["id"] == "pump-1"
    assert report.stat().st_mode & 0o077 == 0


async def test_pre_shared_keys_go_to_that_file_as_well(weft: Shell, tmp_path: Path) -> None:
    """Asked for by their kind; one that is none is a mistake."""
    file, report = tmp_path / "meters.csv", tmp_path / "keys.csv"
    file.write_text("device_id\nmeter-1\n")
    arguments = ("device", "import", str(file), "--report", str(report), "--credentials")
    assert (await weft.run(*arguments, "certificate")).exit_code == 2
    made = await weft.run(*arguments, "psk")
    assert made.exit_code == 0, made.output
    identity, key = report.read_text().splitlines()[1].split(",")[-2:]
    assert weft.world.preshared.find(identity).key == key.encode()
    assert key not in made.output


async def test_a_file_of_another_kind_is_not_guessed_at(weft: Shell, tmp_path: Path) -> None:
    """Its name says what it is."""
    file = tmp_path / "pumps.xlsx"
    file.write_text("x")
    result = await weft.run("device", "import", str(file))
    assert result.exit_code == 2
    assert ".ndjson" in result.stderr


async def test_many_mistakes_do_not_flood_the_screen(weft: Shell, tmp_path: Path) -> None:
    """The first are told, and where the others are."""
    file = tmp_path / "pumps.csv"
    file.write_text("device_id\n" + "".join(f"a {number}\n" for number in range(30)))
    result = await weft.run("device", "import", str(file))
    assert "and 10 more: weft import report" in result.stderr


async def test_machines_read_the_job(weft: Shell, tmp_path: Path) -> None:
    """As the API shows it."""
    file = tmp_path / "pumps.csv"
    file.write_text("device_id\npump-1\n")
    job: Any = await weft.json("device", "import", str(file))
    assert (job["state"], job["created"]) == ("done", 1)


def test_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves until the job has ended."""

    class Answers:
        def __init__(self) -> None:
            self.left = [{"state": "running", "done": 5}, {"state": "done", "done": 10}]

        def send(self, _method: str, _path: str) -> Any:
            job = {"import_id": "i", "rows": 10, **self.left.pop(0)}
            return type("Received", (), {"value": job})

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(device_import, "POLL_S", 0)
    job = {"import_id": "i", "rows": 10, "state": "queued", "done": 0}
    assert device_import.follow(Answers(), job)["done"] == 10  # type: ignore[arg-type]  # as far as it is asked


def test_one_that_waits_says_behind_how_many() -> None:
    """The bar does not stand still without a reason."""
    assert device_import.words_of({"state": "queued", "place": 2}) == "Waiting, 2 before it"
    for job in ({"state": "queued", "place": 0}, {"state": "running", "place": None}):
        assert device_import.words_of(job) == "Importing"

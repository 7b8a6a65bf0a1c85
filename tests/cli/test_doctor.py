"""`weft doctor` as it is run: lines, exit codes, and mending only when told to."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.cli.checks.test_stores import change
from tests.cli.platform import ANY_PORT, make_folder, numbers_in_history, serving, weft_command

OPTIONS = ("--set", ANY_PORT[0], "--set", ANY_PORT[1])


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEFT_URL", "WEFT_TOKEN", "WEFT_DATA", "WEFT_CONFIG"):
        monkeypatch.delenv(name, raising=False)


async def test_all_is_well_with_a_folder_that_is_and_with_none(tmp_path: Path) -> None:
    """Exit code 0, stopped and before the first start."""
    await make_folder(tmp_path / "data", 1)
    for folder in ("data", "none"):
        found = await asyncio.to_thread(weft_command, tmp_path / folder, "doctor", *OPTIONS)
        assert found.exit_code == 0, found.output
        assert " failed" not in found.output or "0 failed" in found.output


async def test_beside_a_server_it_asks_the_server(tmp_path: Path) -> None:
    """And mends nothing under its hands."""
    async with serving(tmp_path):
        found = await asyncio.to_thread(weft_command, tmp_path, "doctor", *OPTIONS)
        assert found.exit_code == 0, found.output
        assert "audit of main" in found.output
        assert "checksums are verified when Weft is stopped" in found.output
        refused = await asyncio.to_thread(weft_command, tmp_path, "doctor", "--repair", "--yes")
        assert refused.exit_code == 1
        assert "is in use" in refused.output


async def test_damage_is_told_then_mended_then_well(tmp_path: Path) -> None:
    """An operator's evening: doctor, doctor --repair, doctor --rebuild-history, weft up."""
    await make_folder(tmp_path, 5)
    change(tmp_path / "journal.sqlite", "UPDATE batch SET body = zeroblob(9) WHERE first = 4")

    def story() -> None:
        found = weft_command(tmp_path, "--json", "doctor", *OPTIONS)
        assert found.exit_code == 1
        told = json.loads(found.stdout)
        assert not told["well"]
        (bad,) = [one for one in told["findings"] if one["state"] == "fail"]
        assert bad["what"] == "journal"
        unasked = weft_command(tmp_path, "doctor", "--repair")
        assert unasked.exit_code == 1
        assert "Say --yes" in unasked.output
        mended = weft_command(tmp_path, "doctor", "--repair", "--yes", *OPTIONS)
        assert mended.exit_code == 0, mended.output
        assert "position 4 (1 message)" in mended.output
        assert "damaged-1" in mended.output
        again = weft_command(tmp_path, "doctor", "--repair", "--yes", *OPTIONS)
        assert "Nothing was damaged" in again.output
        rebuilt = weft_command(tmp_path, "doctor", "--rebuild-history", "--yes", *OPTIONS)
        assert rebuilt.exit_code == 0, rebuilt.output
        assert "up to position 5" in rebuilt.output

    await asyncio.to_thread(story)
    async with serving(tmp_path) as weft:
        assert await numbers_in_history(weft, "pump-1") == [0, 1, 2, 4]


def test_wrong_settings_and_no_folder_are_told(tmp_path: Path) -> None:
    """A diagnosis goes on with what can be looked at; mending does not start."""
    found = weft_command(tmp_path / "none", "doctor", "--set", "api.lisen=1")
    assert found.exit_code == 1
    assert "lisen" in found.output
    assert "Python" in found.output
    refused = weft_command(tmp_path / "none", "doctor", "--repair", "--yes")
    assert refused.exit_code == 1
    assert "no data folder" in refused.output
    (tmp_path / "journal.sqlite").touch()
    broken = ("doctor", "--rebuild-history", "--yes", "--set", "api.lisen=1")
    assert "lisen" in weft_command(tmp_path, *broken).output

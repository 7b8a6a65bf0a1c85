"""`weft type migrate`: a whole fleet to another version of its type."""

from pathlib import Path

import pytest
from tests.cli.support import Shell

from weft.cli.type_migrate import report_lines

PUMP = "telemetry:\n  temperature: {type: number, unit: Cel, maximum: 120}\n"


@pytest.fixture
async def fleet(weft: Shell, tmp_path: Path) -> Shell:
    """Two pumps behind a version that breaks one of them."""
    file = tmp_path / "pump.yaml"
    file.write_text(PUMP)
    await weft.run("type", "save", "pump", str(file))
    for name in ("pump-1", "pump-2"):
        await weft.run("device", "add", name, "--type", "pump")
    file.write_text(PUMP.replace("120", "100"))
    refused = await weft.run("type", "save", "pump", str(file))
    assert refused.exit_code == 1
    assert "telemetry.temperature.maximum" in refused.stderr
    saved = await weft.run("type", "save", "pump", str(file), "--breaking", "allow")
    assert saved.exit_code == 0, saved.output
    return weft


async def test_a_fleet_is_tried_and_then_moved(fleet: Shell) -> None:
    """The counts say what would be, then what is."""
    tried = await fleet.run("type", "migrate", "pump", "--dry-run")
    assert "2 devices looked at: 2 would move to version 2, 0 unchanged, 0 failing." in tried.stdout
    done = await fleet.json("type", "migrate", "pump", "--from", "1", "--devices", "pump-1,pump-2")
    assert (done["moved"], done["to"], done["failing"]) == (2, 2, [])
    assert (await fleet.json("device", "show", "pump-1"))["type_version"] == 2


async def test_a_type_that_is_not_there_is_told(weft: Shell) -> None:
    """With the way on, as everywhere."""
    result = await weft.run("type", "migrate", "fan")
    assert result.exit_code == 1
    assert "no device type 'fan'" in result.stderr


def test_those_that_stay_are_listed_with_the_reason() -> None:
    """So many as one can read; the rest is counted."""
    failing = [{"device_id": f"p-{n}", "follows": 1, "reason": "too hot"} for n in range(60)]
    total = {"looked_at": 60, "moved": 0, "unchanged": 0, "failing": failing}
    lines = "\n".join(report_lines(total | {"to": 2, "dry_run": False}, 80))
    assert "too hot" in lines
    assert "and 10 more" in lines
    assert "--force" in lines
    forced = report_lines(total | {"to": 2, "dry_run": False}, 80, force=True)
    assert not any("--force" in line for line in forced)

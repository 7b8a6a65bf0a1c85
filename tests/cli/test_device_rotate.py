"""`weft device rotate`: the new credential is shown, the old one has an end."""

from pathlib import Path

import pytest
from tests.cli.support import Shell


async def test_a_secret_is_rotated_and_both_are_listed(weft: Shell) -> None:
    """The old one ends within the grace; the new one works at once."""
    added = await weft.json("device", "add", "pump-7")
    result = await weft.run("device", "rotate", "pump-7", "--grace", "15m")
    assert result.exit_code == 0, result.output
    token = next(line.strip() for line in result.stdout.splitlines() if "weft_" in line)
    for known in (token, added["token"]):
        assert (await weft.world.call("GET", "/devices/me", token=known)).status == 200
    listed = (await weft.json("credential", "list", "pump-7"))["items"]
    assert sorted(one["expires_at"] is None for one in listed) == [False, True]
    weft.world.clock.turn(15 * 60)
    assert (await weft.world.call("GET", "/devices/me", token=added["token"])).status == 401


async def test_a_certificate_goes_into_files(weft: Shell, tmp_path: Path) -> None:
    """Also in place of a secret."""
    await weft.run("device", "add", "gate-1")
    out = tmp_path / "new"
    result = await weft.run("device", "rotate", "gate-1", "--certificate", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["ca.pem", "device.key", "device.pem"]


async def test_rv_3_two_pre_shared_keys_are_good_for_the_grace(weft: Shell) -> None:
    """Then the old one opens no handshake; the new one has no end."""
    old = await weft.json("device", "add", "meter-1", "--psk")
    new = await weft.json("device", "rotate", "meter-1", "--psk", "--grace", "15m")
    assert new["psk_key"] != old["psk_key"]
    preshared = weft.world.preshared
    for issued in (old, new):
        assert preshared.find(issued["psk_identity"]).key == issued["psk_key"].encode()
    weft.world.clock.turn(15 * 60)
    assert preshared.find(old["psk_identity"]).credential is None
    assert preshared.find(new["psk_identity"]).credential is not None


async def test_two_kinds_at_once_are_a_mistake(weft: Shell) -> None:
    """Before anything is asked of the server."""
    result = await weft.run("device", "rotate", "meter-1", "--psk", "--certificate")
    assert result.exit_code == 2
    assert "Choose one" in result.stderr


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1w", "9999999s"])
async def test_what_is_no_duration_is_said(weft: Shell, text: str) -> None:
    """Before anything is asked of the server."""
    result = await weft.run("device", "rotate", "pump-7", "--grace", text)
    assert result.exit_code == 2
    assert "24h" in result.stderr


async def test_machines_read_json(weft: Shell) -> None:
    """With the token."""
    await weft.run("device", "add", "pump-7")
    assert (await weft.json("device", "rotate", "pump-7", "--grace", "0s"))["token"]

"""`weft device add`: a device, its credential once, and what to paste."""

from pathlib import Path

from tests.cli.support import Shell


async def test_a_device_gets_a_token_and_snippets(weft: Shell) -> None:
    """Shown once; what is shown works at once."""
    result = await weft.run("device", "add", "pump-7", "--label", "Pump")
    assert result.exit_code == 0, result.output
    for part in ("import paho.mqtt.client", "mosquitto_pub", "curl ", "devices/pump-7/telemetry"):
        assert part in result.stdout
    token = next(line.strip() for line in result.stdout.splitlines() if "weft_" in line)
    answer = await weft.world.call("GET", "/whoami", token=token)
    assert answer.json["id"] == "pump-7"


async def test_a_certificate_is_written_to_files(weft: Shell, tmp_path: Path) -> None:
    """The private key is readable by its owner only, and is printed nowhere."""
    out = tmp_path / "pump-8"
    result = await weft.run("device", "add", "pump-8", "--certificate", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == ["ca.pem", "device.key", "device.pem"]
    assert (out / "device.key").stat().st_mode & 0o077 == 0
    assert "PRIVATE KEY" not in result.output
    assert "--cert device.pem" in result.stdout


async def test_a_type_that_is_not_there_is_named(weft: Shell) -> None:
    """And no half device stays behind."""
    result = await weft.run("device", "add", "pump-7", "--type", "pump")
    assert result.exit_code == 1
    assert "no device type 'pump'" in result.stderr
    assert (await weft.run("device", "show", "pump-7")).exit_code == 1


async def test_machines_read_json(weft: Shell) -> None:
    """The device, the token and the snippets in one object."""
    made = await weft.json("device", "add", "pump-7")
    assert made["token"].startswith("weft_")  # type: ignore[index]  # an object


async def test_a_pre_shared_key_is_shown_with_its_name(weft: Shell) -> None:
    """And that no listener takes it yet, with what turns one on."""
    result = await weft.run("device", "add", "meter-1", "--psk")
    assert result.exit_code == 0, result.output
    assert "Its pre-shared key, shown this once" in result.stdout
    assert "coap-client-openssl -m post -u " in result.stdout
    assert "paho" not in result.stdout
    assert "transports.coap.listen_dtls=" in result.stderr
    both = await weft.run("device", "add", "meter-2", "--psk", "--certificate")
    assert both.exit_code == 2

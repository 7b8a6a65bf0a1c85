"""`weft type decode`: a payload in any way one has it, and what becomes of it."""

import json
from pathlib import Path

import pytest
from tests.cli.support import Shell

PROBE = """
telemetry:
  rpm: {type: integer}
mapping:
  format: binary
  binary: {fields: {rpm: {byte: 0, bytes: 2}}}
"""


async def test_a_payload_is_tried_with_a_saved_type(weft: Shell, tmp_path: Path) -> None:
    """In hex, in base64, in a file: the steps are shown in words."""
    (tmp_path / "probe.yaml").write_text(PROBE)
    (tmp_path / "frame.bin").write_bytes(b"\x03\x84")
    saved = await weft.run("type", "save", "probe", str(tmp_path / "probe.yaml"))
    assert saved.exit_code == 0, saved.output
    for way in (
        ("--hex", "0384"),
        ("--base64", "A4Q="),
        ("--file", str(tmp_path / "frame.bin")),
        ("--text", '{"rpm": 900}', "--content-type", "application/json"),
    ):
        result = await weft.run("type", "decode", "probe", *way)
        assert result.exit_code == 0, result.output
        assert '"values": {"rpm": 900}' in result.stdout


async def test_a_refusal_is_told_with_its_step_and_remedy(weft: Shell, tmp_path: Path) -> None:
    """A type that is not saved; the exit code says that the device would be refused."""
    path = tmp_path / "probe.yaml"
    path.write_text(PROBE)
    result = await weft.run("type", "decode", "--document", str(path), "--hex", "03")
    assert result.exit_code == 1
    assert "mapped   refused: rpm stands in the bytes 0 to 1" in result.stdout
    assert "optional: true" in result.stdout


async def test_machines_read_json(weft: Shell, tmp_path: Path) -> None:
    path = tmp_path / "probe.json"
    path.write_text(json.dumps({"events": {"leak": {"litres": {"type": "number"}}}}))
    found = await weft.json(
        "type", "decode", "--document", str(path), "--text", '{"litres": 2}', "--event", "leak"
    )
    assert found["value"] == {"litres": 2}  # type: ignore[index, call-overload]  # an object


@pytest.mark.parametrize(
    "arguments",
    [
        ("probe",),
        ("--hex", "00"),
        ("probe", "--hex", "00", "--text", "x"),
    ],
)
async def test_one_type_and_one_payload_are_asked_for(
    weft: Shell, arguments: tuple[str, ...]
) -> None:
    assert (await weft.run("type", "decode", *arguments)).exit_code == 2

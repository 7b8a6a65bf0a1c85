"""A new credential goes to a screen, to files or to a machine, and to one of them only."""

from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

from weft.cli.issued_credentials import issuing, show_issued

SECRET: dict[str, Any] = {"token": "weft_x", "snippets": {}}
CERTIFICATE: dict[str, Any] = {
    "token": None,
    "snippets": {},
    "ca_pem": "root",
    "certificate_pem": "chain",
    "private_key_pem": "key",
}


def shown(issued: dict[str, Any], folder: Path, *arguments: str) -> tuple[str, list[bool]]:
    """Run a command that has made this; return what it printed and what it learnt."""
    told: list[bool] = []

    @click.command()
    @issuing
    @click.pass_context
    def command(ctx: click.Context, /, out: Path | None, **options: Any) -> None:
        told.append(show_issued(ctx, options, issued, said="Made.", folder=out or folder))

    result = CliRunner().invoke(command, list(arguments), obj={"json": False})
    assert result.exit_code == 0, result.output
    return result.output, told


def test_a_secret_is_shown_and_no_file_is_written(tmp_path: Path) -> None:
    """Once, below what has happened."""
    output, told = shown(SECRET, tmp_path / "pump")
    assert output.startswith("Made.")
    assert "weft_x" in output
    assert told == [True]
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_is_in_files_that_its_owner_alone_reads(tmp_path: Path) -> None:
    """In the folder that was asked for, and its key nowhere on the screen."""
    output, _ = shown(CERTIFICATE, tmp_path / "pump", "--out", str(tmp_path / "there"))
    assert "there/" in output
    assert "key" not in output.replace("certificate and key", "")
    key = tmp_path / "there" / "device.key"
    assert (key.read_text(), key.stat().st_mode & 0o077) == ("key", 0)
    assert not (tmp_path / "pump").exists()


def test_a_machine_reads_all_of_it_and_no_file_is_written(tmp_path: Path) -> None:
    """Who asks for JSON keeps the key itself."""
    output, told = shown(CERTIFICATE, tmp_path / "pump", "--json")
    assert '"private_key_pem": "key"' in output
    assert told == [False]
    assert list(tmp_path.iterdir()) == []

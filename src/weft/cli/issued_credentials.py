"""New credentials on the command line: shown once, or written where only their owner reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from weft.cli.output import show_json, show_lines
from weft.cli.views import CERTIFICATE_FILES, credential_lines

F = TypeVar("F", bound=Callable[..., Any])


def issuing(command: F) -> F:
    """Give a command that makes a credential the options that say where it goes."""
    out = click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the certificate's files; the device's name if left out.",
    )
    return out(
        click.option("--json", "as_json", is_flag=True, help="Answer for machines.")(command)
    )


def kind_of(*, certificate: bool, psk: bool) -> str:
    """Return the kind of credential that flags ask for; a usage error where they ask for two."""
    if certificate and psk:
        raise click.UsageError("Choose one: --certificate or --psk.")
    return "certificate" if certificate else "psk" if psk else "secret"


def show_issued(
    ctx: click.Context, options: dict[str, Any], issued: dict[str, Any], *, said: str, folder: Path
) -> bool:
    """Show a new credential, the files of a certificate in a folder; return whether to people."""
    if options["as_json"] or ctx.obj["json"]:
        show_json(issued)
        return False
    click.echo(f"{said}\n")
    if issued.get("certificate_pem"):
        _write_files(issued, folder)
    show_lines(credential_lines(issued, in_files=True))
    return True


def _write_files(issued: dict[str, Any], folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, key in CERTIFICATE_FILES:
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(issued[key])
    click.echo(f"Its certificate and key are in {folder}/ and nowhere else. There:\n")


__all__ = ["issuing", "kind_of", "show_issued"]

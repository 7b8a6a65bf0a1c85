"""Passphrases: typed without being seen, or read from a file; never an argument."""

import sys
from pathlib import Path

import click

from weft.errors import Invalid

PASSPHRASE_OPTION = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Read the passphrase from a file's first line; - is standard input.",
)


def read_passphrase(file: Path | None, *, confirm: bool, otherwise: str = "") -> str:
    """Return a passphrase; raise `Invalid` where nobody is there to type it."""
    if file is not None:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text("utf-8")
        return text.partition("\n")[0].rstrip("\r")
    if not sys.stdin.isatty():
        raise Invalid(
            "Nobody is there to type a passphrase.",
            remedy=f"Name --passphrase-file (- for standard input){otherwise}.",
        )
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))

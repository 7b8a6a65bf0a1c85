"""`weft ca`: the root's key goes into a file of its owner's, and comes back for a moment."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import click

from weft.cli.client import Client, find_client
from weft.cli.output import show_json
from weft.cli.passphrases import PASSPHRASE_OPTION, read_passphrase
from weft.errors import AlreadyExists

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.command("export-root")
@FILE
@PASSPHRASE_OPTION
@click.pass_context
def export_root(ctx: click.Context, file: Path, passphrase_file: Path | None) -> None:
    """Seal a copy of the root's key into FILE (PKCS #12); the key stays here as well."""
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    _export(client, file, read_passphrase(passphrase_file, confirm=True))
    click.echo(f"The root's key is in {file}, sealed. Keep the passphrase apart from it.")


@click.command("take-root-offline")
@FILE
@PASSPHRASE_OPTION
@click.pass_context
def take_root_offline(ctx: click.Context, file: Path, passphrase_file: Path | None) -> None:
    """Move the root's key into FILE, sealed, and remove it from the data folder.

    Everything goes on without it. Some three years later a new intermediate needs it:
    Weft's health says so in time. A FILE of `weft ca export-root` is taken as it is.
    """
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    passphrase = read_passphrase(passphrase_file, confirm=not file.exists())
    if not file.exists():
        _export(client, file, passphrase)
    _send(client, "/ca/root/offline", file, passphrase)
    click.echo(f"The root's key is in {file} and nowhere else. Move the file to a safe place;")
    click.echo("without it, or without its passphrase, all devices need new certificates one day.")


@click.command("renew-intermediate")
@click.option(
    "--root",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The root's key, where it was taken offline.",
)
@PASSPHRASE_OPTION
@click.pass_context
def renew_intermediate(ctx: click.Context, root: Path | None, passphrase_file: Path | None) -> None:
    """Sign a new intermediate. Devices keep their certificates and notice nothing."""
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    passphrase = read_passphrase(passphrase_file, confirm=False) if root else ""
    state = _send(client, "/ca/intermediate", root, passphrase)
    if ctx.obj["json"]:
        show_json(state)
    else:
        click.echo(f"The new intermediate is good until {state['intermediate_expires_at']}.")


def _export(client: Client, file: Path, passphrase: str) -> None:
    if file.exists():
        raise AlreadyExists(f"{file} is there already.", remedy="Name another file.")
    body = json.dumps({"passphrase": passphrase}).encode()
    answer = client.send("POST", "/ca/root/export", body=body).value
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(base64.b64decode(answer["key_pkcs12"]))
        target.flush()
        os.fsync(target.fileno())  # the only copy, a moment later


def _send(client: Client, path: str, file: Path | None, passphrase: str) -> dict[str, Any]:
    sealed = base64.b64encode(file.read_bytes()).decode() if file else ""
    body = {"key_pkcs12": sealed, "passphrase": passphrase} if file else {}
    answer: dict[str, Any] = client.send("POST", path, body=json.dumps(body).encode()).value
    return answer

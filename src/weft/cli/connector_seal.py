"""`weft connector seal`: a business system's secret, put where only Weft reads it.

It is typed without an echo, or comes on standard input; never on the command line, where
others could read it.
"""

import json
import sys
from urllib.parse import quote

import click

from weft.cli.client import find_client


@click.command("seal")
@click.argument("name")
@click.pass_context
def connector_seal(ctx: click.Context, /, name: str) -> None:
    """Seal a secret, read from standard input; the configuration names it sealed:NAME.

    Sealing another under the same name replaces it, without a restart.

    \b
    Example:
      weft connector seal sap <sap-password.txt
    """
    if sys.stdin.isatty():
        secret = click.prompt("Secret", hide_input=True, err=True)
    else:
        secret = sys.stdin.read()
    if not secret.strip():
        raise click.UsageError("Standard input holds no secret.")
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    path = f"/connector-secrets/{quote(name, safe='')}"
    client.send("PUT", path, body=json.dumps({"secret": secret.strip()}).encode())
    click.echo(f"Sealed. The configuration names it sealed:{name}.")

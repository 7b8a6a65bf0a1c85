"""`weft claim derive`: the keys of a group's devices, made in the factory without a server."""

import sys

import click

from weft.cli.output import show_json
from weft.security.machine_secrets import derive_secret, parse_secret


@click.command("derive")
@click.argument("serials", metavar="SERIAL...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def claim_derive(ctx: click.Context, /, serials: tuple[str, ...], *, as_json: bool) -> None:
    """Derive the keys of devices from a group's token, which is read from standard input.

    Nothing is asked of a server: the token stays where the devices are made.

    \b
    Example:
      weft claim derive 0042 0043 <token.txt
    """
    group = parse_secret(sys.stdin.readline().strip())
    if group is None:
        raise click.UsageError("Standard input holds no token of a claim, or it was mistyped.")
    keys = {serial: derive_secret(group, serial).text for serial in serials}
    if as_json or ctx.obj["json"]:
        show_json(keys)
        return
    for serial, key in keys.items():
        click.echo(f"{serial} {key}")

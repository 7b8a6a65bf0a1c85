"""`weft claim derive`: the keys of a group's devices, made in the factory without a server."""

import sys

import click

from weft.cli.output import show_json
from weft.security.claim_keys import IDENTITY_MAX_BYTES, identity_of
from weft.security.machine_secrets import (
    MachineSecret,
    derive_preshared,
    derive_secret,
    parse_secret,
)


@click.command("derive")
@click.argument("serials", metavar="SERIAL...", nargs=-1, required=True)
@click.option("--psk", is_flag=True, help="Identity and key for CoAP over DTLS.")
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def claim_derive(
    ctx: click.Context, /, serials: tuple[str, ...], *, psk: bool, as_json: bool
) -> None:
    """Derive the keys of devices from a group's token, which is read from standard input.

    Nothing is asked of a server: the token stays where the devices are made. With --psk each
    line holds the serial, the identity and the pre-shared key.

    \b
    Example:
      weft claim derive 0042 0043 <token.txt
      weft claim derive --psk 0042 <token.txt
    """
    group = parse_secret(sys.stdin.readline().strip())
    if group is None:
        raise click.UsageError("Standard input holds no token of a claim, or it was mistyped.")
    if psk:
        _show_preshared(ctx, group, serials, as_json=as_json)
        return
    keys = {serial: derive_secret(group, serial).text for serial in serials}
    if as_json or ctx.obj["json"]:
        show_json(keys)
        return
    for serial, key in keys.items():
        click.echo(f"{serial} {key}")


def _show_preshared(
    ctx: click.Context, group: MachineSecret, serials: tuple[str, ...], *, as_json: bool
) -> None:
    made = {
        serial: (
            identity_of(group.key_id, serial),
            derive_preshared(derive_secret(group, serial)),
        )
        for serial in serials
    }
    for serial, (identity, _key) in made.items():
        if len(identity.encode()) > IDENTITY_MAX_BYTES:
            raise click.UsageError(
                f"{serial!r} is too long: an identity has at most {IDENTITY_MAX_BYTES} bytes."
            )
    if as_json or ctx.obj["json"]:
        show_json(
            {
                serial: {"psk_identity": identity, "psk_key": key}
                for serial, (identity, key) in made.items()
            }
        )
        return
    for serial, (identity, key) in made.items():
        click.echo(f"{serial} {identity} {key}")

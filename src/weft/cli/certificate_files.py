"""Commands that take certificates out of files: customers' authorities, and devices of theirs."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from weft.cli.client import find_client
from weft.cli.output import show, show_json

PEM_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("register")
@click.argument("file", type=PEM_FILE)
@click.option("--label", default="", help="What people call it.")
@click.option("--type", "type_name", help="The device type that its devices follow.")
@click.option(
    "--name-field",
    type=click.Choice(["common_name", "uri"]),
    default="common_name",
    help="Which field of a certificate is the device's name.",
)
@click.option("--auto-approve", is_flag=True, help="Let its devices in without asking anybody.")
@click.pass_context
def authority_register(ctx: click.Context, /, file: Path, **options: Any) -> None:
    """Register the authority whose certificate is in FILE; it has yet to prove its key."""
    made = _send(ctx, "/authorities", {"certificate_pem": file.read_text(), **options})
    if ctx.obj["json"]:
        show_json(made)
        return
    click.echo(f"Authority {made['authority_id']} is registered, and not trusted yet.")
    click.echo("Let its key sign a certificate with this common name, within a day:\n")
    click.echo(f"  {made['nonce']}\n")
    click.echo(f"and send it: weft authority prove {made['authority_id']} FILE")


@click.command("prove")
@click.argument("authority_id")
@click.argument("file", type=PEM_FILE)
@click.pass_context
def authority_prove(ctx: click.Context, authority_id: str, file: Path) -> None:
    """Prove the key of an authority with the certificate in FILE."""
    path = f"/authorities/{quote(authority_id, safe='')}/proof"
    made = _send(ctx, path, {"certificate_pem": file.read_text()})
    if ctx.obj["json"]:
        show_json(made)
    else:
        click.echo("Proven. From now on its devices are known, and wait to be let in.")


@click.command("bind")
@click.argument("device_id")
@click.argument("file", type=PEM_FILE)
@click.option(
    "--request",
    type=PEM_FILE,
    help="A signing request of its key for the device's id; not needed once the device has come.",
)
@click.pass_context
def credential_bind(ctx: click.Context, device_id: str, file: Path, request: Path | None) -> None:
    """Let a device use the certificate in FILE, which a customer's authority has signed."""
    path = f"/devices/{quote(device_id, safe='')}/credentials/certificate"
    body = {"certificate_pem": file.read_text()}
    if request is not None:
        body["request_pem"] = request.read_text()
    made = _send(ctx, path, body)
    if ctx.obj["json"]:
        show_json(made)
    else:
        show(made, ())


def _send(ctx: click.Context, path: str, body: dict[str, Any]) -> dict[str, Any]:
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    answer: dict[str, Any] = client.send("POST", path, body=json.dumps(body).encode()).value
    return answer

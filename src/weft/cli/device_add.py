"""`weft device add`: a device, its credential and what to paste, in one step."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from weft.cli.client import Client, find_client
from weft.cli.output import show_json

FILES = (
    ("ca.pem", "ca_pem"),
    ("device.pem", "certificate_pem"),
    ("device.key", "private_key_pem"),
)


@click.command("add")
@click.argument("name")
@click.option("--type", "type_name", help="The device type it follows.")
@click.option("--label", default="", help="What people call it.")
@click.option("--certificate", is_flag=True, help="Give it a certificate, not a secret.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the certificate's files; the device's name if left out.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.pass_context
def device_add(ctx: click.Context, /, name: str, out: Path | None, **options: Any) -> None:
    """Make a device with a credential, and show what to paste to connect it.

    The credential is shown once and kept nowhere in clear.
    """
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    wanted = {"device_id": name, "label": options["label"], "type_name": options["type_name"]}
    device = _post(client, "/devices", wanted)
    kind = "certificate" if options["certificate"] else "secret"
    path = f"/devices/{quote(device['device_id'], safe='')}/credentials"
    issued = _post(client, path, {"kind": kind, "label": "first"})
    if options["as_json"] or ctx.obj["json"]:
        show_json({"device": device, **issued})
        return
    click.echo(f"Device {device['device_id']} is there.\n")
    if issued["token"] is not None:
        click.echo(f"Its token, shown this once:\n\n  {issued['token']}\n")
    else:
        _write_files(issued, out or Path(name))
    for title, key in (("Python (paho-mqtt)", "python"), ("mosquitto", "mosquitto")):
        click.echo(f"# {title}\n{issued['snippets'][key]}\n")
    click.echo(f"# curl\n{issued['snippets']['curl']}")


def _post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.send("POST", path, body=json.dumps(body).encode()).value


def _write_files(issued: dict[str, Any], folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, key in FILES:
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(issued[key])
    click.echo(f"Its certificate and key are in {folder}/ and nowhere else. There:\n")

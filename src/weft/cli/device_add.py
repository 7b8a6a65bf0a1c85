"""`weft device add`: a device, its credential and what to paste, in one step."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from weft.cli.client import Client, Refused, find_client
from weft.cli.issued_credentials import issuing, kind_of, show_issued

# Which endpoint takes certificates, and the setting that turns it on.
TLS_SETTINGS = (
    ("mqtts", "transports.mqtt.listen_tls=127.0.0.1:8883"),
    ("https", "api.tls_listen=127.0.0.1:8443"),
)
COAPS_SETTING = (("coaps", "transports.coap.listen_dtls=127.0.0.1:5684"),)
_SAID = ("label", "type_name", "gateway", "alias", "adds_children", "tags")


@click.command("add")
@click.argument("name")
@click.option("--type", "type_name", help="The device type it follows.")
@click.option("--label", default="", help="What people call it.")
@click.option("--gateway", help="The gateway that speaks for it.")
@click.option("--alias", default="", help="What that gateway calls it; else its own name.")
@click.option("--adds-children", is_flag=True, help="A gateway that may add its devices.")
@click.option("--tags", multiple=True, help="A word that it is found by; again for more.")
@click.option("--certificate", is_flag=True, help="Give it a certificate, not a secret.")
@click.option("--psk", is_flag=True, help="Give it a pre-shared key, for CoAP over DTLS.")
@issuing
@click.pass_context
def device_add(ctx: click.Context, /, name: str, out: Path | None, **options: Any) -> None:
    """Make a device with a credential, and show what to paste to connect it.

    The credential is shown once and kept nowhere in clear.

    \b
    Example:
      weft device add pump-1
      weft device add gate-1 --certificate --type gate
      weft device add meter-1 --psk
    """
    kind = kind_of(certificate=options["certificate"], psk=options["psk"])
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    wanted = {"device_id": name} | {key: options[key] for key in _SAID}
    device = _make(client, wanted)
    path = f"/devices/{quote(device['device_id'], safe='')}/credentials"
    issued = _post(client, path, {"kind": kind, "label": "first"})
    made = {"device": device, **issued}
    said = f"Device {device['device_id']} is there."
    if not show_issued(ctx, options, made, said=said, folder=out or Path(name)):
        return
    if kind == "psk":
        _warn_without(client, COAPS_SETTING, "DTLS", "a pre-shared key")
    if kind == "certificate":
        _warn_without(client, TLS_SETTINGS, "TLS", "a certificate")


def _make(client: Client, wanted: dict[str, Any]) -> Any:
    try:
        return _post(client, "/devices", wanted)
    except Refused as refused:
        if refused.problem.get("code") == "already_exists":
            name = wanted["device_id"]
            remedy = (
                f"Give it another credential: weft credential add {name}; or choose a new name."
            )
            raise refused.with_remedy(remedy) from refused
        raise


def _post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.send("POST", path, body=json.dumps(body).encode()).value


def _warn_without(
    client: Client, settings: tuple[tuple[str, str], ...], what: str, credential: str
) -> None:
    """Say so where nothing listens that takes a credential: the snippets could not work."""
    endpoints = client.send("GET", "/health").value["endpoints"]
    missing = [setting for name, setting in settings if not endpoints.get(name)]
    if len(missing) == len(settings):
        chosen = " ".join(f"--set {setting}" for setting in missing)
        click.echo(
            f"No {what} listener is on yet, and {credential} needs one. Start Weft with\n\n"
            f"  weft up {chosen}\n",
            err=True,
        )

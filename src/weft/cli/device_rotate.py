"""`weft device rotate`: a new credential in place of the old, and nothing stops meanwhile."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from weft.cli.client import find_client
from weft.cli.issued_credentials import issuing, kind_of, show_issued

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(click.ParamType[int]):
    """Seconds, written as 90s, 15m, 24h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        found = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
        if found is None:
            self.fail(f"{value!r} is no duration: write 90s, 15m, 24h or 7d.", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.command("rotate")
@click.argument("name")
@click.option("--certificate", is_flag=True, help="The new one is a certificate, not a secret.")
@click.option("--psk", is_flag=True, help="The new one is a pre-shared key, for CoAP over DTLS.")
@click.option(
    "--grace", type=Duration(), default="24h", show_default=True, help="How long the old is good."
)
@click.option("--credential", "credential_id", help="Replace only this one.")
@issuing
@click.pass_context
def device_rotate(ctx: click.Context, /, name: str, out: Path | None, **options: Any) -> None:
    """Give a device a new credential; what it had is good for the grace period.

    \b
    Example:
      weft device rotate pump-1
      weft device rotate gate-1 --certificate --grace 7d
      weft device rotate meter-1 --psk --grace 7d
    """
    kind = kind_of(certificate=options["certificate"], psk=options["psk"])
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    body = {
        "kind": kind,
        "grace_s": options["grace"],
        "credential_id": options["credential_id"],
    }
    path = f"/devices/{quote(name, safe='')}/credentials/rotation"
    issued = client.send("POST", path, body=json.dumps(body).encode()).value
    said = f"Device {name} has a new credential. What it had ends after the grace period."
    show_issued(ctx, options, issued, said=said, folder=out or Path(name))

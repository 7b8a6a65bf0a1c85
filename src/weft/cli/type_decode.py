"""`weft type decode`: paste a payload, see what a device type makes of it, step by step."""

import base64
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from weft.cli.client import find_client
from weft.cli.output import EXIT_REFUSED, show_json, show_lines
from weft.observability.log import escape_controls
from weft.registry.documents import read_document


@click.command("decode")
@click.argument("name", required=False)
@click.option("--text", help="The payload as text.")
@click.option("--hex", "hexadecimal", help="The payload in hex.")
@click.option("--base64", "base64_text", help="The payload in base64.")
@click.option("--file", type=click.Path(allow_dash=True), help="The payload in a file; - reads it.")
@click.option(
    "--content-type",
    default="",
    help="As the device states it, or sparkplug; else as its type says.",
)
@click.option(
    "--operation",
    type=click.Choice(["telemetry", "reported", "event"]),
    default="telemetry",
    help="What it would be sent as.",
)
@click.option("--event", default="", help="The event's name.")
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A type that is not saved yet, in YAML or JSON.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def type_decode(
    ctx: click.Context, /, name: str | None, document: Path | None, **options: Any
) -> None:
    """Try what a device type makes of a payload, and keep nothing.

    The type is saved under NAME, or stands in --document. Ends with 1 if the payload would be
    refused, after the step at which it fails.

    \b
    Example:
      weft type decode pump --text '{"temperature": 21.4}'
      weft type decode probe --hex 00d72a --content-type application/octet-stream
      weft type decode --document probe.yaml --file uplink.json
    """
    if (name is None) == (document is None):
        raise click.UsageError("Name a saved type, or give --document; not both.")
    body = _payload(options) | {
        "content_type": options["content_type"],
        "operation": "event" if options["event"] else options["operation"],
        "event": options["event"],
    }
    path = "/types/decode"
    if document is not None:
        body["document"] = read_document(document.read_text(), "device type")
    else:
        path = f"/types/{quote(name or '', safe='')}/decode"
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    trial = client.send("POST", path, body=json.dumps(body).encode()).value
    if options["as_json"] or ctx.obj["json"]:
        show_json(trial)
    else:
        show_lines(trial_lines(trial))
    if trial["problem"]:
        sys.exit(EXIT_REFUSED)


def _payload(options: dict[str, Any]) -> dict[str, str]:
    """Return the payload and its encoding, from the one place that was given."""
    given = [
        key for key in ("text", "hexadecimal", "base64_text", "file") if options[key] is not None
    ]
    if len(given) != 1:
        raise click.UsageError("Give the payload once: --text, --hex, --base64 or --file.")
    value = options[given[0]]
    match given[0]:
        case "text":
            return {"payload": value, "encoding": "text"}
        case "hexadecimal":
            return {"payload": value, "encoding": "hex"}
        case "base64_text":
            return {"payload": value, "encoding": "base64"}
        case _:
            with click.open_file(value, "rb") as file:
                raw = file.read()
            return {"payload": base64.b64encode(raw).decode(), "encoding": "base64"}


def trial_lines(trial: dict[str, Any]) -> list[str]:
    """Return the steps for people, and the problem if there is one."""
    lines = [
        f"{step['name']:<8} {escape_controls(json.dumps(step['value'], ensure_ascii=False))}"
        for step in trial["steps"]
    ]
    problem = trial["problem"]
    if problem:
        lines += [
            f"{problem['step']:<8} refused: {escape_controls(problem['detail'])}",
            f"{'':<8} {escape_controls(problem['remedy'])}",
        ]
    return lines

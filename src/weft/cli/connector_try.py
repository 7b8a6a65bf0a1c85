"""`weft connector try`: the request that an alarm would cause, shown and not sent."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from weft.cli.client import Refused, find_client
from weft.cli.output import show_json, show_lines
from weft.cli.suggestions import suggest
from weft.observability.log import escape_controls
from weft.registry.documents import read_document


@click.command("try")
@click.argument("name")
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A mapping that is not saved, in YAML or JSON; else the one in force.",
)
@click.option("--alarm", help="Id of an alarm; else a sample.")
@click.option("--device", help="The device of the sample.")
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def connector_try(
    ctx: click.Context,
    /,
    name: str,
    mapping: Path | None,
    *,
    alarm: str | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Show the exact request that would be sent to a business system. Nothing is sent.

    \b
    Example:
      weft connector try erp --mapping fields.yaml --device pump-7
    """
    body: dict[str, Any] = {}
    if mapping is not None:
        body["fields"] = read_document(mapping.read_text(), "mapping")
    body |= {key: value for key, value in (("alarm", alarm), ("device", device)) if value}
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    path = f"/connectors/{quote(name, safe='')}/try"
    try:
        tried = client.send("POST", path, body=json.dumps(body).encode()).value
    except Refused as refused:
        raise suggest(client, refused, "connector", {"name": name}) from refused
    if as_json or ctx.obj["json"]:
        show_json(tried)
    else:
        show_lines(tried_lines(tried))


def tried_lines(tried: dict[str, Any]) -> list[str]:
    """Return a trial for people: the request as on the wire, then what is not in it."""
    lines = [f"First: {tried['first']}", ""] if tried["first"] else []
    lines.append(f"{tried['method']} {tried['url']}")
    lines += [f"{name}: {value}" for name, value in tried["headers"].items()]
    lines += ["", *json.dumps(tried["body"], indent=2, ensure_ascii=False).splitlines(), ""]
    lines += [f"Left out: {one['field']} ({one['why']})" for one in tried["left_out"]]
    lines.append("Nothing was sent. Credentials are added when it is.")
    return [escape_controls(line) for line in lines]

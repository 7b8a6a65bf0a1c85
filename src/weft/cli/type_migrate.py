"""`weft type migrate`: a whole fleet to another version of its type, part by part."""

import json
from typing import Any
from urllib.parse import quote

import click

from weft.cli.client import find_client
from weft.cli.layout import table, terminal_width
from weft.cli.output import show_json, show_lines

SHOWN_MAX = 50


@click.command("migrate")
@click.argument("type_name", metavar="TYPE")
@click.option("--to", type=click.IntRange(min=1), help="The version; the newest if left out.")
@click.option("--from", "from", type=click.IntRange(min=1), help="Only devices that follow this.")
@click.option("--devices", multiple=True, help="Only this one; again or with commas for more.")
@click.option("--dry-run", is_flag=True, help="Try it, and change nothing.")
@click.option("--force", is_flag=True, help="Also those whose last values would be refused.")
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def type_migrate(ctx: click.Context, /, type_name: str, **options: Any) -> None:
    """Move devices to another version of their type.

    The last values of each are tried against that version first; a device whose values
    would be refused stays where it is and is listed.

    \b
    Example:
      weft type migrate pump --dry-run
      weft type migrate pump --from 1 --to 2 --devices pump-1,pump-2
    """
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    path = f"/types/{quote(type_name, safe='')}/migrate"
    names = [name for text in options["devices"] for name in text.split(",") if name]
    asked: dict[str, Any] = {"devices": names}
    asked |= {key: options[key] for key in ("to", "from") if options[key] is not None}
    asked |= {key: options[key] for key in ("dry_run", "force")}
    total: dict[str, Any] = {"looked_at": 0, "moved": 0, "unchanged": 0, "failing": []}
    following: str | None = ""
    while following is not None:
        body = json.dumps(asked | {"after": following}).encode()
        report = client.send("POST", path, body=body).value
        total = {key: total[key] + report[key] for key in total}
        following = report["next"]
        asked["to"] = report["to"]  # a version saved meanwhile does not split the fleet
    total |= {"to": report["to"], "dry_run": report["dry_run"]}
    if options["as_json"] or ctx.obj["json"]:
        show_json(total)
    else:
        show_lines(report_lines(total, terminal_width(), force=options["force"]))


def report_lines(total: dict[str, Any], width: int, *, force: bool = False) -> list[str]:
    """Return the counts, and the devices that would be refused with the reason."""
    moved = "would move" if total["dry_run"] else "moved"
    counts = (
        f"{total['looked_at']} devices looked at: {total['moved']} {moved} to version "
        f"{total['to']}, {total['unchanged']} unchanged, {len(total['failing'])} failing."
    )
    lines = [counts]
    if total["failing"]:
        shown, _left_out = table(
            total["failing"][:SHOWN_MAX], ("device_id", "follows", "reason"), width
        )
        lines += ["", *shown]
        if len(total["failing"]) > SHOWN_MAX:
            lines.append(f"and {len(total['failing']) - SHOWN_MAX} more: see --json")
        if not force:
            lines += ["", "These stay. Move them all the same with --force."]
    return lines

"""`weft device import`: a file of devices, with a bar while it is worked through."""

import csv
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from weft.cli.client import Client, find_client
from weft.cli.output import show_json
from weft.observability.log import escape_controls

POLL_S = 0.2
ENDED = frozenset({"done", "interrupted"})
TYPES = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}
SHOWN_MAX = 20  # failed rows on the terminal; the report has all
COUNTS = ("created", "updated", "skipped", "failed")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--on-conflict",
    type=click.Choice(["fail", "skip", "update"]),
    default="fail",
    show_default=True,
    help="With a device that is there already.",
)
@click.option(
    "--credentials",
    type=click.Choice(["secret", "psk"]),
    is_flag=False,
    flag_value="secret",
    help="Give each new device a secret, or a pre-shared key for CoAP over DTLS.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what became of each row, with the secrets, to this file as CSV.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def device_import(ctx: click.Context, /, file: Path, **options: Any) -> None:
    """Import devices from FILE: CSV, or NDJSON if its name ends in .ndjson or .jsonl.

    \b
    Example:
      weft device import pumps.csv --dry-run
      weft device import pumps.csv --credentials --report secrets.csv
      weft device import meters.csv --credentials psk --report keys.csv
    """
    if options["credentials"] and not options["dry_run"] and options["report"] is None:
        raise click.UsageError("--credentials needs --report FILE: secrets are shown once.")
    content_type = TYPES.get(file.suffix.lower())
    if content_type is None:
        raise click.UsageError(f"{file.name} ends in none of {', '.join(TYPES)}.")
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    asked = {
        "dry_run": "true" if options["dry_run"] else "false",
        "on_conflict": options["on_conflict"],
        "credentials": "true" if options["credentials"] else "false",
        "kind": options["credentials"] or "secret",
    }
    path = f"/devices/import?{urlencode(asked)}"
    sent = client.send("POST", path, body=file.read_bytes(), content_type=content_type)
    job = follow(client, sent.value)
    report = client.send("GET", f"/imports/{job['import_id']}/report?format=csv").content
    if options["report"] is not None:
        _write(options["report"], report)
    if options["as_json"] or ctx.obj["json"]:
        show_json(job)
    else:
        _show(job, report)
    if job["failed"] or job["state"] != "done":
        ctx.exit(1)


def follow(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """Wait until an import has ended, with a bar on a terminal; return it as it is then."""
    if not sys.stderr.isatty():
        return _wait(client, job, lambda _job: None)
    from rich.console import Console  # noqa: PLC0415  only where it is seen
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Importing", total=job["rows"])

        def tell(one: dict[str, Any]) -> None:
            progress.update(task, completed=one["done"], description=words_of(one))

        return _wait(client, job, tell)


def words_of(job: dict[str, Any]) -> str:
    """Say what an import does: it waits behind others of its tenant, or goes on."""
    ahead = job.get("place")
    return f"Waiting, {ahead} before it" if ahead else "Importing"


def _wait(
    client: Client, job: dict[str, Any], tell: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    while job["state"] not in ENDED:
        tell(job)
        time.sleep(POLL_S)
        job = client.send("GET", f"/imports/{job['import_id']}").value
    return job


def _write(path: Path, report: bytes) -> None:
    """Keep a report where only its owner reads it: secrets may be in it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(report)
    click.echo(f"The report is in {path}.", err=True)


def _show(job: dict[str, Any], report: bytes) -> None:
    """Say what came of it, and of each row that failed where and why."""
    counts = ", ".join(f"{job[name]} {name}" for name in COUNTS)
    planned = "Nothing was done; it would be: " if job["dry_run"] else ""
    click.echo(f"{planned}{counts}, of {job['rows']} rows.")
    failed = [
        row for row in csv.DictReader(report.decode().splitlines()) if row["outcome"] == "failed"
    ]
    for row in failed[:SHOWN_MAX]:
        place = f"line {row['line']}" + (f", {row['column']}" if row["column"] else "")
        click.echo(escape_controls(f"  {place}: {row['detail']} {row['remedy']}"), err=True)
    if len(failed) > SHOWN_MAX:
        click.echo(
            f"  and {len(failed) - SHOWN_MAX} more: weft import report {job['import_id']}", err=True
        )
    if job["state"] != "done":
        click.echo(
            f"It was interrupted: {job['problem']} Go on: weft import resume {job['import_id']}",
            err=True,
        )

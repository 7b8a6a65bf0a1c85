"""`weft rule replay`: a rule over the past, with a bar while it is read, and what it found."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import yaml

from weft.cli.client import Client, find_client
from weft.cli.layout import table, terminal_width
from weft.cli.output import show_json, show_lines
from weft.observability.log import escape_controls

ENDED = frozenset({"done", "cancelled", "failed"})
POLL_S = 0.2
SHOWN_MAX = 100
_COLUMNS = ("verdict", "device_id", "severity", "raised_at", "cleared_at", "samples", "message")


@click.command("replay")
@click.argument("rule", metavar="RULE|FILE")
@click.option("--from", "--start", "start", help="RFC 3339; where the journal begins if left out.")
@click.option("--to", "--end", "end", help="RFC 3339; now if left out.")
@click.option("--devices", multiple=True, help="Only this one; again or with commas for more.")
@click.option("--warm-up", help="How long before --from to read, as 1h; as the rule needs.")
@click.option("--against", type=click.Choice(["recorded", "version", "nothing"]),
              default="recorded", help="What the result is compared with.")  # fmt: skip
@click.option("--against-version", type=click.IntRange(min=1), help="The one in force if left out.")
@click.option("--detach", is_flag=True, help="Do not wait: weft replay show REPLAY_ID.")
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def rule_replay(ctx: click.Context, /, rule: str, **options: Any) -> None:
    """Run a rule over the past, and compare it with the alarms that there were.

    RULE is the name of a saved rule; FILE is YAML, or JSON, of one that need not be saved; -
    reads standard input. It reads the journal, and before it history. Nothing is sent.

    \b
    Example:
      weft rule replay too-hot --from 2026-03-01T00:00:00Z --to 2026-03-08T00:00:00Z
      weft rule replay too-hot.yaml --against version
    """
    client = find_client(ctx.obj["data"], ctx.obj["tenant"])
    begun = _start(client, rule, asked_of(options))
    job = begun if options["detach"] else follow(client, begun)
    findings: list[dict[str, Any]] = []
    if job["state"] == "done":
        page = client.send("GET", f"/replays/{job['replay_id']}/findings?limit={SHOWN_MAX}").value
        findings = page["items"]
    if options["as_json"] or ctx.obj["json"]:
        show_json(job | {"findings": findings})
    else:
        show_lines(replay_lines(job, findings, terminal_width()))
    if job["state"] in {"failed", "cancelled"}:
        ctx.exit(1)


def asked_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return what is sent; what was left out stays out."""
    names = [name for text in options["devices"] for name in text.split(",") if name]
    given = {
        key: options[key]
        for key in ("start", "end", "warm_up", "against", "against_version")
        if options[key] is not None
    }
    return given | ({"devices": names} if names else {})


def _start(client: Client, rule: str, asked: dict[str, Any]) -> dict[str, Any]:
    document = _document(rule)
    path = "/replays"
    if document is None:
        path = f"/rules/{quote(rule, safe='')}/replay"
    else:
        asked = asked | {"document": document}
    begun: dict[str, Any] = client.send("POST", path, body=json.dumps(asked).encode()).value
    return begun


def _document(rule: str) -> Any:
    """Return the document of a file; None for the name of a saved rule."""
    if rule != "-" and Path(rule).suffix not in {".yaml", ".yml", ".json"}:
        return None
    try:
        text = sys.stdin.read() if rule == "-" else Path(rule).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.FileError(rule, str(error)) from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise click.UsageError(f"{rule} is no YAML: {error}") from error


def follow(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """Wait until a replay has ended, with a bar on a terminal; Ctrl-C cancels it."""
    try:
        if not sys.stderr.isatty():
            return _wait(client, job, lambda _job: None)
        from rich.console import Console  # noqa: PLC0415  only where it is seen
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("Replaying", total=100)
            return _wait(
                client,
                job,
                lambda one: progress.update(
                    task, completed=one["percent"], description=words_of(one)
                ),
            )
    except KeyboardInterrupt:
        client.send("POST", f"/replays/{job['replay_id']}/cancel")
        click.echo("Cancelled.", err=True)
        raise


def words_of(job: dict[str, Any]) -> str:
    """Say what a replay does just now."""
    if job["state"] == "queued":
        return "Waiting for another replay"
    return f"{job['samples']:,} samples, {job['samples_per_s']:,.0f}/s"


def _wait(
    client: Client, job: dict[str, Any], tell: Callable[[dict[str, Any]], object]
) -> dict[str, Any]:
    while job["state"] not in ENDED:
        tell(job)
        time.sleep(POLL_S)
        job = client.send("GET", f"/replays/{job['replay_id']}").value
    return job


def replay_lines(job: dict[str, Any], findings: list[dict[str, Any]], width: int) -> list[str]:
    """Return what a replay found, against what it is compared with."""
    name = job["replay_id"]
    if job["state"] in {"queued", "running"}:
        return [f"It runs. See how far it is: weft replay show {name}"]
    if job["state"] != "done":
        return [f"The replay is {job['state']}. {escape_controls(job['problem'])}".rstrip()]
    raised = job["raised"]
    alarms = "1 alarm" if raised == 1 else f"{raised:,} alarms" if raised else "no alarms"
    lines = [
        f"It would have raised {alarms} over {job['samples']:,} samples. Nothing was sent.",
        *_compared(job),
    ]
    if job["assumes"]:
        lines.append(f"As of today: {escape_controls('; '.join(job['assumes']))}.")
    if findings:
        rows = [{**one, "samples": len(one["evidence"])} for one in findings]
        lines += ["", *table(rows, _COLUMNS, width)[0]]
    if job["added"] + job["missing"] + job["same"] > len(findings):
        lines.append(f"These are the first ones: weft replay findings {name} --limit 1000")
    if not job["complete"]:
        lines.append("It was stopped at the most alarms that are kept; replay a shorter time.")
    if job["failures"]:
        lines.append(
            f"The condition failed {job['failures']:,} times, the last time: "
            f"{escape_controls(job['last_failure'])}"
        )
    elif job["last_failure"]:
        lines.append(f"It does not fit some devices: {escape_controls(job['last_failure'])}")
    return lines


def _compared(job: dict[str, Any]) -> list[str]:
    if job["against"] == "nothing":
        return []
    other = "the alarms that there were"
    if job["against"] == "version":
        other = f"version {job['against_version']}"
    same, added, missing = (f"{job[name]:,}" for name in ("same", "added", "missing"))
    return [f"Against {other}: {same} the same, {added} added, {missing} missing."]

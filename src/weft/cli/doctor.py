"""`weft doctor`: look at everything that keeps Weft from starting or from being whole.

It changes nothing unless told to, and asks before it does. Exit code 0 when nothing
failed, 1 otherwise.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.text import Text

from weft.app.folder import DataFolder
from weft.cli.checks.finding import Finding, State, is_well
from weft.cli.checks.folder import check_certificates, check_folder, check_keys
from weft.cli.checks.machine import (
    check_clock,
    check_disk,
    check_libraries,
    check_open_files,
    check_python,
)
from weft.cli.checks.server import check_configuration, check_ports, check_server
from weft.cli.checks.stores import check_beside, check_stores, is_in_use
from weft.cli.mending import find_reach, rebuild_history, repair_folder, told_of
from weft.cli.output import show_json
from weft.config import Config
from weft.errors import ConfigurationError, Conflict, NotFound
from weft.observability.log import escape_controls, set_up_logging
from weft.supervision import SystemClock

STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


@click.command("doctor")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder (./weft-data).")
@click.option(
    "--config", type=click.Path(path_type=Path), envvar="WEFT_CONFIG", help="A TOML file."
)
@click.option("--set", "assignments", multiple=True, metavar="PATH=VALUE", help="One setting.")
@click.option("--repair", is_flag=True, help="Mend damaged records and journal; asks first.")
@click.option("--rebuild-history", "rebuild", is_flag=True, help="Make history anew; asks first.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
@click.pass_context
def doctor(
    ctx: click.Context,
    /,
    *,
    data: Path | None,
    config: Path | None,
    assignments: Sequence[str],
    **told: bool,
) -> None:
    """Find what is wrong; with --repair or --rebuild-history, mend it."""
    folder = (data or ctx.obj["data"]).absolute()
    as_json = told["as_json"] or ctx.obj["json"]
    set_up_logging("error", json=as_json)
    if told["repair"] or told["rebuild"]:
        _require_alone(folder)
        if told["repair"]:
            _repair(folder, yes=told["yes"])
        if told["rebuild"]:
            _rebuild(folder, config, assignments, yes=told["yes"])
    findings = examine(folder, config, assignments)
    if as_json:
        show_json({"well": is_well(findings), "findings": msgspec.to_builtins(findings)})
    else:
        _show(findings)
    ctx.exit(0 if is_well(findings) else 1)


def examine(folder: Path, file: Path | None, assignments: Sequence[str]) -> list[Finding]:
    """Run every check that is safe at this moment."""
    now = SystemClock().now()
    config, configuration = check_configuration(file, assignments)
    findings = [
        check_python(),
        check_libraries(),
        check_open_files(),
        check_disk(folder),
        check_clock(folder, now),
        configuration,
        *check_folder(folder),
    ]
    if not folder.is_dir():
        return findings
    findings += [*check_keys(folder), *check_certificates(folder, now)]
    in_use = is_in_use(folder)
    if config is not None:
        findings += check_ports(config, served=in_use)
    if in_use:
        findings += [*check_beside(folder), *check_server(folder)]
    else:
        findings += asyncio.run(check_stores(folder))
    return findings


def _show(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        line = Text(f"{finding.state:<5}", style=STYLES[finding.state])
        line.append(f"{finding.what:<{width}}  ", style="bold")
        line.append(escape_controls(finding.found), style="default")
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(f"{'':{width + 7}}{escape_controls(finding.remedy)}", soft_wrap=True)
    failed = sum(finding.state is State.FAIL for finding in findings)
    warned = sum(finding.state is State.WARN for finding in findings)
    if failed or warned:
        console.print(f"\n{failed} failed, {warned} to look at.")
    else:
        console.print("\nAll is well.")


# --- mending -------------------------------------------------------------------------------


def _require_alone(folder: Path) -> None:
    if not folder.is_dir():
        raise NotFound(f"{folder} is no data folder of Weft.", remedy="Name it with --data.")
    if is_in_use(folder):
        raise Conflict(f"{folder} is in use.", remedy="Stop Weft first: Ctrl-C, or its service.")


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("Nobody is there to answer.", remedy="Say --yes.")
    click.confirm(question, abort=True)


def _repair(folder: Path, *, yes: bool) -> None:
    _ask(
        f"Repair what is damaged in {folder}? The damaged files are kept aside; what cannot be "
        "saved is dropped and named.",
        yes=yes,
    )
    for sentence in told_of(repair_folder(folder)):
        click.echo(escape_controls(sentence), err=True)


def _rebuild(folder: Path, file: Path | None, assignments: Sequence[str], *, yes: bool) -> None:
    config, finding = check_configuration(file, assignments)
    if config is None:
        raise ConfigurationError(finding.found, remedy=finding.remedy)
    reach = asyncio.run(find_reach(folder))
    if reach.head < reach.tail:
        click.echo("The journal holds no messages: history will be empty.", err=True)
    else:
        count = reach.head - reach.tail + 1
        click.echo(
            f"The journal holds {count:,} messages, since {reach.since}. What is older is in the "
            "file that is set aside, and nowhere else.",
            err=True,
        )
    _ask(f"Set {folder}/history.duckdb aside and make it anew?", yes=yes)
    _tell_rebuilt(config, folder)


def _tell_rebuilt(config: Config, folder: Path) -> None:
    done = asyncio.run(rebuild_history(config, DataFolder(folder)))
    if done.aside:
        click.echo(f"The old file is {done.aside}.", err=True)
    click.echo(
        f"{done.replayed:,} messages were read again, up to position {done.position:,}.", err=True
    )

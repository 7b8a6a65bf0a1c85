"""The root command: loads a group or command when it is asked for, and renders errors."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import click
from click.exceptions import NoSuchCommand

from weft.cli.groups import COMMANDS, GROUPS
from weft.errors import WeftError

DATA = "weft-data"


class LazyGroup(click.Group):
    """A group whose commands are loaded one by one, so that `weft --help` is quick."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name all commands."""
        return sorted({*COMMANDS, *GROUPS})

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name in COMMANDS:
            module, attribute, _ = COMMANDS[cmd_name]
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command
        if cmd_name in GROUPS:
            made: click.Command = importlib.import_module("weft.cli.commands").make_group(cmd_name)
            return made
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; click itself would suggest only what is loaded already."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            known = self.list_commands(ctx)
            raise NoSuchCommand(error.command_name, possibilities=known, ctx=ctx) from None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with what is known of them without loading any."""
        hand = [(name, COMMANDS[name][2]) for name in sorted(COMMANDS)]
        if hand:
            with formatter.section("Commands"):
                formatter.write_dl(hand)
        with formatter.section("Nouns"):
            formatter.write_dl(sorted(GROUPS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run; an error of ours says what happened and what to do, and sets the exit code."""
        try:
            return super().invoke(ctx)
        except WeftError as error:
            _end(ctx, error)
        except BaseExceptionGroup as group:
            errors = list(_leaves(group))
            if not all(isinstance(error, WeftError) for error in errors):
                raise
            _end(ctx, errors[0])


def _end(ctx: click.Context, error: WeftError) -> NoReturn:
    output = importlib.import_module("weft.cli.output")
    output.fail(error)
    ctx.exit(output.EXIT_NO_SERVER if error.code == "no_server" else output.EXIT_REFUSED)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[Any]:
    """Return the errors themselves: tasks wrap what ends them, each around the next."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


EPILOG = """\b
Example:
  weft up --demo factory
  weft device add pump-1
  weft twin show pump-1
\b
Completion, in bash (zsh and fish likewise):
  eval "$(_WEFT_COMPLETE=bash_source weft)"
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=lambda: Path(os.environ.get("WEFT_DATA", DATA)),
    help=f"The data folder (WEFT_DATA; ./{DATA}).",
)
@click.option("--tenant", default="main", help="The tenant to act in, at the machine itself.")
@click.option("--json", "as_json", is_flag=True, help="Answer for machines: exact values.")
@click.version_option(package_name="weft", prog_name="weft")
@click.pass_context
def cli(ctx: click.Context, data: Path, tenant: str, *, as_json: bool) -> None:
    """Weft: the API layer between devices and business."""
    ctx.obj = {"data": data, "tenant": tenant, "json": as_json}

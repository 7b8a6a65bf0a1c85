"""The root command: quick, complete, and clear about what it does not know."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from weft.cli.groups import COMMANDS, GROUPS
from weft.cli.root import cli
from weft.errors import ConfigurationError


def test_help_names_all_commands() -> None:
    """Each with a line."""
    result = CliRunner().invoke(cli, ["--help"])
    for name in (*GROUPS, *COMMANDS):
        assert name in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    """With the exit code that shells know, and the command that is near."""
    result = CliRunner().invoke(cli, ["lineag"])
    assert result.exit_code == 2
    assert "Did you mean 'lineage'?" in result.output


def test_help_loads_nothing_heavy() -> None:
    """No table, no cryptography, no asyncio server: `weft --help` answers at once."""
    code = (
        "import sys\n"
        "from weft.cli.root import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "heavy = {'cryptography', 'duckdb', 'uvicorn', 'weft.api.operations.table', 'rich'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_error_from_within_tasks_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in use ends `weft up` with what happened and what to do, not with a traceback."""
    busy = ConfigurationError("The port 8080 is in use.", remedy="Choose another one.")

    @click.command("busy")
    def command() -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [busy])])

    monkeypatch.setattr("weft.cli.root.LazyGroup.get_command", lambda *_: command)
    result = CliRunner().invoke(cli, ["busy"])
    assert result.exit_code == 1
    assert result.stderr == "The port 8080 is in use.\n  Choose another one.\n"


def test_an_error_that_is_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug shows where it is, so that it can be reported."""

    @click.command("broken")
    def command() -> None:
        raise ExceptionGroup("outer", [ConfigurationError("x"), KeyError("y")])

    monkeypatch.setattr("weft.cli.root.LazyGroup.get_command", lambda *_: command)
    assert isinstance(CliRunner().invoke(cli, ["broken"]).exception, ExceptionGroup)


def test_help_says_how_to_begin_and_how_to_complete() -> None:
    """The first three commands, and the line for one's shell."""
    output = CliRunner().invoke(cli, ["--help"]).output
    assert "weft device add pump-1" in output
    assert "_WEFT_COMPLETE=bash_source" in output

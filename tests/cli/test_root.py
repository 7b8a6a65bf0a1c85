"""The root command: quick, complete, and clear about what it does not know."""

import subprocess
import sys

from click.testing import CliRunner

from weft.cli.groups import COMMANDS, GROUPS
from weft.cli.root import cli


def test_help_names_all_commands() -> None:
    """Each with a line."""
    result = CliRunner().invoke(cli, ["--help"])
    for name in (*GROUPS, *COMMANDS):
        assert name in result.output


def test_an_unknown_command_is_a_usage_error() -> None:
    """With the exit code that shells know."""
    result = CliRunner().invoke(cli, ["devise"])
    assert result.exit_code == 2


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

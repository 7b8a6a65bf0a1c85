"""Words: no list without a next step, no sentence about what is not there."""

import shlex

import click

from weft.api.operations.table import TABLE
from weft.cli.root import cli
from weft.cli.words import EMPTY, EXAMPLES, HELP, SLOW, help_of

COMMANDS = {operation.name for operation in TABLE if operation.command is not None}
LISTS = {
    operation.name
    for operation in TABLE
    if operation.command is not None and operation.command.columns
}


def test_every_list_says_what_would_fill_it() -> None:
    """Nobody is left alone with "none"."""
    assert set(EMPTY) == LISTS


def test_words_are_about_operations_that_are_there() -> None:
    """An operation that is renamed takes its words along."""
    for words in (EXAMPLES, SLOW):
        assert set(words) <= COMMANDS
    assert {name.partition(".")[0] for name in HELP if "." in name} <= COMMANDS


def test_examples_are_commands_that_exist() -> None:
    """Each can be typed as it stands: its command, its options and its number of arguments."""
    for example in (line for lines in EXAMPLES.values() for line in lines):
        words = shlex.split(example.replace(">", "# >").replace("<", "# <"), comments=True)
        context = click.Context(cli)
        group = cli.get_command(context, words[1])
        assert isinstance(group, click.Group), example
        command = group.get_command(context, words[2])
        assert command is not None, example
        command.make_context(words[2], words[3:], parent=context)


def test_an_option_may_mean_something_of_its_own_in_one_command() -> None:
    """A field's words are overruled by the operation's."""
    assert help_of("verify_audit", "hash") == "Of that head."
    assert help_of("list_alarms", "state") == HELP["state"]
    assert help_of("list_alarms", "unheard") == ""

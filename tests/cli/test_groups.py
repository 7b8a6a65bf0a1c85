"""Groups and commands have names of their own."""

from weft.cli.groups import COMMANDS, GROUPS


def test_no_name_is_there_twice() -> None:
    """A command by hand does not hide a group."""
    assert not set(COMMANDS) & set(GROUPS)
    assert all(text.endswith(".") for text in GROUPS.values())

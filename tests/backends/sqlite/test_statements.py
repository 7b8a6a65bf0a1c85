"""Statements and migrations as they stand in files."""

import re

import pytest

from weft.backends.sqlite import statements
from weft.backends.sqlite.statements import load_migrations, load_statements


@pytest.mark.parametrize("name", ["records", "journal"])
def test_every_section_is_one_statement(name: str) -> None:
    """No name is lost, and none swallows the next."""
    text = (statements._FOLDER / f"{name}.sql").read_text()
    found = load_statements(name)

    assert [*found] == re.findall(r"^-- name: (\w+)$", text, re.MULTILINE)
    assert all(";" not in statement and "--" not in statement for statement in found.values())


@pytest.mark.parametrize("name", ["records", "journal"])
def test_there_are_migrations(name: str) -> None:
    """They are found in the installed package too, since they lie in it."""
    assert "CREATE TABLE" in load_migrations(name)[0]

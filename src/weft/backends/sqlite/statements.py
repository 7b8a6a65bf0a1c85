"""Statements: SQL as it stands in the `.sql` files of this folder, by name.

A file is a list of sections, each `-- name: x`, a line that says what it is for, and one
statement. Nothing here builds SQL from values: they are always bound.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_SECTION = re.compile(r"^-- name: (\w+)\n(?:--[^\n]*\n)+(.+?);\s*$", re.MULTILINE | re.DOTALL)
_FOLDER = Path(__file__).parent


def load_statements(name: str) -> Mapping[str, str]:
    """Return {name: statement} of `<name>.sql`."""
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    return {found[1]: found[2] for found in _SECTION.finditer(text + "\n")}


def load_migrations(name: str) -> list[str]:
    """Return the migrations of a database, the first at index 0."""
    paths = sorted((_FOLDER / "migrations" / name).glob("[0-9]*.sql"))
    for number, path in enumerate(paths, 1):
        if int(path.name[:4]) != number:
            raise RuntimeError(f"Migration {path.name} is not number {number}: one is missing.")
    return [path.read_text(encoding="utf-8") for path in paths]

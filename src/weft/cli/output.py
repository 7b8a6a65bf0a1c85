"""Output: tables for people, JSON for machines, and errors that say what to do."""

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from weft.errors import WeftError
from weft.observability.log import escape_controls

EXIT_USAGE = 2
EXIT_REFUSED = 1
EXIT_NO_SERVER = 3


def show_json(value: Any) -> None:
    """Print a value for machines."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show(value: Any, columns: Sequence[str]) -> None:
    """Print a value for people: a page as a table, a record field by field."""
    console = Console(highlight=False, soft_wrap=False)
    if value is None:
        console.print("Done.")
    elif isinstance(value, dict) and isinstance(value.get("items"), list):
        _show_page(console, value, columns)
    elif isinstance(value, dict):
        _show_record(console, value)
    else:
        console.print(Text(_text(value)))


def _show_page(console: Console, page: dict[str, Any], columns: Sequence[str]) -> None:
    items = page["items"]
    if not items:
        console.print("None.")
        return
    names = columns or tuple(items[0])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for item in items:
        table.add_row(*(Text(_text(item.get(name))) for name in names))
    console.print(table)
    if page.get("next"):
        console.print("There are more: ask with a larger --limit.", style="dim")


def _show_record(console: Console, record: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name.replace("_", " "), Text(_text(value)))
    console.print(table)


def _text(value: Any) -> str:
    """Write a value in a cell; what devices sent must not steer the terminal."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return escape_controls(", ".join(value))
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, indent=1) if value else "-"
    return "\n".join(escape_controls(line) for line in str(value).splitlines()) or "-"


def fail(error: WeftError) -> None:
    """Say what happened and what to do, on standard error."""
    click.echo(f"{escape_controls(error.detail)}", err=True)
    if error.remedy:
        click.echo(f"  {escape_controls(error.remedy)}", err=True)

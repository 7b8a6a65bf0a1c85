"""Output: tables for people, JSON for machines, and errors that say what to do."""

import json
from collections.abc import Sequence
from typing import Any

import click

from weft.cli.layout import record_lines, table, terminal_width, wrap
from weft.errors import WeftError
from weft.observability.log import escape_controls

EXIT_REFUSED = 1
EXIT_NO_SERVER = 3

NOTHING = "There are none."


def show_json(value: Any) -> None:
    """Print a value for machines."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show(value: Any, columns: Sequence[str], empty: str = "") -> None:
    """Print a value for people: a page as a table, a record field by field."""
    if value is None:
        click.echo("Done.")
    elif isinstance(value, dict) and isinstance(value.get("items"), list):
        _show_page(value, columns, empty)
    elif isinstance(value, dict):
        show_lines(record_lines(value, terminal_width()))
    else:
        show_lines(escape_controls(line) for line in str(value).splitlines())


def show_lines(lines: Any) -> None:
    """Print lines that are ready."""
    for line in lines:
        click.echo(line)


def _show_page(page: dict[str, Any], columns: Sequence[str], empty: str) -> None:
    items = page["items"]
    if not items:
        show_lines(wrap(empty or NOTHING, terminal_width()))
        _tell_searched(page)
        return
    lines, left_out = table(items, columns or tuple(items[0]), terminal_width())
    show_lines(lines)
    if left_out:
        names = ", ".join(name.replace("_", " ") for name in reversed(left_out))
        click.echo(f"No room for: {names}. A wider terminal or --json shows all.", err=True)
    tell_more(page)


def tell_more(answer: dict[str, Any]) -> None:
    """Say so where a page is not the last."""
    if "items" in answer and answer.get("next"):
        click.echo("There are more: ask with a larger --limit.", err=True)
    _tell_searched(answer)


def _tell_searched(answer: dict[str, Any]) -> None:
    """Say how far back was looked, where older ones may be there."""
    if answer.get("searched_from"):
        since, place = answer["searched_since"], answer["searched_from"]
        click.echo(f"Looked back to {since}. Further back: --before {place}", err=True)


def fail(error: WeftError) -> None:
    """Say what happened and what to do, on standard error."""
    click.echo(f"{escape_controls(error.detail)}", err=True)
    if error.remedy:
        click.echo(f"  {escape_controls(error.remedy)}", err=True)

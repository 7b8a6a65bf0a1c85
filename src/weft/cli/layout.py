"""Layout: tables and records that fit the terminal, with ids that can be copied.

A word is never broken: texts wrap between words, move below their row, or a column is left
out and named. Away from a terminal nothing wraps, so that a pipe sees whole lines.
"""

import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import click
import yaml
from rich.cells import cell_len

from weft.cli.cells import is_empty, is_plain, text_of

UNBOUNDED = 100_000
GAP = "  "
TEXT_MIN = 24  # a text narrower than this is no pleasure to read
TEXTS = frozenset({"message", "title", "detail", "remedy", "reason", "last_error", "description"})


def terminal_width() -> int:
    """Return how many columns there are; unbounded away from a terminal."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else UNBOUNDED


def heading(text: str) -> str:
    """Write a heading; bold where that can be seen."""
    return click.style(text, bold=True)


def table(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], width: int
) -> tuple[list[str], list[str]]:
    """Return a table's lines, and the columns that had no place.

    `names` are in order of importance. A column in which nothing stands is not shown.
    """
    names = [name for name in names if not all(is_empty(row.get(name)) for row in rows)]
    if not names:
        return [], []
    cells = {name: [text_of(name, row.get(name)) for row in rows] for name in names}
    widths = {name: max(map(cell_len, [_title(name), *cells[name]])) for name in names}
    texts = [name for name in names if name in TEXTS]
    firm = [name for name in names if name not in TEXTS]
    if _total(names, widths) <= width:
        return _rows(names, cells, widths, len(rows)), []
    room = width - _total(firm, widths) - len(GAP) * len(texts)
    if texts and room // len(texts) >= max(TEXT_MIN, *(_longest(cells[name]) for name in texts)):
        narrow = _share(texts, widths, room)
        return _rows(names, cells, widths | narrow, len(rows)), []
    left_out = []
    while len(firm) > 1 and _total(firm, widths) > width:
        left_out.append(firm.pop())
    return _rows_with_texts(firm, texts, cells, widths, width), left_out


def record_lines(record: Mapping[str, Any], width: int, *, ours: bool = True) -> list[str]:
    """Return a record field by field, with its documents as blocks below their names.

    Fields of ours are titled in words; names that somebody chose stand as they are typed.
    """
    title = _title if ours else str
    flat = [title(name) for name, value in record.items() if is_plain(value)]
    label = max(map(len, flat), default=0)
    lines: list[str] = []
    for name, value in record.items():
        if is_plain(value):
            indent = " " * (label + len(GAP))
            wrapped = wrap(text_of(name, value), width - len(indent))
            lines.append(heading(f"{title(name):<{label}}") + GAP + wrapped[0])
            lines += [indent + more for more in wrapped[1:]]
        else:
            lines.append(heading(title(name)))
            lines += [GAP + line for line in block(value, width - len(GAP))]
    return lines


def block(value: Any, width: int) -> list[str]:
    """Return a nested value as lines: fields, a table, or YAML where it is deeper."""
    if isinstance(value, dict) and all(map(is_plain, value.values())):
        return record_lines(value, width, ours=False)
    if isinstance(value, dict) and all(map(_is_row, value.values())):
        value = [{"": name, **row} for name, row in value.items()]
    if isinstance(value, list) and value and all(map(_is_row, value)):
        names = list(dict.fromkeys(name for row in value for name in row))
        return table(value, names, width)[0]
    text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=UNBOUNDED)
    return str(text).rstrip().splitlines()


def wrap(text: str, width: int) -> list[str]:
    """Wrap between words; a word that is longer than a line stays whole."""
    kept = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, max(width, TEXT_MIN), **kept) or [""]  # type: ignore[arg-type]  # two flags


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and all(
        is_plain(item) or (isinstance(item, dict) and _is_flat(item)) for item in value.values()
    )


def _is_flat(value: dict[str, Any]) -> bool:
    return all(map(is_plain, value.values()))


def _title(name: str) -> str:
    return name.replace("_", " ")


def _total(names: Sequence[str], widths: Mapping[str, int]) -> int:
    return sum(widths[name] for name in names) + len(GAP) * max(len(names) - 1, 0)


def _longest(texts: Sequence[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _share(names: Sequence[str], widths: Mapping[str, int], room: int) -> dict[str, int]:
    """Give texts what they ask for while there is room, the narrow ones first."""
    shares: dict[str, int] = {}
    for number, name in enumerate(sorted(names, key=lambda one: widths[one])):
        shares[name] = min(widths[name], room // (len(names) - number))
        room -= shares[name]
    return shares


def _rows(
    names: Sequence[str], cells: Mapping[str, list[str]], widths: Mapping[str, int], count: int
) -> list[str]:
    lines = [heading(_line([_title(name) for name in names], names, widths))]
    for number in range(count):
        columns = [_parts(name, cells[name][number], widths[name]) for name in names]
        for part in range(max(map(len, columns))):
            shown = [column[part] if part < len(column) else "" for column in columns]
            lines.append(_line(shown, names, widths))
    return lines


def _parts(name: str, text: str, width: int) -> list[str]:
    return wrap(text, width) if name in TEXTS else [text]


def _rows_with_texts(
    firm: Sequence[str],
    texts: Sequence[str],
    cells: Mapping[str, list[str]],
    widths: Mapping[str, int],
    width: int,
) -> list[str]:
    lines = [heading(_line([_title(name) for name in firm], firm, widths))] if firm else []
    for number in range(len(cells[(*firm, *texts)[0]])):
        if firm:
            lines.append(_line([cells[name][number] for name in firm], firm, widths))
        for name in texts:
            if cells[name][number] != text_of("", None):
                lines += [GAP + part for part in wrap(cells[name][number], width - len(GAP))]
    return lines


def _line(shown: Sequence[str], names: Sequence[str], widths: Mapping[str, int]) -> str:
    columns = zip(shown, names, strict=True)
    return GAP.join(text + " " * (widths[name] - cell_len(text)) for text, name in columns).rstrip()

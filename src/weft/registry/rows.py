"""Rows: devices as CSV and NDJSON, read with the place of each mistake, and written.

A file with a header that cannot be meant is refused as a whole; a row that is wrong spoils
no other. What is written can be read again and says the same. A text that a spreadsheet
would run as a formula gets a quote in front of it, and loses it when it is read.
"""

import csv
import difflib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.errors import Invalid
from weft.model.device import Device

ROWS_MAX: Final = 100_000
COLUMNS: Final = (
    "device_id",
    "type_name",
    "label",
    "lifecycle",
    "attributes",
    "tags",
    "gateway",
    "alias",
)
KEY_COLUMNS: Final = ("psk", "psk_identity")  # brought in, and never written out
_KNOWN: Final = (*COLUMNS, *KEY_COLUMNS)
_TEXTS: Final = frozenset(
    {"device_id", "type_name", "label", "lifecycle", "gateway", "alias", *KEY_COLUMNS}
)
_NULLS: Final = frozenset({"type_name", "device_id", "gateway"})
_ALIASES: Final = {"type": "type_name", "id": "device_id", "name": "device_id"}
_ATTRIBUTE: Final = "attributes."
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")  # OWASP, "CSV Injection"
_GUARDED: Final = re.compile(r"'+[=+\-@\t\r]")


class FileFormat(StrEnum):
    """How devices are written in a file."""

    CSV = "csv"
    NDJSON = "ndjson"


class RowError(Struct, frozen=True):
    """What is wrong with a row, in which column, and what to do."""

    column: str
    detail: str
    remedy: str


class Row(Struct, frozen=True):
    """One device of a file; `line` is where it begins. What was left out is not in `values`."""

    line: int
    values: dict[str, Any]
    error: RowError | None = None
    behind: int | None = None  # place of its gateway's row, among those of the file as done

    @property
    def device_id(self) -> str:
        """Return its name; empty where there is none."""
        name = self.values.get("device_id")
        return name if isinstance(name, str) else ""

    @property
    def gateway(self) -> str:
        """Return the name of its gateway; empty where none is said."""
        name = self.values.get("gateway")
        return name if isinstance(name, str) else ""


class _Wrong(Exception):
    """A row cannot be meant."""

    def __init__(self, column: str, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.error = RowError(column, detail, remedy)


def read_rows(content: bytes, format_: FileFormat) -> list[Row]:
    """Return all rows of a file; raise `Invalid` where the file itself cannot be read.

    Blocks for as long as a large file takes: call it off the loop.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Invalid(
            f"Line {line} is not UTF-8.", remedy="Save the file as UTF-8 (CSV UTF-8)."
        ) from error
    read = _read_csv if format_ is FileFormat.CSV else _read_ndjson
    rows: list[Row] = []
    lines: dict[str, int] = {}
    for row in read(text):
        rows.append(_once(row, lines))
        if len(rows) > ROWS_MAX:
            raise Invalid(
                f"The file has more than {ROWS_MAX} rows.", remedy="Split it into several."
            )
    if not rows:
        raise Invalid("The file has no rows.", remedy="Write one device a line, below the header.")
    return rows


def _once(row: Row, lines: dict[str, int]) -> Row:
    """Return the row, or what is wrong where its device stands above it already."""
    if row.error is not None:
        return row
    first = lines.setdefault(row.device_id, row.line)
    if first == row.line:
        return row
    detail = f"{row.device_id!r} stands in line {first} already."
    return Row(row.line, row.values, RowError("device_id", detail, "Keep one of the two."))


# --- CSV ---


def _read_csv(text: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    columns: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise Invalid(
                f"Line {line} is no CSV: {error}.",
                remedy='Put quotes around a text with commas or lines, and write a quote as "".',
            ) from error
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = _header(cells)
        else:
            yield _row_of(line, columns, cells)


def _delimiter(text: str) -> str:
    """Return what separates cells: spreadsheets of some countries write semicolons."""
    head = text.lstrip().partition("\n")[0]
    return max(",;\t", key=head.count)


def _header(cells: Sequence[str]) -> list[str]:
    columns = [_ALIASES.get(name, name) for name in (cell.strip() for cell in cells)]
    for name in columns:
        if name not in _KNOWN and not (name.startswith(_ATTRIBUTE) and name != _ATTRIBUTE):
            near = difflib.get_close_matches(name, _KNOWN, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise Invalid(
                f"The header has the column {name!r}, which is not known.",
                remedy=f"{hint}Known: {', '.join(_KNOWN)}, and attributes.NAME.",
            )
        if columns.count(name) > 1:
            raise Invalid(f"The header has the column {name!r} twice.", remedy="Keep one of them.")
    if "device_id" not in columns:
        raise Invalid(
            "The header has no column device_id.",
            remedy="Let the first line name the columns, as: device_id,type_name,label",
        )
    return columns


def _row_of(line: int, columns: Sequence[str], cells: Sequence[str]) -> Row:
    values: dict[str, Any] = {}
    try:
        if len(cells) > len(columns):
            raise _Wrong(
                "",
                f"There are {len(cells)} cells for {len(columns)} columns.",
                "Put quotes around a text with commas.",
            )
        for column, cell in zip(columns, cells, strict=False):
            if cell.strip():
                _put(values, column, cell.strip())
        _require_name(values)
    except _Wrong as wrong:
        return Row(line, values, wrong.error)
    return Row(line, values)


def _put(values: dict[str, Any], column: str, cell: str) -> None:
    text = cell[1:] if _GUARDED.match(cell) else cell
    if column in _TEXTS:
        values[column] = text
    elif column == "tags":
        values[column] = text.split()  # a tag is one word
    elif column == "attributes":
        document = _json_of(text)
        if not isinstance(document, dict):
            raise _Wrong(column, "It is no JSON object.", 'Write it as {"hall": 2}.')
        values.setdefault("attributes", {}).update(document)
    else:
        # A number stays one, and what is no JSON is a text.
        value = _json_of(text)
        name = column[len(_ATTRIBUTE) :]
        values.setdefault("attributes", {})[name] = text if value is _NO_JSON else value


_NO_JSON: Final = object()


def _json_of(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return _NO_JSON


def _no_constant(name: str) -> Any:
    raise ValueError(name)


# --- NDJSON ---


def _read_ndjson(text: str) -> Iterator[Row]:
    for line, content in enumerate(text.split("\n"), 1):
        if content.strip():
            yield _object_of(line, content)


def _object_of(line: int, content: str) -> Row:
    values: Any = _json_of(content)
    try:
        if not isinstance(values, dict):
            raise _Wrong("", "It is no JSON object.", 'Write one a line: {"device_id": "pump-7"}')
        for name, value in values.items():
            if name not in _KNOWN:
                raise _Wrong(name, "It is not known.", f"Known: {', '.join(_KNOWN)}.")
            if value is None and name not in _NULLS:
                raise _Wrong(name, "It is null.", "Leave it out.")
            if name in _TEXTS and not isinstance(value, str | None):
                raise _Wrong(name, "It is no text.", "Put it in quotes.")
            if name == "attributes" and not isinstance(value, dict):
                raise _Wrong(name, "It is no JSON object.", 'Write it as {"hall": 2}.')
            if name == "tags" and not _are_texts(value):
                raise _Wrong(name, "It is no list of words.", 'Write it as ["critical"].')
        _require_name(values)
    except _Wrong as wrong:
        return Row(line, values if isinstance(values, dict) else {}, wrong.error)
    return Row(line, values)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _require_name(values: dict[str, Any]) -> None:
    if not values.get("device_id"):
        raise _Wrong("device_id", "It is empty.", "Give each device a name of its own.")


# --- writing ---


def write_rows(
    devices: Iterable[Device],
    format_: FileFormat,
    gateway_of: Callable[[Device], str | None],
    *,
    head: bool,
) -> bytes:
    """Return devices as lines of a file, with the header where it begins.

    `gateway_of` names the device that speaks for one, if any does.
    """
    if format_ is FileFormat.NDJSON:
        return b"".join(
            msgspec.json.encode(_values_of(one, gateway_of(one))) + b"\n" for one in devices
        )
    header = [COLUMNS] if head else []
    return write_csv([*header, *(tuple(_cells_of(one, gateway_of(one))) for one in devices)])


def write_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Return lines of CSV; no cell of them runs as a formula."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def guarded(text: str) -> str:
    """Return a text as it may stand in a spreadsheet."""
    return f"'{text}" if _FORMULA.match(text) else text


def _values_of(device: Device, gateway: str | None) -> dict[str, Any]:
    return {
        "device_id": device.device_id,
        "type_name": device.type_name,
        "label": device.label,
        "lifecycle": device.lifecycle.value,
        "attributes": device.attributes,
        "tags": device.tags,
        "gateway": gateway,
        "alias": device.alias if gateway else "",
    }


def _cells_of(device: Device, gateway: str | None) -> Iterator[str]:
    for name, value in _values_of(device, gateway).items():
        if name == "attributes":
            yield msgspec.json.encode(value).decode() if value else ""
        elif name == "tags":
            yield " ".join(value)
        else:
            yield value or ""


__all__ = ["FileFormat", "Row", "RowError", "guarded", "read_rows", "write_csv", "write_rows"]

"""The screen and the lines of `weft watch`; what devices sent never steers the terminal."""

import json
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weft.cli.watching import Watched, values_of
from weft.observability.log import escape_controls

SEVERITY_STYLES = {"critical": "bold red", "major": "red", "minor": "yellow", "warning": "yellow"}
VALUES_SHOWN = 8
RECORDS_SHOWN = 8
REFUSALS_SHOWN = 5
SPARE_ROWS = 8  # headings and the line at the end


def screen(watched: Watched, note: str, height: int) -> RenderableType:
    """Draw everything, in no more rows than the terminal has."""
    with watched.lock:
        parts: list[RenderableType] = []
        below = [_alarms(watched), _orders(watched), _refusals(watched)]
        used = sum(table.row_count + 2 for table in below if table.row_count)
        parts.append(_devices(watched, max(3, height - used - SPARE_ROWS)))
        for table in below:
            if table.row_count:
                parts += ["", table]
        parts += ["", Text(_summary(watched, note), style="dim")]
    return Group(*parts)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        last = column == columns[-1]
        table.add_column(
            column,
            header_style="dim",
            overflow="ellipsis",
            no_wrap=True,
            ratio=1 if last else None,
        )
    return table


def _devices(watched: Watched, rows: int) -> Table:
    now_s = int(time.time())
    table = _table("Devices", "device", "msg/s", "last heard", "values")
    newest = list(watched.devices.items())[-rows:]
    for name, seen in sorted(newest):
        table.add_row(
            _text(name), f"{seen.rate(now_s):.1f}", _time(seen.at), _text(_values(seen.values))
        )
    if not newest:
        table.add_row("", "", "", "nothing yet; try: weft simulate")
    return table


def _alarms(watched: Watched) -> Table:
    table = _table("Open alarms", "device", "severity", "state", "since", "message")
    for alarm in reversed(list(watched.alarms.values())[-RECORDS_SHOWN:]):
        severity = str(alarm["severity"])
        table.add_row(
            _text(alarm["device_id"]),
            Text(severity, style=SEVERITY_STYLES.get(severity, "")),
            str(alarm["state"]),
            _time(str(alarm["raised_at"])),
            _text(alarm["message"]),
        )
    return table


def _orders(watched: Watched) -> Table:
    table = _table("Work orders", "device", "state", "connector", "number", "title")
    for order in reversed(list(watched.orders.values())[-RECORDS_SHOWN:]):
        table.add_row(
            _text(order["device_id"]),
            str(order["state"]),
            _text(order["connector"]),
            _text(order["remote_id"] or "-"),
            _text(order["title"]),
        )
    return table


def _refusals(watched: Watched) -> Table:
    table = _table("Refused messages", "time", "device", "reason", "what was wrong")
    for one in reversed(list(watched.refusals)[-REFUSALS_SHOWN:]):
        table.add_row(
            _time(one.at), _text(one.device_id), _text(one.code), _text(one.detail or one.topic)
        )
    return table


def _summary(watched: Watched, note: str) -> str:
    parts = [f"{watched.messages:,} messages, {watched.refused:,} refused"]
    if watched.missed:
        parts.append(f"{watched.missed:,} not shown: this terminal is too slow")
    parts.append(note or "Ctrl-C ends")
    return " · ".join(parts)


# --- lines ---------------------------------------------------------------------------------


def json_line(kind: str, last_id: str, data: Mapping[str, Any]) -> str:
    """Write an event for machines."""
    return json.dumps({"event": kind, "id": last_id, **data}, ensure_ascii=False)


def plain_line(kind: str, data: Mapping[str, Any]) -> str:
    """Write an event for people, on one line."""
    device = str(data.get("device_id", ""))
    record = data.get("record") or {}
    at = str(data.get("received_at") or record.get("at") or "")
    if kind == "rejection":
        reason = data.get("rejection") or {}
        text = f"{reason.get('code', '')}: {reason.get('detail', '')}"
    elif kind == "alarm":
        text = f"{data.get('change')} {record.get('severity')}: {record.get('message')}"
    elif kind == "work_order":
        text = f"{data.get('change')} {record.get('remote_id') or ''}: {record.get('title')}"
    elif kind == "command":
        text = f"{data.get('change')} {record.get('name')} {record.get('request_id')}"
        text += f": {record.get('error')}" if record.get("error") else ""
    elif kind == "property":
        text = f"{data.get('change')} " + " ".join(
            f"{one['name']}: {_value(one['old'])} -> {_value(one['new'])}"
            for one in record.get("changes", ())
        )
    elif kind == "gap":
        text = f"{data.get('reason')} {data.get('remedy')}"
    else:
        found = values_of(data.get("data"))
        text = _values(found) if found else json.dumps(data.get("data"), ensure_ascii=False)
    words = (at, f"{kind:<10}", device, text)
    return escape_controls(" ".join(word for word in words if word))


def _values(values: Mapping[str, Any]) -> str:
    shown = [f"{key}={_value(value)}" for key, value in list(values.items())[:VALUES_SHOWN]]
    more = len(values) - len(shown)
    return " ".join(shown) + (f" and {more} more" if more else "")


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _time(at: str) -> str:
    """Return the time of day of an RFC 3339 moment."""
    return at[11:19]


def _text(value: Any) -> Text:
    return Text(escape_controls(str(value)))

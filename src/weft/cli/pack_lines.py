"""What installing or removing a pack did, or would do, as people read it."""

from collections.abc import Mapping
from typing import Any

from weft.cli.layout import GAP, wrap
from weft.observability.log import escape_controls

_DONE = {
    "add": "made",
    "update": "updated",
    "same": "as it was",
    "delete": "deleted",
    "keep": "kept",
    "taken": "name in use",
}
_WOULD = {**_DONE, "add": "to make", "update": "to update", "delete": "to delete"}


def pack_lines(report: Mapping[str, Any], width: int) -> list[str]:
    """Return a line for each item, and below it what differs."""
    words = _WOULD if report["dry_run"] else _DONE
    pack, steps = report["pack"], report["steps"]
    lines = [_head(report)]
    named = max((len(words[step["outcome"]]) for step in steps), default=0)
    for step in steps:
        reason = f": {step['reason']}" if step["reason"] else ""
        text = f"{words[step['outcome']]:{named}}  {step['kind']} {step['name']}{reason}"
        lines.append(GAP + escape_controls(text))
        for change in step["changes"]:
            lines += [
                2 * GAP + line for line in wrap(escape_controls(change), width - 2 * len(GAP))
            ]
    if report["dry_run"]:
        lines.append("Nothing was done.")
    elif not report["connector"] and any(step["outcome"] == "add" for step in steps):
        lines.append(
            "No connector takes its work orders: its rules raise alarms only. With one: "
            f"weft pack install {pack} --connector NAME"
        )
    return lines


def _head(report: Mapping[str, Any]) -> str:
    name = f"{report['pack']} {report['version']}"
    prefix = f" as {report['prefix']}…" if report["prefix"] else ""
    before = report["version_before"]
    over = f", over version {before}" if 0 < before != report["version"] else ""
    orders = f", work orders to {report['connector']}" if report["connector"] else ""
    return escape_controls(f"{name}{prefix}{over}{orders}")

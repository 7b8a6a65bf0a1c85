"""Suggestions: what somebody may have meant by a name that is not there.

Asked for only after a refusal, so the happy path pays nothing.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from weft.cli.client import Client, Refused
from weft.errors import WeftError

# Path parameter -> where such things are listed, and the field that names them.
LISTS: dict[str, tuple[str, str]] = {
    "action_id": ("/outbox", "action_id"),
    "alarm_id": ("/alarms", "alarm_id"),
    "asset_id": ("/assets", "asset_id"),
    "claim_id": ("/claims", "claim_id"),
    "device_id": ("/devices", "device_id"),
    "fault_id": ("/faults", "fault_id"),
    "import_id": ("/imports", "import_id"),
    "group": ("/groups", "name"),
    "key_id": ("/keys", "key_id"),
    "plan": ("/maintenance-plans", "name"),
    "calendar": ("/calendars", "name"),
    "rule_id": ("/rules", "rule_id"),
    "tenant_id": ("/tenants", "tenant_id"),
    "type_name": ("/types", "name"),
    "work_order_id": ("/work-orders", "work_order_id"),
}
NAMED_BY_GROUP = {"connector": ("/connectors", "name"), "user": ("/users", "name")}
PREFIX_MIN = 3
INVALID = frozenset({400, 422})


def suggest(client: Client, refused: Refused, group: str, path: Mapping[str, str]) -> Refused:
    """Return a refusal for a name that is not there with the nearest name as its remedy."""
    if refused.status in INVALID and (not refused.remedy or "openapi.json" in refused.remedy):
        return refused.with_remedy(
            f"What it takes: weft {group} --help, and --help of its command."
        )
    if refused.status != 404:
        return refused
    for parameter, given in path.items():
        listed = LISTS.get(parameter) or NAMED_BY_GROUP.get(group)
        near = _near(given, _names(client, *listed)) if listed else ""
        if near:
            return refused.with_remedy(
                f"Did you mean {near!r}? All of them: {_listing(group, parameter)}"
            )
    if not refused.remedy and "key" not in path:
        return refused.with_remedy(f"All of them: weft {group} list")
    return refused


def _listing(group: str, parameter: str) -> str:
    noun = {"device_id": "device", "type_name": "type", "rule_id": "rule"}.get(parameter, group)
    return f"weft {noun} list"


def _names(client: Client, path: str, field: str) -> list[str]:
    try:
        page: Any = client.send("GET", f"{path}?limit=1000").value
    except WeftError:
        try:
            page = client.send("GET", path).value  # a list without pages
        except WeftError:
            return []  # who may not list is not told what there is
    return [str(item[field]) for item in page["items"]]


def _near(given: str, names: list[str]) -> str:
    begun = [name for name in names if len(given) >= PREFIX_MIN and name.startswith(given)]
    if len(begun) == 1:
        return begun[0]
    return next(iter(get_close_matches(given, [n for n in names if n != given], 1, 0.7)), "")

"""What a replay takes as it is today, since nothing says how it was: told in its report.

Fences, routes and trips are kept as they were, and a replay uses what was in force at each
moment. Of groups, assets and attributes Weft keeps the present: a replay counts the members of
today over the whole time, also before they joined. Guessing would hide that; the report says it.
"""

from collections.abc import Mapping
from typing import Any


def assumed_by(document: Mapping[str, Any]) -> list[str]:
    """Return what a replay of a rule takes as it is today, in words."""
    scope = document.get("scope") or {}
    condition = f"{document.get('when', '')} {document.get('clear') or ''}"
    selector = document.get("selector") or {}
    found: list[str] = []
    if scope.get("group"):
        found.append(f"who belongs to group {scope['group']}")
    if scope.get("asset"):
        found.append(f"which devices are attached to asset {scope['asset']}, and what is below it")
    if scope.get("each_asset"):
        found.append(f"which assets are a {scope['each_asset']}, and what is attached to each")
    if selector.get("attributes") or "device.attributes." in condition:
        found.append("the attributes of devices")
    if "twin.reported." in condition:
        found.append("what devices have reported, until they report in that time")
    return found

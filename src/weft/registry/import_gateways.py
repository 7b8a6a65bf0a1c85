"""Gateways of a file: which row stands behind which, and in which order they are done.

A gateway is there already, or has a row of its own, above or below those behind it: rows
whose gateway stands further down are done last. One that would make a cycle, a gateway of a
gateway, or two devices of one name behind one gateway is told with its row; the others go.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from weft.registry.rows import Row, RowError


def arranged(rows: Sequence[Row]) -> list[Row]:
    """Return the rows in the order in which they are done, each with the place of its gateway."""
    by_name = {row.device_id: row for row in rows if row.error is None}
    aliases: dict[tuple[str, str], int] = {}
    checked = [_checked(row, by_name, aliases) for row in rows]
    place = {row.device_id: number for number, row in enumerate(checked) if row.error is None}
    ahead: list[Row] = []
    behind: list[Row] = []
    for number, row in enumerate(checked):
        late = row.error is None and place.get(row.gateway, -1) > number
        (behind if late else ahead).append(row)
    order = [*ahead, *behind]
    place = {row.device_id: number for number, row in enumerate(order) if _is_named(row, by_name)}
    return [
        replace(row, behind=place[row.gateway]) if row.gateway in place else row for row in order
    ]


def _is_named(row: Row, by_name: dict[str, Row]) -> bool:
    """Whether a row is the one that its name stands for; a second of that name is not."""
    held = by_name.get(row.device_id)
    return held is not None and held.line == row.line


def _checked(row: Row, by_name: dict[str, Row], aliases: dict[tuple[str, str], int]) -> Row:
    if row.error is not None or not row.gateway:
        return row
    gateway = row.gateway
    if gateway == row.device_id:
        detail = f"{gateway!r} cannot be its own gateway."
        return replace(row, error=RowError("gateway", detail, "Leave the cell empty."))
    held = by_name.get(gateway)
    if held is not None and held.gateway:
        detail = (
            f"The gateway {gateway!r} stands behind {held.gateway!r} itself, in line {held.line}."
        )
        remedy = "Name a device that connects by itself: a gateway has none."
        return replace(row, error=RowError("gateway", detail, remedy))
    alias = row.values.get("alias") or row.device_id
    first = aliases.setdefault((gateway, alias), row.line)
    if first != row.line:
        detail = f"The gateway {gateway!r} calls the device of line {first} {alias!r} already."
        return replace(row, error=RowError("alias", detail, "Give one of the two another alias."))
    return row


__all__ = ["arranged"]

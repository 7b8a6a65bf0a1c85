"""What the tests of history share: rows by hand, and a short way to ask."""

from collections.abc import Sequence
from typing import Any

from weft.model.ids import DeviceId, TenantId
from weft.ports import HistoryQuery, HistoryTable, Rows

MAIN = TenantId("main")
OTHER = TenantId("other")
PUMP = DeviceId("pump-7")
FAN = DeviceId("fan-1")
S = 1_000_000_000  # ns
T0 = 1_772_366_400 * S  # 2026-03-01T12:00:00Z, a whole minute


def rows(
    samples: Sequence[tuple[int, Any]],
    *,
    device: str = PUMP,
    key: str = "t",
    tenant: str = MAIN,
    position: int = 1,
) -> Rows:
    """Return samples (seconds behind T0, value) of one key; positions count up."""
    return Rows(
        tenants=[tenant] * len(samples),
        devices=[device] * len(samples),
        at=[T0 + round(second * S) for second, _value in samples],
        positions=list(range(position, position + len(samples))),
        keys=(key,),
        columns=([value for _second, value in samples],),
    )


def ask(**changes: Any) -> HistoryQuery:
    """Return a query of the pump's `t` over an hour, with changes."""
    asked: dict[str, Any] = {
        "tenant": MAIN,
        "devices": (PUMP,),
        "keys": ("t",),
        "start": T0,
        "end": T0 + 3600 * S,
    }
    return HistoryQuery(**asked | changes)


def points(table: HistoryTable, name: str = "value") -> list[tuple[float, Any]]:
    """Return (seconds behind T0, value) of an answer."""
    columns = table.columns
    return [((at - T0) / S, value) for at, value in zip(columns["at"], columns[name], strict=True)]

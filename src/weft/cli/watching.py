"""What is watched: devices with their newest values, open alarms, work orders, refusals.

A plain state that events are put into and a screen is drawn from. It never grows without a
bound: of devices and records only the newest are kept.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

DEVICES_MAX = 500
RECORDS_MAX = 50
REFUSALS_MAX = 20
RATE_S = 10


class Seen(Struct):
    """What is known of one device."""

    values: dict[str, Any] = field(default_factory=dict)
    at: str = ""
    messages: int = 0
    first_s: int = 0
    by_second: deque[list[int]] = field(default_factory=lambda: deque(maxlen=RATE_S + 1))

    def rate(self, now_s: int) -> float:
        """Messages a second, over the last ten."""
        count = sum(count for second, count in self.by_second if now_s - second < RATE_S)
        return count / max(1, min(RATE_S, now_s - self.first_s))


class Refusal(Struct, frozen=True):
    """A message that was refused."""

    at: str
    device_id: str
    topic: str
    code: str
    detail: str


class Watched:
    """Everything on the screen. Events come in one thread, the screen is drawn in another."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.devices: OrderedDict[str, Seen] = OrderedDict()  # the last one heard of last
        self.alarms: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.orders: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self.refusals: deque[Refusal] = deque(maxlen=REFUSALS_MAX)
        self.messages = 0
        self.refused = 0
        self.missed = 0

    def load(self, alarms: Iterable[dict[str, Any]], orders: Iterable[dict[str, Any]]) -> None:
        """Take records as they stand, at the start and after a break; the newest are kept."""
        with self.lock:
            self.alarms.clear()
            self.orders.clear()
            for alarm in sorted(alarms, key=lambda one: str(one["raised_at"])):
                self._alarm(alarm)
            for order in sorted(orders, key=lambda one: str(one["created_at"])):
                self._order(order)

    def take(self, kind: str, data: Mapping[str, Any], now_s: int) -> None:
        """Take one event."""
        with self.lock:
            if kind in {"telemetry", "reported"}:
                self._message(data, now_s)
            elif kind == "rejection":
                self._refusal(data)
            elif kind == "alarm":
                self._alarm(dict(data["record"]))
            elif kind == "work_order":
                self._order(dict(data["record"]))
            elif kind == "gap":
                self.missed += int(data.get("missed", 0))

    def _message(self, data: Mapping[str, Any], now_s: int) -> None:
        device_id = str(data["device_id"])
        seen = self.devices.setdefault(device_id, Seen(first_s=now_s))
        self.devices.move_to_end(device_id)
        if len(self.devices) > DEVICES_MAX:
            self.devices.popitem(last=False)
        seen.values |= values_of(data.get("data"))
        seen.at = str(data["received_at"])
        seen.messages += 1
        self.messages += 1
        if seen.by_second and seen.by_second[-1][0] == now_s:
            seen.by_second[-1][1] += 1
        else:
            seen.by_second.append([now_s, 1])

    def _refusal(self, data: Mapping[str, Any]) -> None:
        reason = data.get("rejection") or {}
        self.refused += 1
        self.refusals.append(
            Refusal(
                at=str(data["received_at"]),
                device_id=str(data["device_id"]),
                topic=str(data["topic"]),
                code=str(reason.get("code", "")),
                detail=str(reason.get("detail", "")),
            )
        )

    def _alarm(self, alarm: dict[str, Any]) -> None:
        if alarm.get("state") == "cleared":
            self.alarms.pop(alarm["alarm_id"], None)
        else:
            _keep(self.alarms, alarm["alarm_id"], alarm)

    def _order(self, order: dict[str, Any]) -> None:
        _keep(self.orders, order["work_order_id"], order)


def _keep(records: "OrderedDict[str, dict[str, Any]]", key: str, record: dict[str, Any]) -> None:
    records[key] = record
    records.move_to_end(key)
    if len(records) > RECORDS_MAX:
        records.popitem(last=False)


def values_of(data: Any) -> dict[str, Any]:
    """Return the newest values of a telemetry document, in any of its three shapes."""
    if isinstance(data, list):
        return values_of(data[-1]) if data else {}
    if not isinstance(data, dict):
        return {}
    inner = data.get("values")
    return inner if isinstance(inner, dict) else data

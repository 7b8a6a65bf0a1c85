"""The working state of one twin: cheap to feed at every message, exact when it is read.

A reading is only noted; the newest value of each key is worked out when somebody looks
or the twin is stored. Values count by the moment they were measured, so a late one does
not overwrite a newer one.
"""

from functools import lru_cache
from typing import Any

from msgspec import Struct, field

from weft.model.telemetry import Reading, items_of
from weft.model.twin import Latest, Properties


class Reported(Struct):
    """What is stored of a device's own side."""

    properties: Properties = field(default_factory=dict)
    version: int = 0
    telemetry: dict[str, Latest] = field(default_factory=dict)
    last_seen_at: int = 0


class TwinState:
    """One device's twin in memory."""

    __slots__ = ("_noted", "note", "stored")

    def __init__(self, stored: Reported) -> None:
        self.stored = stored
        self._noted: list[list[Reading]] = []
        self.note = self._noted.append

    def report(self, patch: Properties) -> None:
        """Merge what the device reports (RFC 7396): null removes."""
        self.stored.properties = merge_patch(self.stored.properties, patch)
        self.stored.version += 1

    def merge(self) -> Reported:
        """Work the noted readings in and return the state."""
        telemetry = self.stored.telemetry
        for readings in self._newest_first():
            for key, value in items_of(readings.values):
                known = telemetry.get(key)
                if known is None or known.at <= readings.at:
                    telemetry[key] = Latest(value, readings.at)
        self._noted.clear()
        return self.stored

    def _newest_first(self) -> list[Reading]:
        """Return the readings that can still matter: stop when all keys have newer values."""
        flat = [reading for readings in self._noted for reading in readings]
        flat.sort(key=lambda reading: reading.at)
        needed: list[Reading] = []
        seen: set[str] = set()
        for reading in reversed(flat):
            values = reading.values
            if isinstance(values, Struct):
                if _keys_of(type(values)) <= seen:
                    continue
            elif values.keys() <= seen:
                continue
            needed.append(reading)
            seen.update(key for key, _ in items_of(values))
        needed.reverse()
        return needed


@lru_cache(maxsize=1_000)
def _keys_of(values_class: type[Struct]) -> frozenset[str]:
    return frozenset(values_class.__struct_encode_fields__)


def merge_patch(target: Properties, patch: Properties) -> Properties:
    """Apply a JSON merge patch (RFC 7396, 2) and return the new document."""
    merged: dict[str, Any] = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            inner = merged.get(key)
            merged[key] = merge_patch(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[key] = value
    return merged

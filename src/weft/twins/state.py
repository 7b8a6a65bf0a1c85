"""The working state of one twin: cheap to feed at every message, exact when it is read.

A reading is only noted; the newest value of each key is worked out when somebody looks
or the twin is stored. Values count by the moment they were measured, so a late one does
not overwrite a newer one.
"""

from typing import Any

from msgspec import UNSET, Struct, field
from msgspec.structs import astuple

from weft.model.telemetry import Reading, items_of
from weft.model.twin import Latest, Properties, Stamp, Stamps
from weft.twins.changes import stamped

KEYS_MAX = 1_000  # telemetry keys whose newest value is kept; the longest silent ones go first
NOTED_MAX = 4_096  # readings, before they are worked in though nobody looks


class Reported(Struct):
    """What is stored of a device's own side."""

    properties: Properties = field(default_factory=dict)
    version: int = 0
    telemetry: dict[str, Latest] = field(default_factory=dict)
    last_seen_at: int = 0
    position: int = 0  # in the journal, of the report that was taken in last
    stamps: Stamps = field(default_factory=dict)  # when each property was reported, by whom


class TwinState:
    """One device's twin in memory."""

    __slots__ = ("_last", "_noted", "stored")

    def __init__(self, stored: Reported) -> None:
        self.stored = stored
        self._noted: list[Reading] = []
        self._last: Reading | None = None

    def note(self, readings: list[Reading]) -> None:
        """Take in readings; one that a newer one outdates in full is dropped at once."""
        reading = readings[0]
        last = self._last
        if len(readings) == 1 and last is not None and _outdates(reading, last):
            self._noted[-1] = reading
        else:
            self._noted += readings
            reading = readings[-1]
            if len(self._noted) > NOTED_MAX:
                self.merge()
                return
        self._last = reading

    def report(self, patch: Properties, stamp: Stamp) -> None:
        """Merge what the device reports (RFC 7396): null removes."""
        stored = self.stored
        stored.properties = merge_patch(stored.properties, patch)
        stored.stamps = stamped(stored.stamps, patch, stored.properties, stamp)
        stored.version += 1

    def report_late(self, patch: Properties, stamp: Stamp) -> None:
        """Take in an old report: it tells what is not known, and changes nothing that is."""
        stored = self.stored
        unknown = patch.keys() - stored.properties.keys()
        stored.properties = merge_patch(merge_patch({}, patch), stored.properties)
        stored.stamps = stamped(stored.stamps, unknown, stored.properties, stamp)
        stored.version += 1

    def report_as_of(self, patch: Properties, stamp: Stamp, *, steps: int) -> None:
        """Merge what was reported at a moment: a property that was reported since stays.

        The version goes on by `steps`: none for what is one version with the other side.
        """
        stored = self.stored
        stamps = stored.stamps
        patch = {
            name: value
            for name, value in patch.items()
            if name not in stamps or stamps[name].at <= stamp.at
        }
        stored.properties = merge_patch(stored.properties, patch)
        stored.stamps = stamped(stamps, patch, stored.properties, stamp)
        stored.version += steps
        stored.last_seen_at = max(stored.last_seen_at, stamp.at)

    def merge(self) -> Reported:
        """Work the noted readings in and return the state."""
        telemetry = self.stored.telemetry
        noted = self._noted
        if len(noted) > 1:
            noted.sort(key=lambda reading: reading.at)  # stable: of equal moments the last counts
        # A moment later than the last receipt was told by a clock that has been set since,
        # the device's or ours: it does not hold up what comes now.
        seen_at = self.stored.last_seen_at
        for reading in noted:
            for key, value in items_of(reading.values):
                known = telemetry.get(key)
                if known is None or known.at <= reading.at or known.at > seen_at:
                    telemetry[key] = Latest(value, reading.at)
        noted.clear()
        self._last = None
        if len(telemetry) > KEYS_MAX:
            newest = sorted(telemetry.items(), key=lambda item: item[1].at, reverse=True)
            self.stored.telemetry = dict(newest[:KEYS_MAX])
        return self.stored


def _outdates(new: Reading, old: Reading) -> bool:
    """Whether every key of `old` has a newer value in `new`."""
    if new.at < old.at:
        return False
    values, before = new.values, old.values
    if isinstance(values, Struct):
        return type(values) is type(before) and UNSET not in astuple(values)
    return not isinstance(before, Struct) and before.keys() <= values.keys()


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

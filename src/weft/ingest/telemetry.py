"""Telemetry: readings of a payload, in one step from bytes or from plain values.

JSON and CBOR come in three shapes:

    {"temperature": 21.4}                       now, at the moment of receipt
    {"ts": 1772366400000, "values": {...}}      then; milliseconds or RFC 3339
    [ ... ]                                     several of either

A SenML pack says its moments itself; plain text is one value, of the type's only key.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from weft.errors import Invalid, PayloadInvalid
from weft.ingest.checks import FREE, MALFORMED, NESTED, Describe, require_storable, values_struct
from weft.model.device import DeviceType
from weft.model.moments import NS_PER_MS, NS_PER_S, from_rfc3339
from weft.model.telemetry import Reading, Values, items_of
from weft.registry.units import conversion, from_senml
from weft.wire.payload import plain
from weft.wire.payload.senml import Measurement

READINGS_MAX = 1_000  # in one message; a day of minutes fits in two
EARLIEST_NS = 946_684_800 * NS_PER_S  # 2000-01-01: a clock that was never set says 1970
AHEAD_MAX_NS = 24 * 3600 * NS_PER_S


class TelemetryDecoder:
    """Decodes telemetry of one device type; `decode` is on the path of every message."""

    def __init__(self, device_type: DeviceType | None) -> None:
        self._nests = device_type is None or any(
            declared.type in NESTED for declared in device_type.telemetry.values()
        )
        if device_type is None:
            values: Any = FREE
            self._describe = Describe("telemetry", "free JSON", {})
        else:
            values = values_struct(device_type)
            label = f"{device_type.name}@{device_type.version}"
            self._describe = Describe("telemetry", label, device_type.telemetry)
        stamped = msgspec.defstruct(
            "Stamped",
            [("ts", int | float | str), ("values", values)],
            forbid_unknown_fields=True,
            gc=False,
        )
        self._device_type = device_type
        self._values_type: Any = values
        self._stamped_type: Any = stamped
        self._values: Callable[[bytes | msgspec.Raw], Values] = msgspec.json.Decoder(values).decode
        self._stamped: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder(stamped).decode

    def decode(self, payload: bytes, received_at: int) -> list[Reading]:
        """Return the readings of a payload; raise `PayloadInvalid` with the reason."""
        try:
            if b'"values"' not in payload and payload[:1] == b"{":
                readings = [Reading(received_at, self._values(payload))]
            else:
                readings = self._decode_other_shapes(payload, received_at)
        except MALFORMED as error:
            raise self._describe.refusal(error) from None
        if self._nests and (b"[" in payload or payload.count(b"{") > 1):
            for reading in readings:
                for _key, value in items_of(reading.values):
                    require_storable(value)
        return readings

    def _decode_other_shapes(self, payload: bytes, received_at: int) -> list[Reading]:
        if payload.lstrip()[:1] != b"[":
            return [self._one(payload, received_at)]
        items = msgspec.json.decode(payload, type=list[msgspec.Raw])
        _require_count(items)
        readings = []
        for number, item in enumerate(items):
            try:
                readings.append(self._one(bytes(item), received_at))
            except MALFORMED as error:
                raise self._describe.refusal(error, f"reading {number}: ") from None
        return readings

    def _one(self, item: bytes, received_at: int) -> Reading:
        if b'"values"' not in item or b'"ts"' not in item:
            return Reading(received_at, self._values(item))
        stamped = self._stamped(item)
        return Reading(moment_of(stamped.ts, received_at), stamped.values)

    def from_value(self, value: Any, received_at: int) -> list[Reading]:
        """The same for plain values that another format or a mapping gave."""
        if not isinstance(value, list):
            return [self._convert(value, received_at, "")]
        _require_count(value)
        return [
            self._convert(item, received_at, f"reading {number}: ")
            for number, item in enumerate(value)
        ]

    def _convert(self, item: Any, received_at: int, where: str) -> Reading:
        try:
            if isinstance(item, dict) and "values" in item and "ts" in item:
                stamped = msgspec.convert(item, self._stamped_type)
                reading = Reading(moment_of(stamped.ts, received_at), stamped.values)
            else:
                reading = Reading(received_at, msgspec.convert(item, self._values_type))
        except msgspec.ValidationError as error:
            raise self._describe.refusal(error, where) from None
        self._require_storable(reading)
        return reading

    def from_moments(self, moments: Iterable[tuple[int, dict[str, Any]]]) -> list[Reading]:
        """The same for values whose moments are known to be sane."""
        readings: list[Reading] = []
        for at, values in moments:
            try:
                reading = Reading(at, msgspec.convert(values, self._values_type))
            except msgspec.ValidationError as error:
                raise self._describe.refusal(error) from None
            self._require_storable(reading)
            readings.append(reading)
        return readings

    def from_measurements(self, pack: Sequence[Measurement], received_at: int) -> list[Reading]:
        """The same for a resolved SenML pack."""
        return self.from_moments(self.moments_of(pack, received_at))

    def moments_of(
        self, pack: Sequence[Measurement], received_at: int
    ) -> list[tuple[int, dict[str, Any]]]:
        """Return a pack's values by key, one group for each moment, in their order."""
        moments: list[tuple[int, dict[str, Any]]] = []
        for one in pack:
            at = (
                require_sane(one.at, f"time of {one.name}", received_at)
                if one.timed
                else received_at
            )
            for key, value in self._items_of(one):
                if not moments or moments[-1][0] != at or key in moments[-1][1]:
                    moments.append((at, {}))
                moments[-1][1][key] = value
        return moments

    def _items_of(self, one: Measurement) -> Iterator[tuple[str, Any]]:
        """Yield a record's value under its key, and its sum under the key with `_sum`."""
        key = self._key_of(one)
        if one.value is not None:
            yield key, self._in_declared_unit(key, one)
        if one.sum is not None:
            yield f"{key}_sum", one.sum

    def _in_declared_unit(self, key: str, one: Measurement) -> Any:
        """Return a value in the unit that the type declares for its key."""
        declared = self._device_type.telemetry.get(key) if self._device_type is not None else None
        unit = from_senml(one.unit)
        value = one.value
        if declared is None or not declared.unit or not unit or unit == declared.unit:
            return value
        found = conversion(unit, declared.unit)
        if found is None or isinstance(value, str | bool) or value is None:
            raise PayloadInvalid(
                f"{one.name} comes in {one.unit}, and the type declares {declared.unit}.",
                remedy=f"Send {key} in {declared.unit}, or declare the unit that is sent.",
            )
        scaled = value * found[0] + found[1]
        if not math.isfinite(scaled):
            raise PayloadInvalid(
                f"{one.name} is beyond what a double holds in {declared.unit}.",
                remedy=f"Send {key} in {declared.unit}.",
            )
        return round(scaled) if declared.type == "integer" else scaled

    def _key_of(self, one: Measurement) -> str:
        """Return the key that a name stands for: whole, without its base, or its last part."""
        last = re.split("[:/]", one.name)[-1]
        names = (one.name, one.key, last)
        known = self._device_type.telemetry if self._device_type is not None else {}
        for name in names:
            if name in known:
                return name
        if not one.key and len(known) == 1:
            return next(iter(known))
        return one.key or last

    def from_text(self, payload: bytes, received_at: int) -> list[Reading]:
        """The same for one value as plain text, of the only key that the type has."""
        known = self._device_type.telemetry if self._device_type is not None else {}
        if len(known) != 1:
            raise PayloadInvalid(
                "Plain text is one value, and nothing says of which key: "
                + (
                    f"the type has {len(known)}."
                    if self._device_type
                    else "the device has no type."
                ),
                remedy="Send JSON with the key, or name the key in the mapping of the type.",
            )
        ((key, declared),) = known.items()
        is_text = declared.type == "string"
        value = plain.decode_text(payload) if is_text else plain.decode(payload)
        return self.from_value({key: value}, received_at)

    def _require_storable(self, reading: Reading) -> None:
        if self._nests:
            for _key, value in items_of(reading.values):
                require_storable(value)


def _require_count(items: Sequence[Any]) -> None:
    if not 1 <= len(items) <= READINGS_MAX:
        raise PayloadInvalid(
            f"The list holds {len(items)} readings; 1 to {READINGS_MAX} are taken at once.",
            remedy="Send them in several messages.",
        )


def moment_of(stamp: float | str, received_at: int) -> int:
    """Turn a device's time stamp into ns UTC; one that cannot be right is refused."""
    if isinstance(stamp, str):
        try:
            at = from_rfc3339(stamp)
        except Invalid as error:
            raise PayloadInvalid(f"ts: {error.detail}", remedy=error.remedy) from None
    else:
        # A float of milliseconds holds microseconds, not more; do not make up the rest.
        exact = isinstance(stamp, int) or abs(stamp) > 2**63  # so far off, only refused below
        at = int(stamp) * NS_PER_MS if exact else round(stamp * 1_000) * 1_000
    return require_sane(at, f"ts {stamp}", received_at)


def require_sane(at: int, shown: str, received_at: int) -> int:
    """Return a moment of a device's; refuse one that its clock cannot have been right about."""
    if at < EARLIEST_NS:
        raise PayloadInvalid(
            f"{shown} lies before the year 2000: a clock that was never set, or counts seconds.",
            remedy="Send milliseconds since 1970, or leave ts out to take the time of receipt.",
        )
    if at > received_at + AHEAD_MAX_NS:
        raise PayloadInvalid(
            f"{shown} lies more than a day ahead of our clock.",
            remedy="Set the device's clock, or leave ts out to take the time of receipt.",
        )
    return at

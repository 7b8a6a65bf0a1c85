"""Decoding: a payload becomes checked values in one step, or a refusal a person can act on.

A device type is turned into a Struct once, so that decoding is checking; a device without
a type sends free JSON, held to sane bounds. Telemetry comes in three shapes:

    {"temperature": 21.4}                       now, at the moment of receipt
    {"ts": 1772366400000, "values": {...}}      then; milliseconds or RFC 3339
    [ ... ]                                     several of either
"""

import difflib
import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from weft.errors import Invalid, PayloadInvalid
from weft.model.device import DeviceType, Field
from weft.model.message import Decoded, Operation
from weft.model.moments import NS_PER_MS, NS_PER_S, from_rfc3339
from weft.model.telemetry import Reading, Values, items_of
from weft.registry.differences import STRING_MAX_CHARACTERS

READINGS_MAX = 1_000  # in one message; a day of minutes fits in two
KEYS_MAX = 256  # of one free message
EARLIEST_NS = 946_684_800 * NS_PER_S  # 2000-01-01: a clock that was never set says 1970
AHEAD_MAX_NS = 24 * 3600 * NS_PER_S
SHOWN_MAX = 128  # characters of a key that nobody declared
DEPTH_MAX = 32  # of nested values: twins, rules and answers go down them step by step

_INT64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_KEY = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
_FREE = Annotated[
    dict[_KEY, bool | _INT64 | float | str | dict[str, Any] | list[Any]],
    Meta(max_length=KEYS_MAX),
]
_PLAIN_TYPES: dict[str, Any] = {
    "boolean": bool,
    "object": dict[str, Any],
    "array": list[Any],
}

_NESTED = frozenset({"object", "array"})
_INT64_RANGE = range(-(2**63), 2**63)
_TO_CHECK = frozenset({int, dict, list})

_MALFORMED = (ValueError, RecursionError)  # msgspec's, UnicodeDecodeError, and nesting bombs

Decode = Callable[[bytes, int], Decoded]


class Decoders:
    """All decoders of one device type (or of free JSON, for a device without one)."""

    def __init__(self, device_type: DeviceType | None) -> None:
        self._type = device_type
        self._telemetry = TelemetryDecoder(device_type)
        self._properties = (
            None
            if device_type is None
            else _checker(f"{device_type.name}_properties", device_type.properties, nullable=True)
        )

    def for_operation(self, operation: Operation, name: str) -> Decode | None:
        """Return what decodes the messages of an operation; None where any bytes will do."""
        match operation:
            case Operation.TELEMETRY:
                return self._telemetry.decode
            case Operation.REPORTED:
                return self._reported
            case Operation.EVENT:
                return self._event(name)
            case Operation.COMMAND_RESULT:
                return _any_object
            case _:
                return None

    def _reported(self, payload: bytes, _received_at: int) -> Decoded:
        patch = _any_object(payload, 0)
        if self._properties is not None:
            _run(self._properties, payload, self._describe("property"))
        return patch

    def _event(self, name: str) -> Decode:
        declared = None if self._type is None else self._type.events
        if declared is None:
            return _any_object
        if name not in declared:
            raise PayloadInvalid(
                f"Type {self._type_label()} declares no event {name!r}.",
                remedy=_did_you_mean(name, declared) or "Declare the event in the device type.",
            )
        check = _checker(f"{name}_event", declared[name])
        describe = self._describe("event field", declared[name])

        def decode(payload: bytes, _received_at: int) -> Decoded:
            _run(check, payload, describe)
            return _any_object(payload, 0)

        return decode

    def _type_label(self) -> str:
        return f"{self._type.name}@{self._type.version}" if self._type else "free JSON"

    def _describe(self, what: str, fields: Mapping[str, Field] | None = None) -> "Describe":
        known = fields if fields is not None else (self._type.properties if self._type else {})
        return Describe(what, self._type_label(), known)


class TelemetryDecoder:
    """Decodes telemetry of one device type; `decode` is on the path of every message."""

    def __init__(self, device_type: DeviceType | None) -> None:
        self._nests = device_type is None or any(
            declared.type in _NESTED for declared in device_type.telemetry.values()
        )
        if device_type is None:
            values: Any = _FREE
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
        self._values: Callable[[bytes | msgspec.Raw], Values] = msgspec.json.Decoder(values).decode
        self._stamped: Callable[[bytes | msgspec.Raw], Any] = msgspec.json.Decoder(stamped).decode

    def decode(self, payload: bytes, received_at: int) -> list[Reading]:
        """Return the readings of a payload; raise `PayloadInvalid` with the reason."""
        try:
            if b'"values"' not in payload and payload[:1] == b"{":
                readings = [Reading(received_at, self._values(payload))]
            else:
                readings = self._decode_other_shapes(payload, received_at)
        except _MALFORMED as error:
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
        if not 1 <= len(items) <= READINGS_MAX:
            raise PayloadInvalid(
                f"The list holds {len(items)} readings; 1 to {READINGS_MAX} are taken at once.",
                remedy="Send them in several messages.",
            )
        readings = []
        for number, item in enumerate(items):
            try:
                readings.append(self._one(bytes(item), received_at))
            except _MALFORMED as error:
                raise self._describe.refusal(error, f"reading {number}: ") from None
        return readings

    def _one(self, item: bytes, received_at: int) -> Reading:
        if b'"values"' not in item or b'"ts"' not in item:
            return Reading(received_at, self._values(item))
        stamped = self._stamped(item)
        return Reading(moment_of(stamped.ts, received_at), stamped.values)


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
    if at < EARLIEST_NS:
        raise PayloadInvalid(
            f"ts {stamp} lies before the year 2000: a clock that was never set, or counts seconds.",
            remedy="Send milliseconds since 1970, or leave ts out to take the time of receipt.",
        )
    if at > received_at + AHEAD_MAX_NS:
        raise PayloadInvalid(
            f"ts {stamp} lies more than a day ahead of our clock.",
            remedy="Set the device's clock, or leave ts out to take the time of receipt.",
        )
    return at


def values_struct(device_type: DeviceType) -> type[Struct]:
    """Make the Struct of a type's telemetry: decoding into it checks type, range and key."""
    return _checker(f"{device_type.name}_telemetry", device_type.telemetry)


def _checker(name: str, fields: Mapping[str, Field], *, nullable: bool = False) -> type[Struct]:
    """Make a Struct that holds `fields`; `nullable` lets null stand for removal (merge patch)."""
    members: list[Any] = []
    rename: dict[str, str] = {}
    for number, (key, declared) in enumerate(fields.items()):
        attribute = key if _is_attribute(key) else f"field_{number}"
        if attribute != key:
            rename[attribute] = key
        annotation = annotation_of(declared)
        if nullable:
            annotation = annotation | None
        if declared.required and not nullable:
            members.insert(0, (attribute, annotation))
        else:
            members.append((attribute, annotation | UnsetType, UNSET))
    members.sort(key=len)  # those without a default come first
    safe_name = re.sub(r"\W", "_", name)
    return msgspec.defstruct(
        safe_name, members, rename=rename, forbid_unknown_fields=True, gc=False, eq=False
    )


def _is_attribute(key: str) -> bool:
    return key.isidentifier() and not keyword.iskeyword(key) and not key.startswith("_")


def annotation_of(declared: Field) -> Any:
    """Return the annotation that checks a declared field."""
    if declared.enum:
        return _enumeration(declared)
    if declared.type == "number":
        return Annotated[float, _bounds(declared, float)]
    if declared.type == "integer":
        bounds = Meta(ge=-(2**63), le=2**63 - 1)
        both = _bounds(declared, int)
        return Annotated[
            int,
            Meta(
                ge=both.ge if both.ge is not None else bounds.ge,
                le=both.le if both.le is not None else bounds.le,
            ),
        ]
    if declared.type == "string":
        return Annotated[str, Meta(max_length=declared.max_length or STRING_MAX_CHARACTERS)]
    return _PLAIN_TYPES[declared.type]


def _enumeration(declared: Field) -> Any:
    if not all(isinstance(value, int | str) for value in declared.enum):
        raise Invalid(
            "An enumeration can hold integers and strings only.",
            remedy="Say minimum and maximum for fractions.",
        )
    return Literal[tuple(declared.enum)]


def _bounds(declared: Field, kind: type[float] | type[int]) -> Meta:
    return Meta(
        ge=None if declared.minimum is None else kind(declared.minimum),
        le=None if declared.maximum is None else kind(declared.maximum),
    )


class Describe:
    """Puts a decoder's complaint into words that name the key, the type and the remedy."""

    def __init__(self, what: str, label: str, known: Iterable[str]) -> None:
        self._what = what
        self._label = label
        self._known = list(known)

    def refusal(self, error: Exception, where: str = "") -> PayloadInvalid:
        """Return the refusal for what msgspec (or the UTF-8 decoder) raised."""
        if isinstance(error, RecursionError):
            return PayloadInvalid(
                f"{where}The JSON is nested too deeply.", remedy="Send flat values."
            )
        if not isinstance(error, msgspec.ValidationError):
            return PayloadInvalid(
                f"{where}The payload is not JSON: {error}.",
                remedy='Send JSON text in UTF-8, as {"temperature": 21.4}.',
            )
        text = str(error)
        unknown = re.search(r"unknown field `([^`]*)`", text)
        if unknown:
            return self._unknown(unknown[1], where)
        field = text.rpartition(" - at `$.")[2].rstrip("`") if " - at `$." in text else ""
        if self._known:
            declared = (
                f"Send {field or 'it'} as type {self._label} declares it, or change the type."
            )
        else:
            declared = "Send an object of numbers, booleans, strings, objects or lists; not null."
        return PayloadInvalid(f"{where}{text.replace('`', '')}.", remedy=declared)

    def _unknown(self, key: str, where: str) -> PayloadInvalid:
        key = key if len(key) <= SHOWN_MAX else f"{key[:SHOWN_MAX]}..."
        hint = _did_you_mean(key, self._known)
        return PayloadInvalid(
            f"{where}Type {self._label} declares no {self._what} {key!r}.",
            remedy=hint
            or f"Declare it in the device type, or send only: {', '.join(self._known)}.",
        )


def _did_you_mean(key: str, known: Iterable[str]) -> str:
    if len(key) > SHOWN_MAX:
        return ""  # comparing costs as much as the key is long
    close = difflib.get_close_matches(key, list(known), n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


def _run(check: type[Struct], payload: bytes, describe: Describe) -> None:
    try:
        msgspec.json.decode(payload, type=cast("Any", check))
    except _MALFORMED as error:
        raise describe.refusal(error) from None


def _any_object(payload: bytes, _received_at: int) -> Decoded:
    try:
        decoded = msgspec.json.decode(payload, type=dict[str, Any])
    except _MALFORMED as error:
        raise Describe("field", "free JSON", ()).refusal(error) from None
    require_storable(decoded)
    return decoded


def require_storable(value: Any, depth: int = DEPTH_MAX) -> None:
    """Raise `PayloadInvalid` for what is JSON and yet nothing behind the journal can keep.

    Once admitted, a message must never fail: it would meet the same failure at every start.
    """
    if type(value) is int:
        if value not in _INT64_RANGE:
            raise PayloadInvalid(
                "A whole number does not fit into 64 bits.",
                remedy="Send it as a text, or with a decimal point.",
            )
        return
    inner = value.values() if type(value) is dict else value if type(value) is list else ()
    if inner and not depth:
        raise PayloadInvalid(
            f"The values are nested more than {DEPTH_MAX} deep.", remedy="Send flat values."
        )
    for one in inner:
        if type(one) in _TO_CHECK:
            require_storable(one, depth - 1)

"""SenML (RFC 8428): packs of records in JSON and CBOR, resolved into measurements and back.

A pack says once what holds for all records behind it (base fields); resolving gives each
record its whole name, unit, value and moment, in the order of time (4.6). A field whose
name ends in `_` has to be understood (4.4): none is, so a pack with one is refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from weft.errors import PayloadInvalid
from weft.wire.payload import cbor

RECORDS_MAX: Final = 1_000
NAME_MAX_CHARACTERS: Final = 256
NS_PER_S: Final = 1_000_000_000
# Below it, a time is relative to now (4.5.3): 2**28 s are in 1978, before any sensor of these.
RELATIVE_BELOW_S: Final = 2**28
_FIGURE_MAX: Final = 1e300  # so that a sum with a base is finite
_SECONDS_MAX: Final = 2**33  # the year 2242; int64 nanoseconds end in 2262

# RFC 8428, table 4: what fields are called in CBOR.
LABELS: Final[Mapping[int, str]] = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_NUMBERS: Final = {name: number for number, name in LABELS.items()}

_TEXTS: Final = frozenset({"bn", "bu", "n", "u", "vs", "vd"})
_FIGURES: Final = frozenset({"bt", "bv", "bs", "v", "s", "t", "ut"})
_VALUES: Final = ("v", "vs", "vb", "vd")
_NAME: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9:./_]*")  # 4.5.1

# RFC 9100: from 10 on a version is the sum of the features in use; 10 is what RFC 8428 has.
_VERSION: Final = 10
_SECONDARY_UNITS: Final = 16

Scalar = float | str | bool

_as_records: Final = msgspec.json.Decoder(list[dict[str, Any]]).decode


class Measurement(Struct, frozen=True):
    """One resolved record: nothing in it depends on another (4.6)."""

    name: str  # base name and name together
    key: str  # the name that the record itself has, without the base name
    at: int  # ns UTC
    unit: str = ""
    value: Scalar | None = None  # None where there is a sum alone
    sum: float | None = None  # integrated over time (4.5.2)
    timed: bool = True  # whether a time was stated; without one, `at` is now


def decode_json(payload: bytes, now: int) -> list[Measurement]:
    """Resolve a pack in JSON; raise `PayloadInvalid` with the record and field that is wrong."""
    try:
        records = _as_records(payload)
    except (ValueError, RecursionError) as error:
        raise PayloadInvalid(
            f"The payload is not SenML in JSON: {str(error).replace('`', '')}.",
            remedy='Send a list of records, as [{"n": "temperature", "u": "Cel", "v": 21.4}].',
        ) from None
    return resolve(records, now)


def decode_cbor(payload: bytes, now: int) -> list[Measurement]:
    """Resolve a pack in CBOR (6): whole numbers stand for the names of fields."""
    value = cbor.decode(payload, labels=True)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise PayloadInvalid(
            "The payload is not SenML in CBOR: it is no array of maps.",
            remedy="Send an array of records (RFC 8428, 6).",
        )
    return resolve([_named(record) for record in value], now)


def _named(record: dict[Any, Any]) -> dict[str, Any]:
    named = {
        (LABELS.get(key, f"label {key}") if isinstance(key, int) else key): value
        for key, value in record.items()
    }
    if len(named) < len(record):
        raise PayloadInvalid(
            "A SenML record has one field twice, by name and by number.", remedy="Send it once."
        )
    return named


def resolve(records: Sequence[Mapping[str, Any]], now: int) -> list[Measurement]:
    """Resolve records (4.6) and put them in the order of time; same moments stay as sent."""
    if not 1 <= len(records) <= RECORDS_MAX:
        raise PayloadInvalid(
            f"The SenML pack has {len(records)} records; 1 to {RECORDS_MAX} are taken at once.",
            remedy="Send them in several messages.",
        )
    base = _Base()
    found: list[Measurement] = []
    for number, record in enumerate(records):
        _require_fields(record, number)
        base.take(record, number)
        if measured := base.measure(record, number, now):
            found.append(measured)
    if not found:
        raise PayloadInvalid(
            "The SenML pack has base fields only.", remedy="Add a record with a name and a value."
        )
    found.sort(key=lambda one: one.at)
    return found


def _require_fields(record: Mapping[str, Any], number: int) -> None:
    for name, value in record.items():
        if name in _TEXTS:
            right = isinstance(value, str)
        elif name in _FIGURES:
            right = value in cbor.INT64 if type(value) is int else _is_usable(value)
        elif name == "vb":
            right = isinstance(value, bool)
        elif name == "bver":
            right = type(value) is int
        elif name.endswith("_"):
            raise _wrong(
                number,
                f"the field {name[:64]!r}, which has to be understood and is not",
                "Leave it out, or send a version of it without the underscore.",
            )
        else:
            continue  # 4.4: what is not known and needs not be is passed over
        if not right:
            kind = "a text" if name in _TEXTS else "true or false" if name == "vb" else "a number"
            raise _wrong(number, f"a field {name} that is not {kind}", f"Send {name} as {kind}.")


def _is_usable(value: Any) -> bool:
    return type(value) is float and abs(value) <= _FIGURE_MAX


class _Base:
    """The base fields in force: each holds until a later record changes it (4.1)."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}

    def take(self, record: Mapping[str, Any], number: int) -> None:
        """Note what a record sets."""
        for name in ("bn", "bt", "bu", "bv", "bs"):
            if name in record:
                self._fields[name] = record[name]
        version = record.get("bver")
        if version is None:
            return
        if not (0 < version <= _VERSION or version == _VERSION + _SECONDARY_UNITS):
            raise _wrong(
                number,
                f"the version {version}",
                f"Send version {_VERSION}; of its features the secondary units are known "
                f"({_VERSION + _SECONDARY_UNITS}).",
            )
        if self._fields.setdefault("bver", version) != version:
            raise _wrong(number, "another version than one before it", "Send one version (4.4).")

    def measure(self, record: Mapping[str, Any], number: int, now: int) -> Measurement | None:
        """Resolve one record; None for one that has base fields only."""
        present = [name for name in _VALUES if name in record]
        if len(present) > 1:
            raise _wrong(
                number, f"several values ({', '.join(present)})", "Send one value in a record."
            )
        own = record.keys() & {"n", "u", "t", "s", "ut", *_VALUES}
        if not own:
            return None
        value = self._value(record, present)
        total = self._added(record, "bs", "s")
        if value is None and total is None:
            raise _wrong(number, "no value", "Send one of v, vs, vb, vd or s.")
        at, timed = self._moment(record, number, now)
        key = record.get("n", "")
        return Measurement(
            name=self._name(key, number),
            key=key,
            at=at,
            unit=record.get("u", self._fields.get("bu", "")),
            value=value,
            sum=total,
            timed=timed,
        )

    def _value(self, record: Mapping[str, Any], present: Sequence[str]) -> Scalar | None:
        if not present or present[0] == "v":
            if "s" in record and not present:
                return None  # a sum alone is a whole record (4.2)
            return self._added(record, "bv", "v")
        value: Scalar = record[present[0]]
        return value

    def _added(self, record: Mapping[str, Any], base: str, name: str) -> float | None:
        """Add a base to its field; what is not there counts as zero."""
        if base not in self._fields:
            return record.get(name)
        total: float = self._fields[base] + record.get(name, 0)
        return total

    def _name(self, own: str, number: int) -> str:
        name: str = self._fields.get("bn", "") + own
        if len(name) > NAME_MAX_CHARACTERS or not _NAME.fullmatch(name):
            raise _wrong(
                number,
                f"the name {name[:NAME_MAX_CHARACTERS]!r}",
                "Start with a letter or digit; go on with letters, digits and - : . / _ (at most "
                f"{NAME_MAX_CHARACTERS}).",
            )
        return name

    def _moment(self, record: Mapping[str, Any], number: int, now: int) -> tuple[int, bool]:
        base, own = self._fields.get("bt", 0), record.get("t", 0)
        if not (abs(base) < _SECONDS_MAX and abs(own) < _SECONDS_MAX):
            raise _wrong(number, "a time in no century of ours", "Send seconds since 1970.")
        # Each part for itself: a double of seconds holds microseconds, the sum of two less.
        at = _nanoseconds(base) + _nanoseconds(own)
        relative = at < RELATIVE_BELOW_S * NS_PER_S
        return (now + at if relative else at), not relative or at != 0


def _nanoseconds(seconds: float) -> int:
    return int(seconds) * NS_PER_S if type(seconds) is int else round(seconds * 1_000_000) * 1_000


def _wrong(number: int, what: str, remedy: str) -> PayloadInvalid:
    return PayloadInvalid(f"SenML record {number} has {what}.", remedy=remedy)


def encode_json(measurements: Iterable[Measurement]) -> bytes:
    """Write measurements as a pack in JSON; what they share stands once."""
    return msgspec.json.encode(_records(measurements))


def encode_cbor(measurements: Iterable[Measurement]) -> bytes:
    """Write measurements as a pack in CBOR."""
    return cbor.encode(
        [
            {_NUMBERS[name]: value for name, value in record.items()}
            for record in _records(measurements)
        ]
    )


def _records(measurements: Iterable[Measurement]) -> list[dict[str, Any]]:
    """Return records; name and moment of the first are the base of all."""
    records: list[dict[str, Any]] = []
    base_name, base_at = "", 0
    for one in measurements:
        record: dict[str, Any] = {}
        if not records:
            base_name = one.name[: len(one.name) - len(one.key)]
            base_at = one.at if one.timed else 0
            if base_name:
                record["bn"] = base_name
            if base_at:
                record["bt"] = _seconds(base_at)
        elif not one.name.startswith(base_name):
            base_name = record["bn"] = one.name[: len(one.name) - len(one.key)]
        if name := one.name[len(base_name) :]:
            record["n"] = name
        if one.unit:
            record["u"] = one.unit
        if not one.timed and base_at:
            base_at = record["bt"] = 0  # without a time of its own, it is of now
        if one.timed and one.at != base_at:
            record["t"] = _seconds(one.at - base_at)
        if one.value is not None:
            record[_field_of(one.value)] = one.value
        if one.sum is not None:
            record["s"] = one.sum
        records.append(record)
    return records


def _field_of(value: Scalar) -> str:
    if isinstance(value, bool):
        return "vb"
    return "vs" if isinstance(value, str) else "v"


def _seconds(nanoseconds: int) -> float:
    whole, rest = divmod(nanoseconds, NS_PER_S)
    return whole if not rest else nanoseconds / NS_PER_S

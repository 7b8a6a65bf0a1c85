"""CBOR (RFC 8949): bytes to the values that JSON could hold, or a refusal with the place.

The bytes are walked once before anything is built, so that a few of them can never claim
gigabytes, nest without an end, or build an object that nobody asked for. What JSON has no
word for is turned into one that it has, deliberately (RFC 8949, 6.1):

    tag 0, tag 1              a moment, as RFC 3339 text
    tag 2, tag 3              a whole number, if 64 bits hold it
    tag 4                     a decimal fraction, as the nearest float (SenML sends them)
    tag 21, tag 22, tag 23    bytes, as text in base64url, base64 or base16
    bytes without a tag       text in base64url, or the bytes where the caller asks for them
    NaN, infinity, undefined  refused: nothing behind the gate could compare or store them
"""

import base64
import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cbor2
from msgspec import Struct

from weft.errors import PayloadInvalid

INT64: Final = range(-(2**63), 2**63)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EXPONENT_MAX: Final = 400  # a double ends at 308
_SELF_DESCRIBED: Final = 55799  # RFC 8949, 3.4.6: says that this is CBOR, and nothing else
_INDEFINITE: Final = 31
_BREAK: Final = 0xFF
_SIZES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_NAMES: Final = (
    "number", "negative number", "byte string", "text", "array", "map", "tag", "simple value",
)  # fmt: skip


class CborLimits(Struct, frozen=True):
    """How much one payload may hold."""

    payload_bytes: int = 256 * 1024  # as the largest packet of MQTT
    depth: int = 32  # as for JSON: what is behind the gate goes down step by step
    items: int = 20_000  # a pack of 1,000 SenML records has some 10,000


LIMITS: Final = CborLimits()


def decode(
    payload: bytes, *, limits: CborLimits = LIMITS, labels: bool = False, keep_bytes: bool = False
) -> Any:
    """Return the value of a payload; raise `PayloadInvalid` with the place of what is wrong.

    `labels` lets whole numbers be keys (SenML), `keep_bytes` leaves byte strings what they are.
    """
    if len(payload) > limits.payload_bytes:
        raise PayloadInvalid(
            f"The CBOR has {len(payload)} bytes; at most {limits.payload_bytes} are read.",
            remedy="Send it in several messages.",
        )
    walk = _Walk(payload, limits, labels=labels)
    walk.run()
    try:
        value = cbor2.loads(
            payload,
            semantic_decoders=_SEMANTIC,
            max_depth=limits.depth + 2,  # tags count there and not here
            allow_duplicate_keys=False,
        )
    except cbor2.CBORDecodeError as error:
        raise _refusal(error) from None
    return _without_bytes(value) if walk.has_bytes and not keep_bytes else value


def encode(value: Any) -> bytes:
    """Return the shortest CBOR of plain values, with keys in their own order."""
    return cbor2.dumps(value)


def _refusal(error: cbor2.CBORDecodeError) -> PayloadInvalid:
    cause = error.__cause__
    if isinstance(cause, PayloadInvalid):
        return cause
    text = str(error)
    if "Duplicate map key" in text:
        return PayloadInvalid(
            f"A key stands twice in one map ({text.rpartition(': ')[2][:128]}).",
            remedy="Send each key once: which of two values counts, nobody can say.",
        )
    if isinstance(cause, UnicodeDecodeError):
        return PayloadInvalid(
            "The CBOR has a text that is not UTF-8.", remedy="Send text in UTF-8."
        )
    return PayloadInvalid(
        f"The payload is not CBOR that can be read: {(str(cause) if cause else text)[:200]}.",
        remedy="Send well-formed CBOR (RFC 8949) with text in UTF-8.",
    )


class _Open(Struct, gc=False):
    """A container that the walk is inside of."""

    left: int  # items still to come; below 0 until a break
    major: int
    taken: int = 0


class _Walk:
    """One pass over the bytes: everything is counted, nothing is built."""

    def __init__(self, data: bytes, limits: CborLimits, *, labels: bool) -> None:
        self._data = data
        self._limits = limits
        self._keys = frozenset({0, 1, 3}) if labels else frozenset({3})
        self._at = 0
        self._items = 0
        self._tags = 0
        self._open: list[_Open] = []
        self.has_bytes = False

    def run(self) -> None:
        """Go to the end of the one data item; raise `PayloadInvalid` on the way."""
        done = False
        while not done:
            done = self._one()
        if self._at != len(self._data):
            raise self._wrong(
                f"{len(self._data) - self._at} bytes follow the value",
                "Send one CBOR data item in a message.",
            )

    def _one(self) -> bool:
        """Take one head; return whether the outermost item is complete."""
        place = self._at
        initial = self._take(1)[0]
        if initial == _BREAK:
            self._close_indefinite(place)
            return self._completed()
        major, info = initial >> 5, initial & 0x1F
        self._items += 1
        if self._items > self._limits.items:
            raise self._wrong(
                f"more than {self._limits.items} items", "Send it in several messages.", place
            )
        self._require_fit(major, place)
        if info == _INDEFINITE:
            return self._indefinite(major, place)
        argument = self._argument(info, place)
        match major:
            case 2 | 3:
                self._take(argument)
                self.has_bytes |= major == 2
            case 4 | 5:
                return self._enter(major, argument, place)
            case 6:
                self._tag(argument, place)
                return False
            case 7:
                self._simple(info, argument, place)
        return self._completed()

    def _require_fit(self, major: int, place: int) -> None:
        """Refuse what cannot stand here: a key that is no text, a chunk of another kind."""
        around = self._open[-1] if self._open else None
        if around is None or self._tags:
            return
        if around.major in {2, 3} and major != around.major:
            raise self._wrong(
                f"a {_NAMES[major]} inside a {_NAMES[around.major]} sent in pieces",
                "Send pieces of one kind, then the break.",
                place,
            )
        if around.major == 5 and around.taken % 2 == 0 and major not in self._keys:
            raise self._wrong(
                f"a map key that is a {_NAMES[major]}",
                "Send keys as text, as JSON has them.",
                place,
            )

    def _indefinite(self, major: int, place: int) -> bool:
        if major not in {2, 3, 4, 5} or (self._open and self._open[-1].major in {2, 3}):
            raise self._wrong(
                f"a {_NAMES[major]} of no stated length",
                "Only strings, arrays and maps may.",
                place,
            )
        self.has_bytes |= major == 2
        return self._enter(major, -1, place)

    def _enter(self, major: int, count: int, place: int) -> bool:
        left = count * 2 if major == 5 and count > 0 else count
        if left > len(self._data) - self._at:
            raise self._wrong(
                f"a {_NAMES[major]} of {count} that the payload cannot hold",
                "Send the whole payload.",
                place,
            )
        self._tags = 0
        if left == 0:
            return self._completed()
        self._open.append(_Open(left, major))
        if len(self._open) > self._limits.depth:
            raise self._wrong(
                f"nesting deeper than {self._limits.depth} levels", "Send flat values.", place
            )
        return False

    def _close_indefinite(self, place: int) -> None:
        around = self._open[-1] if self._open else None
        half = around is not None and around.major == 5 and around.taken % 2
        if around is None or around.left >= 0 or self._tags or half:
            raise self._wrong("a break where nothing can end", "Send well-formed CBOR.", place)
        self._open.pop()

    def _completed(self) -> bool:
        """Count a finished item in what is around it, and that in turn."""
        self._tags = 0
        while self._open:
            around = self._open[-1]
            around.taken += 1
            if around.left < 0 or around.taken < around.left:
                return False
            self._open.pop()
        return True

    def _tag(self, number: int, place: int) -> None:
        in_key = self._open and self._open[-1].major == 5 and self._open[-1].taken % 2 == 0
        if number not in _SEMANTIC or in_key:
            raise self._wrong(
                f"the tag {number}",
                "Send plain values; read are the tags 0 and 1 (moments), 2 and 3 (numbers of at "
                "most 64 bits), 4 (decimal fractions) and 21 to 23 (bytes as text).",
                place,
            )
        self._tags += 1
        if self._tags > 2:  # self-described, and one more
            raise self._wrong("tags on a tag", "Send one tag on a value.", place)

    def _simple(self, info: int, argument: int, place: int) -> None:
        if info in _FLOATS:
            (value,) = struct.unpack(_FLOATS[info], self._data[self._at - _SIZES[info] : self._at])
            if not math.isfinite(value):
                raise self._wrong(
                    f"the number {value}",
                    "Leave the key out while there is no value: no rule or chart can use it.",
                    place,
                )
        elif info > 24 or argument not in {20, 21, 22}:
            name = "undefined" if argument == 23 else f"the simple value {argument}"
            raise self._wrong(name, "Send true, false or null, or leave the key out.", place)

    def _argument(self, info: int, place: int) -> int:
        if info < 24:
            return info
        if info not in _SIZES:
            raise self._wrong("a head that is reserved", "Send well-formed CBOR.", place)
        return int.from_bytes(self._take(_SIZES[info]), "big")

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise self._wrong(
                "an end before the value is complete", "Send the whole payload.", len(self._data)
            )
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def _wrong(self, what: str, remedy: str, place: int | None = None) -> PayloadInvalid:
        at = self._at if place is None else place
        return PayloadInvalid(f"The CBOR has {what} at byte {at}.", remedy=remedy)


def _moment_text(value: Any, _immutable: bool) -> str:  # noqa: FBT001  cbor2's signature
    if not isinstance(value, str):
        raise PayloadInvalid("Tag 0 stands on no text.", remedy="Send RFC 3339 text in tag 0.")
    return value


def _moment(value: Any, _immutable: bool) -> str:  # noqa: FBT001  cbor2's signature
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadInvalid(
            "Tag 1 stands on no number.", remedy="Send seconds since 1970 in tag 1."
        )
    try:
        # A double of seconds holds microseconds, not more; do not make up the rest.
        moment = _EPOCH + timedelta(microseconds=round(value * 1_000_000))
    except OverflowError:
        raise PayloadInvalid(
            f"The moment {value:g} of tag 1 is in no year that has a name.",
            remedy="Send seconds since 1970 in tag 1.",
        ) from None
    return moment.isoformat().replace("+00:00", "Z")


def _whole(value: Any, sign: int) -> int:
    if not isinstance(value, bytes):
        raise PayloadInvalid("A tag 2 or 3 stands on no bytes.", remedy="Send well-formed CBOR.")
    number = int.from_bytes(value, "big") if len(value) <= 64 else 2**64
    number = number if sign > 0 else -1 - number
    if number not in INT64:
        raise PayloadInvalid(
            "A whole number does not fit into 64 bits.",
            remedy="Send it as a text, or as a float.",
        )
    return number


def _decimal(value: Any, _immutable: bool) -> float:  # noqa: FBT001  cbor2's signature
    parts = list(value) if isinstance(value, list | tuple) else []
    if len(parts) != 2 or not all(type(part) is int for part in parts):
        raise PayloadInvalid(
            "Tag 4 does not hold an exponent and a mantissa.",
            remedy="Send [exponent, mantissa], two whole numbers, in tag 4.",
        )
    exponent, mantissa = parts
    number = float(f"{mantissa}e{exponent}") if abs(exponent) <= _EXPONENT_MAX else math.inf
    if not math.isfinite(number):
        raise PayloadInvalid(
            "A decimal fraction is beyond what a double holds.", remedy="Send a smaller exponent."
        )
    return number


def _text_of(encoded: Callable[[bytes], bytes]) -> Callable[[Any, bool], str]:
    def convert(value: Any, _immutable: bool) -> str:  # noqa: FBT001  cbor2's signature
        if not isinstance(value, bytes):
            raise PayloadInvalid(
                "A tag 21, 22 or 23 stands on no bytes.", remedy="Send bytes, or no tag."
            )
        return encoded(value).decode("ascii")

    return convert


def base64url(value: bytes) -> bytes:
    """Return base64url without padding (RFC 8949, 6.1; RFC 8428, 5)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=")


_SEMANTIC: Final[dict[int, Callable[[Any, bool], Any]]] = {
    0: _moment_text,
    1: _moment,
    2: lambda value, _immutable: _whole(value, 1),
    3: lambda value, _immutable: _whole(value, -1),
    4: _decimal,
    21: _text_of(base64url),
    22: _text_of(base64.b64encode),
    23: _text_of(lambda value: value.hex().encode("ascii")),
    _SELF_DESCRIBED: lambda value, _immutable: value,
}


def _without_bytes(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64url(value).decode("ascii")
    if isinstance(value, dict):
        return {key: _without_bytes(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_bytes(inner) for inner in value]
    return value

"""Picking: one key's value out of a payload, as its mapping says, by a closure made once.

A complaint names the place in the payload and the key. Nothing is guessed: a number that is
to be scaled has to be one, and a value that has a table of meanings has to be in it.
"""

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from weft.errors import PayloadInvalid
from weft.ingest.checks import did_you_mean
from weft.model.device import Field
from weft.model.mapping import Bits, Condition, Path, Source, shown
from weft.wire.payload import plain

MISSING: Final = object()  # not there; None is JSON's null


class Place(NamedTuple):
    """What a value is picked from."""

    item: Any  # the reading
    root: Any  # the payload that it stands in
    raw: bytes | None  # the bytes that it holds, where a mapping says which


Pick = Callable[[Place], Any]


def follow(value: Any, path: Path) -> Any:
    """Return what stands at a path, or `MISSING`."""
    for step in path:
        if type(step) is str:
            if type(value) is not dict or step not in value:
                return MISSING
            value = value[step]
        elif type(value) is list and type(step) is int and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


def make_pick(key: str, source: Source, field: Field, *, nullable: bool = False) -> Pick:
    """Return what picks a key's value; `MISSING` where the payload has none.

    `nullable` lets null through: in a report it takes a property away.
    """
    holds = [_make_condition(one) for one in source.when]
    fetch = _make_fetch(key, source)
    convert = _make_convert(key, source, field)
    default = MISSING if source.default is None else source.default

    def pick(place: Place) -> Any:
        for hold in holds:
            if not hold(place):
                return MISSING
        value = fetch(place)
        if value is None and nullable:
            return None
        if value is MISSING or value is None:
            return default
        return value if convert is None else convert(value)

    return pick


def _make_condition(condition: Condition) -> Callable[[Place], bool]:
    path, values, byte = condition.path, condition.values, condition.byte
    if byte is not None:
        return lambda place: (
            place.raw is not None and byte < len(place.raw) and place.raw[byte] in values
        )

    def hold(place: Place) -> bool:
        value = follow(place.item, path)
        if value is MISSING:
            value = follow(place.root, path)
        return type(value) in {bool, int, float, str} and value in values

    return hold


def _make_fetch(key: str, source: Source) -> Pick:
    if source.bits is not None:
        return _make_bits(key, source.bits)
    if source.path or source.rooted:
        path = source.path
        if source.rooted:
            return lambda place: follow(place.root, path)
        return lambda place: follow(place.item, path)
    constant = source.constant
    return lambda _place: constant


def _make_bits(key: str, bits: Bits) -> Pick:
    first, end = bits.byte, bits.byte + bits.count
    size = bits.count * 8
    order = "little" if bits.little else "big"
    shift = 0 if bits.bit is None else bits.bit
    width = size if bits.bit is None else bits.bits
    mask, sign = (1 << width) - 1, 1 << (width - 1) if bits.signed else 0
    real = struct.Struct(
        ("<" if bits.little else ">") + {2: "e", 4: "f", 8: "d"}.get(bits.count, "x")
    )

    def fetch(place: Place) -> Any:
        raw = place.raw
        if raw is None:
            return MISSING
        if end > len(raw):
            if bits.optional:
                return MISSING
            raise PayloadInvalid(
                f"{key} stands in the bytes {first} to {end - 1}, and there are {len(raw)}.",
                remedy="Send the whole payload, or say optional: true in the mapping.",
            )
        if bits.real:
            (value,) = real.unpack_from(raw, first)
            if value - value != 0:  # neither NaN nor an infinity is a value
                return MISSING
            return value
        number = int.from_bytes(raw[first:end], order) >> shift & mask  # type: ignore[arg-type]  # one of the two
        return number - (sign << 1) if sign and number & sign else number

    return fetch


def _make_convert(key: str, source: Source, field: Field) -> Callable[[Any], Any] | None:
    """Return what makes a fetched value one of the type's; None where nothing changes."""
    steps: list[Callable[[Any], Any]] = []
    where = f"{key} (from {shown(source.path)})" if source.path else key
    if source.values:
        steps.append(_make_meaning(where, source.values))
    if source.parse:
        steps.append(_make_parse(where))
    if source.scale != 1.0 or source.offset != 0.0:
        steps.append(_make_scale(where, source))
        if field.type == "integer":
            steps.append(round)
    if source.bits is not None and field.type == "boolean" and not source.values:
        steps.append(bool)
    if not steps:
        return None
    if len(steps) == 1:
        return steps[0]

    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return convert


def _make_meaning(where: str, meanings: dict[str, Any]) -> Callable[[Any], Any]:
    def meaning(value: Any) -> Any:
        text = _text(value)
        if text in meanings:
            return meanings[text]
        raise PayloadInvalid(
            f"{where} is {text[:64]!r}, which the mapping gives no meaning.",
            remedy=did_you_mean(text, meanings)
            or f"Add it to values; known are: {', '.join(list(meanings)[:20])}.",
        )

    return meaning


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)[:128]


def _make_parse(where: str) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        found = plain.number_of(value) if isinstance(value, str) else value
        if found is None:
            raise PayloadInvalid(
                f"{where} is {value[:64]!r}, which is no number.", remedy="Send digits, as 21.4."
            )
        return found

    return parse


def _make_scale(where: str, source: Source) -> Callable[[Any], Any]:
    scale, offset = source.scale, source.offset
    # Dividing by 10 is right to the last digit, multiplying by 0.1 is not.
    divisor = round(1 / scale)
    divides = abs(scale) < 1 and divisor != 0 and abs(scale * divisor - 1) < 1e-12

    def scaled(value: Any) -> Any:
        if type(value) is not int and type(value) is not float:
            raise PayloadInvalid(
                f"{where} is {_text(value)[:64]!r}, which cannot be scaled.",
                remedy="Send a number, or say parse: true in the mapping if it comes as text.",
            )
        try:
            number = value / divisor if divides else value * scale
        except OverflowError:
            number = float("inf")
        number += offset
        if number - number != 0:
            raise PayloadInvalid(
                f"{where} is beyond what a double holds.", remedy="Send a smaller number."
            )
        return number

    return scaled

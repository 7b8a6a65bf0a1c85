"""Mappings read: from the `mapping` of a type's document to what the gate compiles.

Every word is checked against the type's own fields when the type is saved: a key that is
not declared, a unit that cannot be converted, bits beyond their bytes. Errors name the place
in the document. What a message then costs is bounded by what is counted here.
"""

import difflib
import math
from collections.abc import Iterable
from collections.abc import Mapping as Named
from typing import Any, Final

from weft.errors import Invalid
from weft.model.device import Field
from weft.model.mapping import Binary, Bits, Condition, Mapping, Path, Source, Stamp
from weft.registry.fields import fits, require_known, require_mapping
from weft.registry.paths import read_path
from weft.registry.units import conversion, suggestion_for

FORMATS: Final = ("json", "cbor", "senml+json", "senml+cbor", "text", "binary")
TIME_UNITS: Final = ("s", "ms", "us", "ns")
IGNORED_MAX: Final = 256
VALUES_MAX: Final = 256
CONDITIONS_MAX: Final = 8
BYTES_MAX: Final = 4096

_WORDS: Final = frozenset(
    {
        "format", "unmapped", "each", "time", "telemetry", "properties", "events", "binary",
        "ignore", "description",
    }
)  # fmt: skip
_SOURCE: Final = frozenset(
    {"from", "constant", "default", "scale", "offset", "unit", "parse", "values", "when"}
)
_BITS: Final = frozenset(
    {
        "byte", "bytes", "bit", "bits", "signed", "order", "float", "optional", "default", "scale",
        "offset", "unit", "values", "when",
    }
)  # fmt: skip
_BINARY: Final = frozenset({"from", "encoding", "order", "min_bytes", "max_bytes", "fields"})

Fields = Named[str, Field]


def read_mapping(
    section: Any, place: str, telemetry: Fields, properties: Fields, events: Named[str, Fields]
) -> Mapping | None:
    """Return the mapping that a document declares, or None; raise `Invalid` with the place."""
    if section is None:
        return None
    words = require_mapping(section, place)
    require_known(words, _WORDS, place)
    binary, fields = _binary(words.get("binary"), f"{place}.binary", telemetry)
    sources = _sources(words.get("telemetry"), f"{place}.telemetry", telemetry)
    if twice := sorted(sources.keys() & fields.keys()):
        raise Invalid(
            f"{place} says twice where {twice[0]} comes from: telemetry and binary.fields.",
            remedy="Leave one of the two out.",
        )
    format_name = _choice(words, "format", ("", *FORMATS), place)
    about = words.keys() & {"each", "time", "telemetry", "binary", "ignore", "unmapped"}
    if format_name == "binary" and binary is None:
        raise Invalid(
            f"{place}.format is binary, and {place}.binary does not say what the bytes mean.",
            remedy="Write binary: {fields: {KEY: {byte: 0, bytes: 2}}}.",
        )
    if format_name == "binary" and binary is not None and binary.path:
        raise Invalid(
            f"{place}.binary.from names a place in a document, and {place}.format is binary.",
            remedy="Leave from out (the payload is the bytes), or say format: json.",
        )
    return Mapping(
        format="" if format_name == "json" else format_name,
        ignores_unmapped=_choice(words, "unmapped", ("refuse", "ignore"), place) == "ignore",
        each=read_path(words["each"], f"{place}.each")[0] if "each" in words else (),
        stamp=_stamp(words.get("time"), f"{place}.time"),
        binary=binary,
        telemetry=sources | fields,
        properties=_sources(words.get("properties"), f"{place}.properties", properties),
        events=_events(words.get("events"), f"{place}.events", events),
        ignore=_ignored(words.get("ignore"), f"{place}.ignore"),
        maps_telemetry=bool(about),
    )


def _events(section: Any, place: str, events: Named[str, Fields]) -> dict[str, dict[str, Source]]:
    entries = require_mapping(section, place)
    return {
        name: _sources(entry, f"{place}.{name}", events[_declared(name, events, place)])
        for name, entry in entries.items()
    }


def _sources(section: Any, place: str, fields: Fields) -> dict[str, Source]:
    entries = require_mapping(section, place)
    return {
        key: _source(entry, f"{place}.{key}", fields[_declared(key, fields, place)])
        for key, entry in entries.items()
    }


def _source(entry: Any, place: str, field: Field) -> Source:
    words = {"from": entry} if isinstance(entry, str) else require_mapping(entry, place)
    require_known(words, _SOURCE, place)
    if ("from" in words) == ("constant" in words):
        raise Invalid(
            f"{place} does not say where its value comes from.",
            remedy="Give it either from: PATH or constant: VALUE.",
        )
    if "constant" in words:
        _require_fit(words["constant"], field, f"{place}.constant")
        return Source(constant=words["constant"], when=_when(words.get("when"), f"{place}.when"))
    path, rooted = read_path(words["from"], f"{place}.from")
    parse = words.get("parse", False)
    if not isinstance(parse, bool):
        raise Invalid(f"{place}.parse is no boolean.", remedy="Write true or false.")
    return Source(path, rooted, parse=parse, **_common(words, place, field))


def _common(words: dict[str, Any], place: str, field: Field) -> dict[str, Any]:
    """Read what all fields may have: how a value becomes one of the type's."""
    scale, offset = _scaling(words, place, field)
    default = words.get("default")
    if default is not None:
        _require_fit(default, field, f"{place}.default")
    return {
        "default": default,
        "scale": scale,
        "offset": offset,
        "unit": words.get("unit", ""),
        "values": _values(words.get("values"), f"{place}.values", field),
        "when": _when(words.get("when"), f"{place}.when"),
    }


def _scaling(words: dict[str, Any], place: str, field: Field) -> tuple[float, float]:
    """Return one scale and offset for what is said and for the unit that it comes in."""
    scale, offset = _number(words, "scale", place, 1.0), _number(words, "offset", place, 0.0)
    if scale == 0:
        raise Invalid(f"{place}.scale is 0: every value would be the same.", remedy="Leave it out.")
    changed = words.keys() & {"scale", "offset", "unit"}
    if changed and field.type not in {"number", "integer"}:
        raise Invalid(
            f"{place}.{min(changed)} stands at the type {field.type}.",
            remedy="Only a number or an integer is scaled.",
        )
    unit = words.get("unit")
    if unit is None:
        return scale, offset
    found = conversion(unit, field.unit) if isinstance(unit, str) and field.unit else None
    if found is None:
        hint = suggestion_for(str(unit)) or suggestion_for(field.unit)
        raise Invalid(
            f"{place}.unit is {unit!r}, which cannot be converted to the type's own unit, "
            f"{field.unit or 'none'}.",
            remedy=(f"UCUM writes {hint}. " if hint else "")
            + "Name a UCUM unit of the same quantity, or say scale and offset instead.",
        )
    return scale * found[0], offset * found[0] + found[1]


def _binary(section: Any, place: str, telemetry: Fields) -> tuple[Binary | None, dict[str, Source]]:
    if section is None:
        return None, {}
    words = require_mapping(section, place)
    require_known(words, _BINARY, place)
    least = _whole(words, "min_bytes", place, 0, (0, BYTES_MAX))
    most = _whole(words, "max_bytes", place, 1024, (1, BYTES_MAX))
    if least > most:
        raise Invalid(f"{place}.min_bytes is above {place}.max_bytes.", remedy="Swap the two.")
    binary = Binary(
        path=read_path(words["from"], f"{place}.from")[0] if "from" in words else (),
        encoding=_choice(words, "encoding", ("base64", "hex"), place),
        least_bytes=least,
        most_bytes=most,
    )
    little = _choice(words, "order", ("big", "little"), place) == "little"
    fields = require_mapping(words.get("fields"), f"{place}.fields")
    if not fields:
        raise Invalid(f"{place} has no fields.", remedy="Write fields: {KEY: {byte: 0, bytes: 2}}.")
    found: dict[str, Source] = {}
    for key, entry in fields.items():
        where = f"{place}.fields.{key}"
        field = telemetry[_declared(key, telemetry, f"{place}.fields")]
        entry_words = require_mapping(entry, where)
        require_known(entry_words, _BITS, where)
        bits = _bits(entry_words, where, little=little)
        found[key] = Source(bits=bits, **_common(entry_words, where, field))
    return binary, found


def _bits(words: dict[str, Any], place: str, *, little: bool) -> Bits:
    if "byte" not in words:
        raise Invalid(f"{place} has no byte.", remedy="Say the first byte, counted from 0.")
    real, signed = _flag(words, "float", place), _flag(words, "signed", place)
    if "order" in words:
        little = _choice(words, "order", ("big", "little"), place) == "little"
    count = _whole(words, "bytes", place, 1, (1, 8))
    bit = _whole(words, "bit", place, 0, (0, 63)) if "bit" in words else None
    bits = _whole(words, "bits", place, 1, (1, 64))
    if "bits" in words and bit is None:
        raise Invalid(f"{place}.bits has no bit.", remedy="Say the lowest bit, counted from 0.")
    if bit is not None and bit + bits > count * 8:
        raise Invalid(
            f"{place} takes {bits} bit(s) from bit {bit} on, of {count} byte(s).",
            remedy="Say more bytes, or fewer bits.",
        )
    if real and (count not in {2, 4, 8} or bit is not None or signed):
        raise Invalid(
            f"{place}.float stands beside {count} byte(s), bits or a sign.",
            remedy="A float has 2, 4 or 8 bytes, all its own.",
        )
    return Bits(
        byte=_whole(words, "byte", place, 0, (0, BYTES_MAX - 8)),
        count=count,
        bit=bit,
        bits=bits,
        signed=signed,
        little=little,
        real=real,
        optional=_flag(words, "optional", place),
    )


def _stamp(section: Any, place: str) -> Stamp | None:
    if section is None:
        return None
    words = {"from": section} if isinstance(section, str) else require_mapping(section, place)
    require_known(words, {"from", "unit"}, place)
    if "from" not in words:
        raise Invalid(f"{place} has no from.", remedy="Say where the moment stands: from: PATH.")
    path, rooted = read_path(words["from"], f"{place}.from")
    if not path:
        raise Invalid(f"{place}.from is the whole payload.", remedy="Name a place inside it.")
    return Stamp(path, rooted, _choice(words, "unit", ("ms", *TIME_UNITS), place))


def _when(section: Any, place: str) -> tuple[Condition, ...]:
    conditions: list[Condition] = []
    for name, given in require_mapping(section, place).items():
        where = f"{place}.{name}"
        values = tuple(given) if isinstance(given, list) else (given,)
        if not values or not all(isinstance(one, str | int | float | bool) for one in values):
            raise Invalid(f"{where} is no value.", remedy="Write one value, or a list of them.")
        path, _rooted = read_path(name, where)
        is_byte = len(path) == 2 and path[0] == "byte" and isinstance(path[1], int)
        byte = path[1] if is_byte and isinstance(path[1], int) else None
        conditions.append(Condition(path, values[:VALUES_MAX], byte))
    if len(conditions) > CONDITIONS_MAX:
        raise Invalid(f"{place} has more than {CONDITIONS_MAX} conditions.", remedy="Say fewer.")
    return tuple(conditions)


def _values(section: Any, place: str, field: Field) -> dict[str, Any]:
    entries = require_mapping(section, place)
    if len(entries) > VALUES_MAX:
        raise Invalid(f"{place} has more than {VALUES_MAX} values.", remedy="Say fewer.")
    for name, value in entries.items():
        _require_fit(value, field, f"{place}.{name}")
    return {str(name): value for name, value in entries.items()}


def _ignored(section: Any, place: str) -> tuple[Path, ...]:
    entries = [] if section is None else section
    if not isinstance(entries, list) or len(entries) > IGNORED_MAX:
        raise Invalid(
            f"{place} is no list of at most {IGNORED_MAX} paths.",
            remedy="Write ignore: [rxInfo, txInfo], or unmapped: ignore for all of them.",
        )
    return tuple(read_path(one, f"{place}[{at}]")[0] for at, one in enumerate(entries))


def _declared(key: str, known: Iterable[str], place: str) -> str:
    names = list(known)
    if key in names:
        return key
    near = difflib.get_close_matches(key, names, n=1)
    raise Invalid(
        f"{place}.{key} is not declared in the type.",
        remedy=f"Did you mean {near[0]}?" if near else "Declare it first, or leave it out.",
    )


def _require_fit(value: Any, field: Field, place: str) -> None:
    if not fits(value, field.type):
        raise Invalid(
            f"{place} is {value!r}; the type declares {field.type}.",
            remedy=f"Write a value of type {field.type}.",
        )


def _choice(words: dict[str, Any], word: str, known: tuple[str, ...], place: str) -> str:
    """Return one of the known values; the first where none is said."""
    value = words.get(word, known[0])
    if value not in known:
        raise Invalid(
            f"{place}.{word} is {value!r}.", remedy=f"Write {', '.join(filter(None, known))}."
        )
    return str(value)


def _number(words: dict[str, Any], word: str, place: str, default: float) -> float:
    value = words.get(word, default)
    if not fits(value, "number") or not math.isfinite(value) or abs(value) > 1e100:
        raise Invalid(f"{place}.{word} is {value!r}.", remedy="Write a number.")
    return float(value)


def _whole(
    words: dict[str, Any], word: str, place: str, default: int, bounds: tuple[int, int]
) -> int:
    value = words.get(word, default)
    if not fits(value, "integer") or not bounds[0] <= value <= bounds[1]:
        raise Invalid(
            f"{place}.{word} is {value!r}.",
            remedy=f"Write a whole number from {bounds[0]} to {bounds[1]}.",
        )
    return int(value)


def _flag(words: dict[str, Any], word: str, place: str) -> bool:
    value = words.get(word, False)
    if not isinstance(value, bool):
        raise Invalid(f"{place}.{word} is {value!r}.", remedy="Write true or false.")
    return value

"""Differences: what a changed device type means for those who use the old one.

A difference breaks when a message or command that was right before would be refused after (an
answer: flagged), or would mean something else (a unit). All others may be followed without
asking anybody.
Each names its place as the type has it, in whichever form the document is written:
`telemetry.temperature.maximum`, `commands.start.rpm.required`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from weft.errors import Conflict
from weft.model.device import DeviceType, Field, Output

# Of a string that declares no maxLength: what decoding takes at most.
STRING_MAX_CHARACTERS: Final = 4096
SHOWN_MAX: Final = 20  # differences written out in one refusal

Fields = Mapping[str, Field]


class Difference(Struct, frozen=True):
    """One change between two versions."""

    place: str
    text: str
    breaking: bool


class BreakingChange(Conflict):
    """A device type would refuse, or read differently, what its devices say today."""

    code = "breaking_change"


def differences(old: DeviceType, new: DeviceType) -> list[Difference]:
    """Return what changes from `old` to `new`, the breaking ones first."""
    found = [
        *_between_fields(old.telemetry, new.telemetry, "telemetry"),
        *_between_fields(old.properties, new.properties, "properties"),
        *_between_groups(old.commands, new.commands, "commands", "command"),
        *_between_outputs(old, new),
        *_between_groups(old.events, new.events, "events", "event"),
    ]
    if old.mapping != new.mapping:
        # Mending it must reach the devices whose messages are refused.
        found.append(Difference("mapping", "Payloads are read by another mapping.", breaking=False))
    if not found and old.document != new.document:
        found = [Difference("document", "Only what describes has changed.", breaking=False)]
    return sorted(found, key=lambda one: not one.breaking)


def breaks(found: Sequence[Difference]) -> bool:
    """Whether any of them breaks."""
    return any(one.breaking for one in found)


def require_no_break(name: str, found: Sequence[Difference]) -> None:
    """Raise `BreakingChange`, naming each place, if any of the differences breaks."""
    breaking = [one for one in found if one.breaking]
    if not breaking:
        return
    listed = " ".join(f"{one.place}: {one.text}" for one in breaking[:SHOWN_MAX])
    more = f" And {len(breaking) - SHOWN_MAX} more." if len(breaking) > SHOWN_MAX else ""
    raise BreakingChange(
        f"{len(breaking)} change(s) of the device type {name!r} would break its devices. "
        f"{listed}{more}",
        remedy="Save it with breaking=allow (weft type save --breaking allow): devices then stay "
        f"at the version they follow until they are migrated (weft type migrate {name}).",
    )


def _between_groups(
    old: Mapping[str, Fields], new: Mapping[str, Fields], section: str, word: str
) -> Iterator[Difference]:
    for name in old.keys() - new.keys():
        yield Difference(f"{section}.{name}", f"The {word} is gone.", breaking=True)
    for name in new.keys() - old.keys():
        yield Difference(f"{section}.{name}", f"A new {word}.", breaking=False)
    for name in old.keys() & new.keys():
        yield from _between_fields(old[name], new[name], f"{section}.{name}")


def _between_outputs(old: DeviceType, new: DeviceType) -> Iterator[Difference]:
    """Compare what commands give back.

    An answer always counts: a declaration that comes or goes breaks nobody.
    """
    for name in old.commands.keys() & new.commands.keys():
        before, after = old.outputs.get(name), new.outputs.get(name)
        place = f"commands.{name}.output"
        if before is None or after is None:
            if before is not after:
                text = "It is declared now." if before is None else "It is declared no longer."
                yield Difference(place, text, breaking=False)
        elif before.value is not None and after.value is not None:
            yield from _between(before.value, after.value, place)
        elif before.value is None and after.value is None:
            yield from _between_fields(before.fields, after.fields, place)
        else:
            text = f"It was {_output_kind(before)} and is {_output_kind(after)}."
            yield Difference(place, text, breaking=True)


def _output_kind(output: Output) -> str:
    return "an object of fields" if output.value is None else f"one {output.value.type}"


def _between_fields(old: Fields, new: Fields, place: str) -> Iterator[Difference]:
    added = sorted(new.keys() - old.keys())
    for key in sorted(old.keys() - new.keys()):
        same = next((name for name in added if new[name] == old[key]), None)
        hint = f" {same!r} declares the same: was it renamed?" if same else ""
        yield Difference(f"{place}.{key}", f"The key is gone.{hint}", breaking=True)
    for key in added:
        required = new[key].required and place != "properties"  # a report is always partial
        text = "A new key, and it is required." if required else "A new key."
        yield Difference(f"{place}.{key}", text, breaking=required)
    for key in sorted(old.keys() & new.keys()):
        yield from _between(old[key], new[key], f"{place}.{key}")


def _between(old: Field, new: Field, place: str) -> Iterator[Difference]:
    if old.type != new.type:
        text = f"The type was {old.type} and is {new.type}."
        yield Difference(f"{place}.type", text, breaking=True)
        return  # bounds of another type cannot be compared
    if old.unit != new.unit:
        text = f"The unit was {old.unit or 'none'} and is {new.unit or 'none'}."
        yield Difference(f"{place}.unit", text, breaking=True)
    yield from _bound(f"{place}.minimum", old.minimum, new.minimum, -1)
    yield from _bound(f"{place}.maximum", old.maximum, new.maximum, 1)
    yield from _length(old, new, f"{place}.maxLength")
    yield from _enum(old.enum, new.enum, f"{place}.enum")
    yield from _flags(old, new, place)
    if old.description != new.description:
        yield Difference(f"{place}.description", "Another description.", breaking=False)


def _bound(place: str, old: float | None, new: float | None, outwards: int) -> Iterator[Difference]:
    """Compare bounds; `outwards` is the direction in which a bound becomes wider."""
    if old == new:
        return
    narrower = new is not None and (old is None or (new - old) * outwards < 0)
    text = f"It was {_shown(old)} and is {_shown(new)}: {'narrower' if narrower else 'wider'}."
    yield Difference(place, text, breaking=narrower)


def _length(old: Field, new: Field, place: str) -> Iterator[Difference]:
    before = old.max_length or STRING_MAX_CHARACTERS
    after = new.max_length or STRING_MAX_CHARACTERS
    if before != after:
        narrower = after < before
        word = "shorter" if narrower else "longer"
        yield Difference(place, f"It was {before} and is {after}: {word}.", breaking=narrower)


def _enum(old: tuple[Any, ...], new: tuple[Any, ...], place: str) -> Iterator[Difference]:
    if _values(old) == _values(new):
        return
    gone = [value for value in old if value not in new]
    if not new:
        yield Difference(place, "Any value may be sent now.", breaking=False)
    elif not old:
        yield Difference(place, "Only listed values may be sent now.", breaking=True)
    elif gone:
        yield Difference(place, f"No longer listed: {_listed(gone)}.", breaking=True)
    else:
        came = [value for value in new if value not in old]
        yield Difference(place, f"Also listed: {_listed(came)}.", breaking=False)


def _values(enum: tuple[Any, ...]) -> set[str]:
    return {repr(value) for value in enum}


def _flags(old: Field, new: Field, place: str) -> Iterator[Difference]:
    if old.required != new.required:
        text = "It is required now." if new.required else "It may be missing now."
        yield Difference(f"{place}.required", text, breaking=new.required)
    if old.read_only != new.read_only:
        text = "Nobody may desire it now." if new.read_only else "It may be desired now."
        yield Difference(f"{place}.readOnly", text, breaking=new.read_only)


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value)[:40] for value in values[:SHOWN_MAX])
    return shown + (", ..." if len(values) > SHOWN_MAX else "")


def _shown(bound: float | None) -> str:
    return "open" if bound is None else f"{bound:g}"

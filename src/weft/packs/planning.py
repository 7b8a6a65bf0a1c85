"""Plans: what installing or removing a pack would do, found before anything is done.

Only what the pack itself has written, and nobody has changed since, is changed or taken
away. The rest is told and stays as it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from weft.packs.derivations import levels_of
from weft.packs.model import Installed, Item, ItemKind, digest_of

SHOWN_MAX: Final = 20  # differences of one document
_LONG: Final = 120  # characters of a value that are shown


class Outcome(StrEnum):
    """What becomes of one item."""

    ADD = "add"
    UPDATE = "update"
    SAME = "same"
    DELETE = "delete"
    KEEP = "keep"  # somebody changed or deleted it, or made it before the pack came
    TAKEN = "taken"  # another thing has its name, or computes what it would compute


class Step(Struct, frozen=True):
    """One item, and what is to be done about it."""

    item: Item
    outcome: Outcome
    reason: str = ""
    changes: tuple[str, ...] = ()
    own: bool = True  # written by the pack, so that it may be taken away again
    held: str = ""  # digest of the document that is there; empty for none


Held = Mapping[str, Mapping[str, Any] | None]


def plan_install(wanted: Sequence[Item], held: Held, before: Installed | None) -> list[Step]:
    """Return what installing does, item by item; `held` is what is there by the items' keys."""
    steps = [_step(item, held.get(item.key), before) for item in wanted]
    keys = {item.key for item in wanted}
    gone = _last_first(_written(before).keys() - keys, held)
    return [
        *steps,
        *(_removal(key, held.get(key), before, "The pack has it no more.") for key in gone),
    ]


def plan_removal(held: Held, before: Installed) -> list[Step]:
    """Return what removing does: what refers to others goes first."""
    return [_removal(key, held.get(key), before, "") for key in _last_first(_written(before), held)]


def _last_first(keys: Iterable[str], held: Held) -> list[str]:
    """Return keys so that what refers to others, or stands below them, comes before them."""
    order = list(ItemKind)
    levels = levels_of(
        {
            key: document
            for key, document in held.items()
            if document is not None and _kind_of(key) is ItemKind.DERIVATION
        }
    )

    def place(key: str) -> tuple[int, int]:
        return order.index(_kind_of(key)), levels.get(key) or _depth(key, held)

    return sorted(keys, key=place)[::-1]


def _depth(key: str, held: Held) -> int:
    """Return how many of the pack's own a thing stands below."""
    parent = (held.get(key) or {}).get("parent")
    return 0 if parent is None else 1 + _depth(f"{ItemKind.ASSET}:{parent}", held)


def _step(item: Item, document: Mapping[str, Any] | None, before: Installed | None) -> Step:
    written = _written(before).get(item.key, frozenset())
    if document is None:
        if before is not None and item.key in before.made and item.key not in before.pending:
            return Step(item, Outcome.KEEP, "It was deleted here.")
        return Step(item, Outcome.ADD)
    digest = digest_of(document)
    own = digest in written
    if digest == digest_of(item.document):
        return Step(item, Outcome.SAME, own=own, held=digest)
    changes = tuple(differences(document, item.document))
    if own:
        return Step(item, Outcome.UPDATE, changes=changes, held=digest)
    outcome, reason = (
        (Outcome.KEEP, "It was changed here.")
        if written
        else (Outcome.TAKEN, f"There is another {item.kind} of this name.")
    )
    return Step(item, outcome, reason, changes, own=False, held=digest)


def _removal(
    key: str, document: Mapping[str, Any] | None, before: Installed | None, reason: str
) -> Step:
    kind, name = _kind_of(key), key.partition(":")[2]
    item = Item(kind, name, dict(document or {}))
    if document is None:
        return Step(item, Outcome.SAME, "It is gone already.", own=False)
    digest = digest_of(document)
    if digest in _written(before)[key]:
        return Step(item, Outcome.DELETE, reason, held=digest)
    return Step(item, Outcome.KEEP, "It was changed here.", own=False, held=digest)


def _written(before: Installed | None) -> dict[str, frozenset[str]]:
    """Return the digests of what the pack has written, or may have when it was cut off."""
    if before is None:
        return {}
    keys = before.made | before.pending
    return {
        key: frozenset(
            digest for digest in (before.made.get(key), before.pending.get(key)) if digest
        )
        for key in keys
    }


def _kind_of(key: str) -> ItemKind:
    return ItemKind(key.partition(":")[0])


def differences(old: Any, new: Any) -> list[str]:
    """Return in words where two plain documents differ, at most 20 places."""
    found = list(_between(old, new, ""))
    more = len(found) - SHOWN_MAX
    return [*found[:SHOWN_MAX], f"and {more} more"] if more > 0 else found


def _between(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            place = f"{path}.{key}" if path else key
            if key not in new:
                yield f"{place}: {_shown(old[key])} goes"
            elif key not in old:
                yield f"{place}: {_shown(new[key])} comes"
            else:
                yield from _between(old[key], new[key], place)
    elif old != new:
        yield f"{path}: {_shown(old)} becomes {_shown(new)}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _LONG else text[:_LONG] + "…"

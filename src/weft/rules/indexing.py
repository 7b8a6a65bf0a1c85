"""An index by the keys of a reading: what looks at none of those that were sent is left alone.

A tenant with a thousand rules sends three keys at a time. Rules, and what they remember, stand
in blocks of those that look at the same keys; a reading leads from each key that it has to the
blocks behind it. What a block answered before holds until a slot of it changes: the answer is
a function of the slots alone.
"""

import ast
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import UNSET, Struct

from weft.rules.language.generate import compile_function, is_unset, name
from weft.rules.language.syntax import Path, Type
from weft.rules.language.values import plain
from weft.rules.loading import NOW, assign, function_of, kept, mark_place, sent_in

INDEX_FROM = 16  # rules or feeds; fewer are looked at sooner than an index is

Lookup = Callable[[Any, list[Any]], Iterable[int]]  # (values, slots) -> numbers of blocks
Answer = Callable[[list[Any]], int]  # what one block says of the slots


class Key(Struct, frozen=True):
    """One input that a reading may have, and what stands behind it."""

    slot: int
    type: Type
    blocks: tuple[int, ...]
    kept: bool  # into its slot; what somebody else keeps is only noticed


class Block(Struct, frozen=True):
    """Parts that look at the same keys."""

    places: tuple[int, ...]
    keys: frozenset[Path]
    watched: frozenset[int]  # slots that more than keys can change: a clock's


def blocks_of(
    parts: Sequence[tuple[frozenset[Path], frozenset[int]]],
) -> list[Block]:
    """Put parts, given by the keys and the watched slots that they look at, into blocks."""
    found: dict[tuple[frozenset[Path], frozenset[int]], list[int]] = {}
    for place, part in enumerate(parts):
        found.setdefault(part, []).append(place)
    return [Block(tuple(places), *part) for part, places in found.items()]


def keys_of(
    blocks: Sequence[Block],
    slots: Mapping[Path, int],
    types: Callable[[Path], Type],
    keeps: Collection[Path],
) -> dict[Path, Key]:
    """Return the index: each key with the numbers of its blocks; `keeps` go into their slots."""
    found: dict[Path, list[int]] = {}
    for number, block in enumerate(blocks):
        for path in block.keys:
            found.setdefault(path, []).append(number)
    return {
        path: Key(slots[path], types(path), tuple(numbers), path in keeps)
        for path, numbers in sorted(found.items())
    }


def make_lookup(keys: Mapping[Path, Key], values_class: type, *, marked: bool) -> Lookup:
    """Return what keeps a reading's values in their slots and says which blocks look at them."""
    if not issubclass(values_class, Struct):
        return _lookup_items({path[1]: key for path, key in keys.items()}, marked=marked)
    body: list[ast.stmt] = [assign("found", ast.Call(func=name("set_class"), args=[], keywords=[]))]
    numbers: dict[str, Any] = {"set_class": set}
    for path, key in keys.items():
        sent = sent_in(path, values_class)
        if sent is None:
            continue
        local, blocks = f"value_{key.slot}", f"blocks_{key.slot}"
        numbers[blocks] = key.blocks
        update = ast.Attribute(value=name("found"), attr="update", ctx=ast.Load())
        noted: list[ast.stmt] = [
            ast.Expr(value=ast.Call(func=update, args=[name(blocks)], keywords=[]))
        ]
        keeping = kept(key.slot, local, key.type, marked=marked) if key.kept else []
        body += [
            assign(local, sent),
            ast.If(test=is_unset(local, negated=True), body=[*keeping, *noted], orelse=[]),
        ]
    body.append(ast.Return(value=name("found")))
    return compile_function(function_of("look_up", ["values", "slots"], body), numbers)


def _lookup_items(keys: Mapping[str, Key], *, marked: bool) -> Lookup:
    def look_up(values: Mapping[str, Any], slots: list[Any]) -> set[int]:
        found: set[int] = set()
        for text, value in values.items():
            key = keys.get(text)
            if key is None or value is UNSET:
                continue
            found.update(key.blocks)
            if key.kept:
                whole = key.type is Type.DYN and value.__class__ is int
                slots[key.slot] = plain(value) if whole else value
                if marked:
                    slots[mark_place(key.slot)] = slots[NOW]
        return found

    return look_up


class Indexed:
    """Blocks of rules: asked again only where something that they look at has changed.

    Between two readings a device keeps in `known` what each block said, what all of them said
    together, and the watched slots. Whoever changes a slot otherwise empties it.
    """

    def __init__(
        self, blocks: Sequence[Block], answers: Sequence[Answer], shifts: Sequence[int]
    ) -> None:
        self._answers = tuple(answers)
        self._shifts = tuple(shifts)
        watched: dict[int, list[int]] = {}
        for number, block in enumerate(blocks):
            for slot in block.watched:
                watched.setdefault(slot, []).append(number)
        self._watched = tuple((slot, tuple(numbers)) for slot, numbers in watched.items())

    def evaluator(self, look_up: Lookup | None) -> Callable[..., int]:
        """Return a function of (values, slots, known) that returns the mask of all rules."""
        answers, shifts, watched = self._answers, self._shifts, self._watched
        place_of_mask = len(answers)

        def evaluate(values: Any, slots: list[Any], known: list[Any] | None = None) -> int:
            touched = look_up(values, slots) if look_up is not None else ()
            if not known:
                return self._whole(slots, known)
            mask: int = known[place_of_mask]
            if watched:
                touched = {*touched, *self._moved(slots, known)}
            for number in touched:
                bits = answers[number](slots)
                held = known[number]
                if bits != held:
                    mask ^= (bits ^ held) << shifts[number]
                    known[number] = bits
            known[place_of_mask] = mask
            return mask

        return evaluate

    def _whole(self, slots: list[Any], known: list[Any] | None) -> int:
        """Ask every block."""
        said = [answer(slots) for answer in self._answers]
        mask = 0
        for bits, shift in zip(said, self._shifts, strict=True):
            mask |= bits << shift
        if known is not None:
            known[:] = [*said, mask, *(slots[slot] for slot, _numbers in self._watched)]
        return mask

    def _moved(self, slots: list[Any], known: list[Any]) -> Iterable[int]:
        """Return the blocks that look at a watched slot which has another value now."""
        first = len(self._answers) + 1
        for place, (slot, numbers) in enumerate(self._watched, first):
            value = slots[slot]
            if value is not known[place]:
                known[place] = value
                yield from numbers

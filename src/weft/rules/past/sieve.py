"""The sieve: of many samples those that can move a rule; the exact machine sees only these.

A rule moves where its answer changes, and for as long afterwards as it waits (`for`,
`clear_for`). All else is seen by it and changes nothing, so it is left out, and the alarms are
the same to the last piece of evidence: a differential test says so. What a rule remembers may
be windows over keys (`remembered`): then the rows stay, too, around a silence that empties one.
The last row of each device always stays, so that what is known at the end is known.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from weft.errors import Invalid
from weft.model.device import DeviceType
from weft.model.ids import TenantId
from weft.rules.conditions import Compiled, compile_rule
from weft.rules.feeds.base import Feed
from weft.rules.language import Scope, scope_of
from weft.rules.language.syntax import Path
from weft.rules.model import Rule
from weft.rules.past.pace import Pace
from weft.rules.past.remembered import Remembered, Telling, is_worked
from weft.rules.past.sources import Watched
from weft.rules.past.tables import Numbers, Rows, Table, Truths, fill
from weft.rules.past.vectors import Vector, truth_vector
from weft.rules.program import CLEAR, TRUE
from weft.rules.worked import Told

_UNSEEN: Final = -2
_ASK: Final = -1  # the exact evaluator knows
_UNWATCHED: Final = 0

Classes = npt.NDArray[np.int8]
Known = Callable[[TenantId, DeviceType | None], Scope]  # what may be said of a type of device


class _Condition:
    """One rule for one kind of device, over arrays."""

    def __init__(self, compiled: Compiled, when: Vector, clear: Vector | None) -> None:
        self.paths = frozenset(path for path in compiled.paths if path[0] == "telemetry")
        self.feeds = {node.text: node for node in compiled.feeds}
        self._when, self._clear = when, clear

    def classes(self, given: Mapping[Path, Numbers]) -> Classes:
        """Return for each row the bits of the rule's answer, or that it must be asked."""
        when = self._when(given)
        known = when.known
        classes = np.where(when.value, TRUE, 0).astype(np.int8)
        if self._clear is None:
            classes[~when.value] |= CLEAR
        else:
            clear = self._clear(given)
            known = known & clear.known
            classes[clear.value] |= CLEAR
        classes[~known] = _ASK
        return classes


class Sieve:
    """One rule over the tables of a time, one after the other."""

    def __init__(
        self, rule: Rule, conditions: Mapping[int, _Condition], kinds: npt.NDArray[np.int64]
    ) -> None:
        self._conditions = conditions
        self._kinds = kinds  # by the place of a device: which condition it has
        self._paths = sorted({path for one in conditions.values() for path in one.paths})
        self._wait = max(rule.document.for_ns, rule.document.clear_for_ns)
        count = len(kinds)
        self._class = np.full(count, _UNSEEN, np.int8)
        self._since = np.zeros(count, np.int64)
        self._values: dict[Path, Numbers] = {p: np.full(count, np.nan) for p in self._paths}
        nodes = {text: node for one in conditions.values() for text, node in one.feeds.items()}
        self._remembered = {text: Remembered(node, self._fed(text)) for text, node in nodes.items()}
        self.told: dict[str, Telling] = {}  # of the table that was remembered last

    def _fed(self, text: str) -> Truths:
        """Return which devices, by their place, feed a call."""
        kinds = [kind for kind, one in self._conditions.items() if text in one.feeds]
        return np.isin(self._kinds, kinds)

    def takes(self, table: Table) -> bool:
        """Whether it can read a table: none of what the rule looks at is a text there."""
        columns = (table.columns.get(key) for _source, key in self._paths)
        return not any(column is not None and column.texts for column in columns)

    @property
    def remembers(self) -> bool:
        """Whether the rule has windows."""
        return bool(self._remembered)

    async def remember(self, table: Table, pace: Pace) -> None:
        """Fill the windows with a table; call once, before `rows`."""
        for text, one in self._remembered.items():
            self.told[text] = await one.read(table, pace)

    def told_in(self, rows: Rows) -> Sequence[Mapping[str, Told]]:
        """Return what each window tells in some rows, by the text of its call."""
        return [
            dict(zip(self.told, some, strict=True))
            for some in zip(
                *(one.told_in(self.told[text], rows) for text, one in self._remembered.items()),
                strict=True,
            )
        ]

    def memories(self, place: int) -> Mapping[str, Feed]:
        """Return the windows of a device, by the text of their call."""
        return {text: one.window(place) for text, one in self._remembered.items()}

    def rows(self, table: Table) -> Truths:
        """Return which rows can move the rule."""
        first, last, device = table.first, table.last, table.device
        filled = {path: fill(table, path[1], self._values[path]) for path in self._paths}
        tolds = {one.path: self.told[text] for text, one in self._remembered.items()}
        given = {**filled, **{path: told.values for path, told in tolds.items()}}
        classes = np.full(len(device), _UNWATCHED, np.int8)
        for kind, condition in self._conditions.items():
            chosen = condition.classes(given)
            here = self._kinds[device] == kind
            classes[here] = chosen[here]
        before = np.empty_like(classes)
        before[1:] = classes[:-1]
        before[first] = self._class[device[first]]
        changed = classes != before
        for told in tolds.values():
            changed |= told.begins  # it had been empty, and who waits begins anew
        began = np.maximum.accumulate(np.where(changed | first, np.arange(len(device)), 0))
        # One that has said nothing before waits for nothing, unless it is true at once.
        quiet = (before == _UNSEEN) & (classes != _ASK) & (classes & TRUE == 0)
        origin = np.where(quiet, table.at - self._wait - 1, table.at)
        since = np.where(changed[began], origin[began], self._since[device])
        kept: Truths = changed | last | (classes == _ASK)
        if self._wait:
            kept |= table.at - since <= self._wait
        for told in tolds.values():
            kept |= told.matters
        ends = device[last]
        self._class[ends], self._since[ends] = classes[last], since[last]
        for path, values in filled.items():
            self._values[path][ends] = values[last]
        return kept


def _declared(_tenant: TenantId, kind: DeviceType | None) -> Scope:
    return scope_of(kind)


def make_sieve(rule: Rule, watched: Sequence[Watched], known: Known = _declared) -> Sieve | None:
    """Return the sieve of a rule, or None for one that must see every sample."""
    if rule.document.scope is not None:
        return None  # what it says of a group moves when a member falls silent, too
    kinds: dict[tuple[str, int], int] = {}
    places = np.array([kinds.setdefault(_kind(one.type), len(kinds)) for one in watched], np.int64)
    types = {_kind(one.type): one.type for one in watched}
    conditions: dict[int, _Condition] = {}
    for kind, place in kinds.items():
        try:
            compiled = compile_rule(rule, known(rule.tenant, types[kind]))
        except Invalid:
            continue  # it does not watch this kind of device
        condition = _condition(compiled)
        if condition is None:
            return None
        conditions[place] = condition
    return Sieve(rule, conditions, places)


def _kind(kind: DeviceType | None) -> tuple[str, int]:
    return ("", 0) if kind is None else (kind.name, kind.version)


def _condition(compiled: Compiled) -> _Condition | None:
    if not all(is_worked(node) for node in compiled.feeds):
        return None
    if any(source not in {"telemetry", "feed"} for source, _key in compiled.paths):
        return None
    when = truth_vector(compiled.when.tree)
    clear = None if compiled.clear is None else truth_vector(compiled.clear.tree)
    if when is None or not compiled.paths or (compiled.clear is not None and clear is None):
        return None
    return _Condition(compiled, when, clear)


def sieved(sieves: Sequence[Sieve], table: Table) -> Rows:
    """Return the rows of a table that can move any of the rules."""
    kept = np.logical_or.reduce([sieve.rows(table) for sieve in sieves])
    return np.flatnonzero(kept)

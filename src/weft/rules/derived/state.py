"""What is remembered of one device: its newest inputs and what functions remember, by stage."""

from collections.abc import Collection, Mapping
from typing import Any

from msgspec import UNSET

from weft.model.ids import DeviceId, TenantId
from weft.model.telemetry import Reading, items_of
from weft.rules.derived.formulas import SENT
from weft.rules.derived.kinds import Row
from weft.rules.derived.stages import Program, telemetry
from weft.rules.feeds.base import NEVER, Feed, Origin
from weft.rules.language.syntax import Path
from weft.rules.places.lookup import Places
from weft.rules.program import coerced

_ADVANCES_MAX = 1_000  # moments that time alone brings about between two messages


class State:
    """The derived telemetry of one device while Weft runs."""

    __slots__ = (
        "at", "device_id", "dirty", "due", "feeds", "program", "received", "rows", "tenant",
        "told", "type_name", "type_version",
    )  # fmt: skip

    def __init__(
        self, device: tuple[TenantId, DeviceId], program: Program, places: Places | None, now: int
    ) -> None:
        """`now` is the clock of receipt: what is remembered begins then."""
        self.tenant, self.device_id = device
        self.type_name, self.type_version = "", 0
        self.at = 0  # the newest sample seen; older ones are late
        self.received = 0
        self.dirty = False
        self.told: dict[str, Any] = {}  # what it said last to those who roll it up
        self.program = program
        self.rows: list[list[Any]] = [[UNSET] * len(stage.paths) for stage in program.stages]
        origin = Origin(self.tenant, self.device_id, now, places)
        self.feeds: list[list[Feed]] = [
            [stage.feeding.make(place, origin) for place, _ in enumerate(stage.feeding.nodes)]
            for stage in program.stages
        ]
        self.due = self._soonest()

    # --- on the path of messages ----------------------------------------------------------

    def take(self, position: int, reading: Reading, received: int) -> dict[str, Any]:
        """Take a reading in; return what is computed from it, by key."""
        at = min(reading.at, received)
        self.at = max(at, self.at) if received >= self.received else at
        self.received = received
        if received > self.due:
            self._advance(received)
        if position <= self.program.after:
            return self._take_old(position, reading, (at, received))
        made: dict[str, Any] = {}
        values: Any = reading.values
        soonest = self.due
        for number, stage in enumerate(self.program.stages):
            if number == 1:
                values = dict(items_of(values))
            if number:
                values.update(made)
            row, feeds = self.rows[number], self.feeds[number]
            if feeds:
                due = stage.feeding.function(values.__class__)(values, row, feeds, at, received)
                soonest = min(soonest, due)
            for one, give in stage.of_class(values.__class__):
                value = telemetry(give(values, row))
                if value is not UNSET:
                    made[one.key] = value
        self.due = soonest
        return made

    def take_late(self, position: int, reading: Reading, received: int) -> None:
        """Let windows put a late sample in its place; nothing is computed from it now."""
        if not self.program.stages or not self.feeds[0]:
            return
        stage = self.program.stages[0]
        moment = (min(reading.at, self.at), max(received, self.at))
        late = dict(items_of(reading.values))
        skip = stage.unborn(position)
        due = stage.feeding.take_late(self.rows[0], self.feeds[0], late, moment, skip)
        self.due = min(self.due, due)

    def take_report(
        self, position: int, patch: Mapping[str, Any], received: int
    ) -> tuple[int, dict[str, Any]]:
        """Take a report of properties in; return its moment and what is computed from it."""
        self.at = at = max(self.at, received)
        self.received = received
        if received > self.due:
            self._advance(received)
        named = {("reported", key): value for key, value in patch.items()}
        return at, self._move(position, named, (at, received))

    def _take_old(self, position: int, reading: Reading, moment: tuple[int, int]) -> dict[str, Any]:
        """Take in a message that is older than a version: only older ones compute and remember."""
        named = {("telemetry", key): value for key, value in items_of(reading.values)}
        return self._move(position, named, moment)

    def _move(
        self, position: int, named: Mapping[Path, Any], moment: tuple[int, int]
    ) -> dict[str, Any]:
        """Do the same as the generated code, one input after the other."""
        made: dict[str, Any] = {}
        sent = dict(named)
        for number, stage in enumerate(self.program.stages):
            row, feeds = self.rows[number], self.feeds[number]
            for (source, key), value in sent.items():
                if source == "telemetry":
                    stage.keep(row, {key: value})
                elif (slot := stage.slots.get((source, key))) is not None:
                    kind = stage.type_of((source, key))
                    row[slot] = UNSET if value is None else coerced(value, kind)
            due = stage.feeding.take(row, feeds, list(sent), moment, stage.unborn(position))
            self.due = min(self.due, due)
            for one in stage.made:
                if position <= one.after or not one.sent & sent.keys():
                    continue
                value = telemetry(one.exact(row))
                if value is not UNSET:
                    made[one.key] = value
            sent |= {("telemetry", key): value for key, value in made.items()}
        return made

    def _advance(self, received: int) -> None:
        """Let time move what is remembered up to a message; it is looked at by that message."""
        for _ in range(_ADVANCES_MAX):
            due = self.due
            if received <= due:
                return
            own = due - max(self.received - self.at, 0)
            for stage, row, feeds in zip(self.program.stages, self.rows, self.feeds, strict=True):
                stage.feeding.advance(row, feeds, (own, due))
            self.due = self._soonest()

    def _soonest(self) -> int:
        return min((feed.due for feeds in self.feeds for feed in feeds), default=NEVER)

    def tell_members(self, made: dict[str, Any]) -> bool:
        """Keep the answers to questions, and leave what is telemetry; return whether any came."""
        answered = False
        for word in self.program.words:
            if word in made:
                self.told[word] = made.pop(word)
                answered = True
        return answered

    # --- facts and disk -------------------------------------------------------------------

    def tell(self, facts: Mapping[Path, Any], sources: Collection[str]) -> None:
        """Set what does not come with telemetry: attributes, and who the device is."""
        for stage, row in zip(self.program.stages, self.rows, strict=True):
            for slot, path in enumerate(stage.paths):
                if path[0] in sources:
                    row[slot] = facts.get(path, UNSET)

    def row(self) -> Row:
        """Return what is kept on disk."""
        values: dict[Path, Any] = {}
        kept: dict[str, Any] = {}
        for stage, row, feeds in zip(self.program.stages, self.rows, self.feeds, strict=True):
            values |= {
                path: value
                for path, value in zip(stage.paths, row, strict=True)
                if path[0] in SENT and value is not UNSET
            }
            for node, feed in zip(stage.feeding.nodes, feeds, strict=True):
                kept.setdefault(node.text, feed.state())
        return Row(
            at=self.at,
            received=self.received,
            values=[(source, key, value) for (source, key), value in values.items()],
            feeds=kept,
            told=dict(self.told),
        )

    def restore(self, row: Row) -> None:
        """Take back what was kept; what was remembered for others is let go."""
        self.at, self.received = row.at, row.received
        self.told = {word: row.told[word] for word in self.program.words if word in row.told}
        known: dict[Path, Any] = {(source, key): value for source, key, value in row.values}
        for stage, slots, feeds in zip(self.program.stages, self.rows, self.feeds, strict=True):
            for path, slot in stage.slots.items():
                if path in known:
                    slots[slot] = known[path]
            for node, feed in zip(stage.feeding.nodes, feeds, strict=True):
                if node.text in row.feeds:
                    slots[stage.slots[node.path]] = feed.restore(row.feeds[node.text])
        self.due = self._soonest()

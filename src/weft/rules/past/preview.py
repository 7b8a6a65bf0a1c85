"""Preview: whether a condition held, sample by sample, while somebody is still writing it.

The live evaluation runs over one device's history, and is asked behind every message what the
condition says and what its inputs were. Nothing is raised, saved or sent. It reads before the
start as far as the condition looks back, and no more samples than a page waits for. What changes
with the time alone, as a silence, is seen at the next message.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from weft.errors import Invalid, TooLarge
from weft.history.downsample import evenly
from weft.model.device import Device
from weft.model.ids import DeviceId, TenantId
from weft.model.message import Committed
from weft.ports import HistoryScan
from weft.rules.language import scope_of
from weft.rules.language.condition import Condition, compile_condition
from weft.rules.language.evaluate import FAILURES, Evaluate, evaluator
from weft.rules.language.render import render
from weft.rules.language.syntax import Checked, Feed, Input, Path
from weft.rules.language.trees import parts_of as below
from weft.rules.language.values import AbsentError, truth
from weft.rules.past.asking import warm_up_for
from weft.rules.past.pace import Pace
from weft.rules.past.run import WARM_UP_NS, past_rule
from weft.rules.past.sources import BEFORE, Messages, Scans, Watched, cleaned
from weft.rules.past.tables import make_table
from weft.rules.places.checking import functions_of
from weft.rules.program import Program
from weft.rules.runtime import Runtime
from weft.rules.state import DeviceState
from weft.rules.surroundings import Surroundings

SAMPLES_MAX: Final = 50_000  # a second of one core
CHANGES_MAX: Final = 1_000
INPUTS_MAX: Final = 8
TEXT_MAX: Final = 200
NAME: Final = "preview"
_COLUMN: Final = re.compile(r"\bColumn (\d+)\b")


class Held(Struct, frozen=True):
    """From when until when a condition had one answer (ns): it held, it did not, or unknown."""

    start: int
    end: int
    holds: bool | None
    problem: str  # why there was no answer, where evaluating it failed


class Course(Struct, frozen=True):
    """How a condition went, and what it saw: an input's values beside the moments."""

    held: list[Held]
    at: list[int]
    inputs: dict[str, list[Any]]
    messages: int
    truncated: bool  # it changed more often than is shown


class Asked(Struct, frozen=True):
    """Which condition, on which device, over which time (ns)."""

    tenant: TenantId
    device: Device
    when: str
    start: int
    end: int
    points: int


def column_of(error: Invalid) -> int | None:
    """Return where in the condition an error is, counted from 1; None where nobody knows."""
    match = _COLUMN.search(error.detail)
    return int(match[1]) if match else None


async def preview(asked: Asked, history: Scans, around: Surroundings, pace: Pace) -> Course:
    """Evaluate; raise `Invalid` with the column for a condition that cannot be read."""
    name, tenant = DeviceId(asked.device.device_id), asked.tenant
    kind = around.types.followed_by(asked.device)
    functions = functions_of(around.places, tenant)
    condition = compile_condition(asked.when, replace(scope_of(kind), functions=functions))
    document: dict[str, object] = {
        "name": NAME,
        "when": asked.when,
        "selector": {"devices": [name]},
    }
    rule = past_rule(document, tenant, around, (name,))
    keys = tuple(sorted(key for source, key in condition.paths if source == "telemetry"))
    warm_up_ns = max(warm_up_for(document, tenant, around), WARM_UP_NS)
    scan = HistoryScan(tenant, (name,), keys, asked.start - warm_up_ns, asked.end)
    await _require_room(history, scan)
    traces = [cleaned(one, kind) for one in await history.scan(scan)]
    table = await asyncio.to_thread(make_table, traces, {str(name): 0})
    runtime = Runtime(around, lambda _request: None)
    runtime.set_rule(rule, at=0)
    watch = _Watch(condition, asked)
    for batch in Messages([Watched(asked.device, kind)]).batches(table):
        for place, envelope in enumerate(batch.envelopes):
            one = Committed(batch.first + place, [envelope], [batch.decoded[place]])
            runtime.apply(one, after=BEFORE)
            watch.look(runtime.states.get((tenant, name)), envelope.received_at)
            await pace.rest()
    return watch.course()


async def _require_room(history: Scans, scan: HistoryScan) -> None:
    samples = await history.count(scan) if scan.keys else 0
    if samples > SAMPLES_MAX:
        raise TooLarge(
            f"The condition would be evaluated on {samples} samples.",
            remedy=f"Ask for a shorter time: at most {SAMPLES_MAX} are read while typing; a replay "
            "reads any number.",
        )


class _Watch:
    """Asks a device's state behind each message."""

    def __init__(self, condition: Condition, asked: Asked) -> None:
        self._tree = condition.tree
        self._asked = asked
        self._seen = dict(islice(_seen(condition.tree), INPUTS_MAX))
        self._program: Program | None = None
        self._evaluate: Evaluate | None = None
        self._answer: tuple[bool | None, str] = (None, "")
        self._since = asked.start
        self._held: list[Held] = []
        self._at: list[int] = []
        self._columns: dict[str, list[Any]] = {text: [] for text in self._seen}
        self._truncated = False

    def look(self, state: DeviceState | None, at: int) -> None:
        """Take note of what the condition says now."""
        if state is None:
            return
        if self._evaluate is None or state.program is not self._program:
            self._program = state.program
            self._evaluate = evaluator(self._tree, state.program.slots)
        answer = _answer(self._evaluate, state.slots)
        if at < self._asked.start:
            self._answer = answer
            return
        if answer != self._answer:
            self._end(at)
            self._answer = answer
        self._at.append(at)
        for text, path in self._seen.items():
            self._columns[text].append(_shown(state.slots[state.program.slots[path]]))

    def course(self) -> Course:
        """Return all that was noted, thinned to what a picture needs."""
        self._end(self._asked.end)
        kept = evenly(len(self._at), self._asked.points).tolist()
        return Course(
            self._held,
            [self._at[place] for place in kept],
            {text: [column[place] for place in kept] for text, column in self._columns.items()},
            len(self._at),
            self._truncated,
        )

    def _end(self, at: int) -> None:
        if at <= self._since:
            return
        if len(self._held) >= CHANGES_MAX:
            self._truncated = True
            return
        self._held.append(Held(self._since, at, *self._answer))
        self._since = at


def _answer(evaluate: Evaluate, slots: Sequence[Any]) -> tuple[bool | None, str]:
    try:
        return truth(evaluate(slots)), ""
    except AbsentError:
        return None, ""
    except FAILURES as error:
        return None, (str(error) or type(error).__name__)[:TEXT_MAX]


def _seen(tree: Checked) -> Iterator[tuple[str, Path]]:
    """Yield what a condition reads of the device, as it is written."""
    if isinstance(tree, Input | Feed):
        yield render(tree)[:TEXT_MAX], tree.path
    for part in below(tree):
        yield from _seen(part)


def _shown(value: Any) -> Any:
    if value is UNSET:
        return None
    return value if value.__class__ in {bool, int, float} else str(value)[:TEXT_MAX]

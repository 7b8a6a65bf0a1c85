"""Windows: a fold over the samples of the last minutes, or over the last so many samples.

A window ends with the newest sample and reaches back for its length; a sample as old as
that is outside. It moves on with the samples, and by the clock when none comes for its
whole length: then it is empty. A sample of the same moment replaces the earlier one, as
in history. A late one is put in its place; one older than the window is passed over.

Up to EXACT_MAX samples are kept as they came. Beyond it they are joined in panes of one
PANES-th of the window, and a pane leaves as a whole with its newest sample.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.feeds.base import NEVER, Cost, Count, Feed, Origin, Settings, Span
from weft.rules.feeds.folds import FOLDS, SAMPLE_MAX, Fold
from weft.rules.feeds.trends import TRENDS

EXACT_MAX = 256
PANES = 64
SAMPLES_MAX = 500  # of a window that counts
# Of a kept sample on disk: the step to its moment, and its part of a fold.
_SAMPLE_BYTES = {"delta": 100, "rate": 100, "slope": 80, "increase": 64, "stddev": 48}
_PLAIN_BYTES = 40
_FOLDS = {**FOLDS, **TRENDS}


class Window:
    """A queue of parts that tells the fold of all of them in constant time.

    The front is joined from its end to each place, the back from its begin, so one join
    answers, and nothing is ever subtracted. When the front has left, all becomes front.
    `state` holds how the parts were joined: rounding is the same after a restart.
    """

    __slots__ = (
        "_add", "_at_most", "_ats", "_back", "_both", "_fold", "_front", "_mid", "_one",
        "_pane_end", "_pane_ns", "_parts", "_span", "_start", "_told", "due", "ignored",
    )  # fmt: skip

    def __init__(self, fold: Fold, span_ns: int, at_most: int) -> None:
        """`span_ns` 0: any age; `at_most` 0: any number, in panes beyond EXACT_MAX."""
        self._fold = fold
        self._one, self._add, self._both = fold.one, fold.add, fold.both
        self._span = span_ns
        self._at_most = at_most
        self._ats: list[int] = []  # of the newest sample in each part
        self._parts: list[Any] = []
        self._front: list[Any] = []  # [i]: all parts from i to _mid, joined
        self._start = 0  # what stands before it has left
        self._mid = 0
        self._back: Any = None  # all parts from _mid on, joined
        self._pane_ns = 0  # 0: every sample is a part of its own
        self._pane_end = 0  # a sample before it joins the newest part; 0: not known, look
        self._told: Any = UNSET
        self.due = NEVER
        self.ignored = 0  # late samples that were older than the window

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take one sample in; return the fold of the window."""
        if not -SAMPLE_MAX < value < SAMPLE_MAX:
            return self._told
        ats, back = self._ats, self._back
        if ats and at <= ats[-1]:
            if not self._take_late(at, received, value):
                return self._told
        elif at < self._pane_end:
            ats[-1] = at
            self._parts[-1] = self._add(self._parts[-1], at, value)
            self._back = self._add(back, at, value)
        elif self._pane_ns:
            self._append_pane(at, value)
        else:
            part = self._one(at, value)
            ats.append(at)
            self._parts.append(part)
            self._back = part if back is None else self._add(back, at, value)
        span = self._span
        if span:
            due = received + span
            if due > self.due or self.due == NEVER:
                self.due = due
            if ats[self._start] <= ats[-1] - span:
                self._leave(ats[-1] - span)
            if len(ats) - self._start > EXACT_MAX:
                self._coarsen()
        elif len(ats) - self._start > self._at_most:
            self._start += 1
        back, start, mid = self._back, self._start, self._mid
        if back is None or start > mid:
            return self._tell()
        told = self._both(self._front[start], back) if start < mid else self._fold.tell(back)
        self._told = told
        return told

    def take_many(self, moments: Sequence[int], values: Sequence[float]) -> list[Any]:
        """Take samples in, in order, each received when it was measured; return what each told.

        As `take`, to the last bit, with `advance` where the window was silent for its whole
        length. What most samples meet is done on the spot: it takes a third of the time.
        """
        told: list[Any] = []
        while len(told) < len(moments):
            at = moments[len(told)]
            if at > self.due:
                self.advance(self.due)
            told.append(self.take(at, at, values[len(told)]))
            open_pane = self._pane_end or not self._pane_ns
            if self._span and self._back is not None and open_pane:
                place = len(told)
                self._go_on(zip(moments[place:], values[place:], strict=True), told)
        return told

    def _go_on(self, samples: Iterable[tuple[int, float]], told: list[Any]) -> None:
        """Take samples in until all of the front has left, or a silence has emptied the window."""
        fold, add, both, tell = self._fold, self._add, self._both, told.append
        ats, parts, front, span = self._ats, self._parts, self._front, self._span
        start, mid, back, due = self._start, self._mid, self._back, self.due
        pane, pane_end = self._pane_ns, self._pane_end
        before = front[start] if start < mid else None
        for at, value in samples:
            if at > due or not -SAMPLE_MAX < value < SAMPLE_MAX:
                break
            if at < pane_end:
                ats[-1] = at
                parts[-1] = add(parts[-1], at, value)
            else:
                ats.append(at)
                parts.append(fold.one(at, value))
                pane_end = (at // pane + 1) * pane if pane else 0
            back = add(back, at, value)
            due, limit = at + span, at - span
            if ats[start] <= limit:
                while ats[start] <= limit:
                    start += 1
                before = front[start] if start < mid else None
            if start > mid or len(ats) - start > EXACT_MAX:
                self._keep(start, back, due, pane_end)
                if len(ats) - start > EXACT_MAX:
                    self._coarsen()
                tell(self._tell())
                return
            tell(fold.tell(back) if before is None else both(before, back))
        self._keep(start, back, due, pane_end)
        self._told = told[-1]

    def _keep(self, start: int, back: Any, due: int, pane_end: int) -> None:
        self._start, self._back, self.due, self._pane_end = start, back, due, pane_end

    def advance(self, now: int) -> Any:
        """Let samples leave by the clock."""
        if self._span and now >= self.due:
            self.due = NEVER
            self._leave(now - self._span)
        return self._tell()

    # --- inside ---------------------------------------------------------------------------

    def _append_pane(self, at: int, value: float) -> None:
        """Begin a pane, or go on with the newest one where that was not known to be open."""
        ats, parts, back, pane = self._ats, self._parts, self._back, self._pane_ns
        self._pane_end = (at // pane + 1) * pane
        if back is not None and ats[-1] // pane == at // pane:
            ats[-1], parts[-1] = at, self._add(parts[-1], at, value)
        else:
            ats.append(at)
            parts.append(self._one(at, value))
        self._back = self._one(at, value) if back is None else self._add(back, at, value)

    def _leave(self, limit: int) -> None:
        ats, start = self._ats, self._start
        count = len(ats)
        while start < count and ats[start] <= limit:
            start += 1
        self._start = start

    def _tell(self) -> Any:
        start, mid = self._start, self._mid
        if start > mid:
            self._refront()
            start, mid = self._start, self._mid
        if start < mid:
            whole = self._front[start]
            if self._back is not None:
                self._told = self._both(whole, self._back)
                return self._told
        elif self._back is None:
            self._ats, self._parts, self._front = [], [], []
            self._start, self._mid, self._pane_ns, self._pane_end = 0, 0, 0, 0
            self._told = self._fold.empty
            return self._told
        else:
            whole = self._back
        self._told = self._fold.tell(whole)
        return self._told

    def _refront(self) -> None:
        """Make all that is left the front."""
        start = self._start
        if start:
            del self._ats[:start], self._parts[:start]
        self._start, self._mid, self._back, self._pane_end = 0, len(self._parts), None, 0
        self._join_front()

    def _join_front(self) -> None:
        join, front = self._fold.join, []
        whole: Any = None
        for part in reversed(self._parts[: self._mid]):
            whole = part if whole is None else join(part, whole)
            front.append(whole)
        front.reverse()
        self._front = front

    def _take_late(self, at: int, received: int, value: Any) -> bool:
        """Put a sample where it belongs; return whether it lies in the window."""
        ats, parts = self._ats, self._parts
        if received < ats[-1]:
            # Nothing is measured after its receipt: our clock was set back.
            keep = bisect_right(ats, received)
            del ats[keep:], parts[keep:]
            self._start = min(self._start, keep)
            self.due = NEVER
        elif self._span and at <= ats[-1] - self._span:
            self.ignored += 1
            return False
        place = bisect_left(ats, at, self._start)
        part = self._fold.one(at, value)
        pane = self._pane_ns
        if pane and place < len(ats) and ats[place] // pane == at // pane:
            parts[place] = self._fold.join(part, parts[place])
        elif pane and place > self._start and ats[place - 1] // pane == at // pane:
            ats[place - 1], parts[place - 1] = at, self._fold.join(parts[place - 1], part)
        elif place < len(ats) and ats[place] == at:
            parts[place] = part
        elif place == self._start and self._at_most and len(ats) - place >= self._at_most:
            self.ignored += 1
            return False
        else:
            ats.insert(place, at)
            parts.insert(place, part)
        self._refront()
        return True

    def _coarsen(self) -> None:
        """Join samples into panes: a busy window keeps as much as a quiet one."""
        self._pane_ns = pane = max(self._span // PANES, 1)
        ats: list[int] = []
        parts: list[Any] = []
        for at, part in zip(self._ats[self._start :], self._parts[self._start :], strict=True):
            if ats and ats[-1] // pane == at // pane:
                ats[-1], parts[-1] = at, self._fold.join(parts[-1], part)
            else:
                ats.append(at)
                parts.append(part)
        self._ats, self._parts, self._start = ats, parts, 0
        self._refront()

    # --- on disk --------------------------------------------------------------------------

    def state(self) -> Any:
        """Return the parts with the steps between their moments, and how they were joined."""
        start = self._start
        ats = self._ats[start:]
        steps = [now - before for before, now in pairwise(ats)]
        return [
            [*ats[:1], *steps],
            self._parts[start:],
            self._mid - start,
            self._back,
            self._pane_ns,
            None if self.due == NEVER else self.due,
            None if self._told is UNSET else self._told,
            self.ignored,
        ]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        steps, self._parts, self._mid, self._back, self._pane_ns, due, told, self.ignored = state
        self._ats, at = [], 0
        for step in steps:
            at += step
            self._ats.append(at)
        self._parts = list(self._parts)
        self._start = self._pane_end = 0
        self._join_front()
        self.due = NEVER if due is None else due
        self._told = UNSET if told is None else told
        return self._told


def make_window(fold: str, settings: Settings, _origin: Origin) -> Feed:
    """Make a window over a time or a count of samples."""
    match settings["window"]:
        case Span(ns):
            return Window(_FOLDS[fold], ns, 0)
        case Count(samples) if 1 <= samples <= SAMPLES_MAX:
            return Window(_FOLDS[fold], 0, samples)
    raise Invalid(
        f"a window holds between 1 and {SAMPLES_MAX} samples.",
        remedy="Write a time instead, as in 5m: longer windows are kept in panes.",
    )


def window_cost(fold: str, settings: Settings) -> Cost:
    """Bound what a window keeps: EXACT_MAX samples, or those that it counts."""
    window = settings["window"]
    samples = window.samples if isinstance(window, Count) else EXACT_MAX + 1
    return Cost(state_bytes=(samples + 4) * _SAMPLE_BYTES.get(fold, _PLAIN_BYTES), sample_ns=3_000)

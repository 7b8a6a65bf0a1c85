"""Durations: how long something has been true, and for how much of a time.

What a sample says holds until the next one says something else. So a state is measured by
the samples' moments, and a device that falls silent leaves its state as it was. All moves on
with the samples: time alone changes nothing. A late sample is passed over.
"""

from typing import Any

from msgspec import UNSET

from weft.errors import Invalid
from weft.rules.feeds.base import NEVER, NS_PER_S, Cost, Feed, Origin, Settings

PIECES_MAX = 256
SPAN_MAX_NS = 366 * 86_400 * NS_PER_S


class Lasted:
    """Since when a condition is true."""

    __slots__ = ("_at", "_since", "_told", "due")

    def __init__(self) -> None:
        self._at = 0
        self._since: int | None = None
        self._told: Any = UNSET
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take in whether it is true; return for how many seconds it has been, else 0."""
        if at < self._at <= received:
            return self._told
        self._at = at
        if not value:
            self._since = None
        elif self._since is None or at < self._since:
            self._since = at
        self._told = 0.0 if self._since is None else (at - self._since) / NS_PER_S
        return self._told

    def advance(self, now: int) -> Any:  # noqa: ARG002  time alone changes nothing
        """Return for how long it was true when it was last heard of."""
        return self._told

    def state(self) -> Any:
        """Return since when, and when it was last looked at."""
        return [self._at, self._since, self._told is not UNSET]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, self._since, is_told = state
        if is_told:
            self._told = 0.0 if self._since is None else (self._at - self._since) / NS_PER_S
        return self._told


class TimeIn:
    """For how much of a span a condition was true: pieces of time in which it did not change.

    Sums are whole nanoseconds, so a restart changes no bit. Beyond PIECES_MAX the two oldest
    pieces are joined, and a joined one counts evenly where the edge of the span cuts it.
    """

    __slots__ = ("_at", "_covered", "_is_share", "_is_true", "_pieces", "_span", "_true", "due")

    def __init__(self, span_ns: int, *, is_share: bool) -> None:
        self._span = span_ns
        self._is_share = is_share
        self._at = 0
        self._is_true: bool | None = None  # what the newest sample says; None: there is none
        self._pieces: list[list[int]] = []  # [length, of that true], oldest first
        self._covered = 0  # of all pieces
        self._true = 0
        self.due = NEVER

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take in whether it is true from now on."""
        if at < self._at:
            if received >= self._at:
                return self._tell()
            self._is_true = None  # our clock was set back: nothing is known of the time between
        if self._is_true is not None and at > self._at:
            self._add(at - self._at, is_true=self._is_true)
        self._at, self._is_true = at, bool(value)
        return self._tell()

    def advance(self, now: int) -> Any:  # noqa: ARG002  time alone changes nothing
        """Return what was told."""
        return self._tell()

    def _add(self, length: int, *, is_true: bool) -> None:
        pieces = self._pieces
        true = length if is_true else 0
        if pieces and pieces[-1][1] == (pieces[-1][0] if is_true else 0):
            pieces[-1][0] += length
            pieces[-1][1] += true
        else:
            pieces.append([length, true])
        self._covered += length
        self._true += true
        over = self._covered - self._span
        gone = 0
        while over > 0:
            length, true = pieces[gone]
            cut = min(over, length)
            cut_true = true * cut // length
            self._covered -= cut
            self._true -= cut_true
            over -= cut
            if cut == length:
                gone += 1
            else:
                pieces[gone] = [length - cut, true - cut_true]
        del pieces[:gone]
        if len(pieces) > PIECES_MAX:
            oldest = pieces.pop(0)
            pieces[0] = [oldest[0] + pieces[0][0], oldest[1] + pieces[0][1]]

    def _tell(self) -> Any:
        if self._is_share:
            return self._true / self._covered if self._covered else UNSET
        return UNSET if self._is_true is None and not self._covered else self._true / NS_PER_S

    def state(self) -> Any:
        """Return the pieces, and what the newest sample says since when."""
        return [self._at, self._is_true, self._pieces]

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave."""
        self._at, self._is_true, pieces = state
        self._pieces = [list(piece) for piece in pieces]
        self._covered = sum(piece[0] for piece in self._pieces)
        self._true = sum(piece[1] for piece in self._pieces)
        return self._tell()


def make_lasted(_settings: Settings, _origin: Origin) -> Feed:
    """Make the duration of a state."""
    return Lasted()


def make_time_in(settings: Settings, _origin: Origin, *, is_share: bool) -> Feed:
    """Make the time in a state within a span; raise `Invalid` for one that is too long."""
    if settings["time"] > SPAN_MAX_NS:
        raise Invalid("the time is a year at most.", remedy="Write 8h, 24h or 168h.")
    return TimeIn(settings["time"], is_share=is_share)


def lasted_cost(_settings: Settings) -> Cost:
    """Bound what is kept: two moments."""
    return Cost(state_bytes=96, sample_ns=500)


def time_in_cost(_settings: Settings) -> Cost:
    """Bound what is kept: PIECES_MAX pieces of two lengths."""
    return Cost(state_bytes=(PIECES_MAX + 2) * 42, sample_ns=1_500)

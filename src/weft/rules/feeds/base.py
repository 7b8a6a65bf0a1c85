"""The seam of functions that remember: what one is given, what it promises, how it is listed.

A feed is the memory of one call (`mean(temperature, 5m)`) on one device. It is pure over
what it is given: no clock, no I/O, no randomness, so a replay finds what live found. What
it keeps is bounded, leaves as plain values and comes back as them.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from weft.model.ids import DeviceId, TenantId
from weft.rules.places.lookup import Places

NEVER = 2**63  # a moment that does not come
NS_PER_S = 1_000_000_000


class Feed(Protocol):
    """What a function remembers of one device.

    Values are UNSET while unknown, which neither raises nor clears. Moments are
    nanoseconds. `at` is the sample's own, never later than `received`; it may be older than
    what came before (late), and `received` is so only when our own clock was set back.
    """

    due: int  # when its value changes though no message comes; on the clock of receipt

    def take(self, at: int, received: int, value: Any) -> Any:
        """Take one sample in; return the value. Several samples come as a tuple."""
        ...

    def advance(self, now: int) -> Any:
        """Let the time of receipt reach `now` without a message; return the value."""
        ...

    def state(self) -> Any:
        """Return all it remembers as numbers, texts, lists and None; no infinity."""
        ...

    def restore(self, state: Any) -> Any:
        """Take back what `state` gave; return the value."""
        ...


class Origin(Struct, frozen=True):
    """Whose memory it is, and since when: the clock of receipt when it was made."""

    tenant: TenantId
    device_id: DeviceId
    began_at: int
    places: Places | None = None  # fences and trips; None where there are none


class Span(Struct, frozen=True):
    """A window as long as a time."""

    ns: int


class Count(Struct, frozen=True):
    """A window of the newest samples."""

    samples: int


class Takes(StrEnum):
    """What stands in one place of a call: an expression, fed, or a constant that sets it up."""

    NUMBER = "number"  # fed: an int or a double; the feed is given a finite one
    TRUTH = "bool"  # fed
    ANYTHING = "any value"  # fed
    WINDOW = "a time or a count of samples"  # set: Span or Count
    TIME = "a time"  # set: nanoseconds
    CONSTANT = "a number that is written out"  # set: float
    TEXT = "a text that is written out"  # set: str
    LIST = "a list that is written out"  # set: nested tuples of numbers and texts


FED = frozenset({Takes.NUMBER, Takes.TRUTH, Takes.ANYTHING})


class Parameter(Struct, frozen=True):
    """One place of a call."""

    name: str
    takes: Takes
    optional: bool = False


class Cost(Struct, frozen=True):
    """What one call may cost on one device, at worst."""

    state_bytes: int  # of what it keeps, on disk
    sample_ns: int  # of CPU for one sample


Settings = Mapping[str, Any]  # the constants of a call, by the name of the parameter


class Function(Struct, frozen=True, eq=False):
    """A function that remembers, as the checker, the engine and the manual see it.

    `make` may raise `Invalid` for settings that make no sense: it is called on save.
    """

    name: str
    parameters: tuple[Parameter, ...]
    gives: str  # double, int, bool, dyn; "same" is the type of the first expression
    make: Callable[[Settings, Origin], Feed]
    cost: Callable[[Settings], Cost]
    doc: str  # a sentence for the manual
    example: str
    clocked: bool = False  # has no expression: every message of the device tells it the time
    places: bool = False  # a parameter "fence" or "stop" names one of the tenant
    unprompted: bool = False  # says something though the device has never said anything
    unit: str = (
        ""  # "same": the unit of the expression; "apart": of a difference; "/s": a second; else it
    )

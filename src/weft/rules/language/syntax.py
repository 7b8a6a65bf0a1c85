"""The tree of a condition: the only shapes that exist, all of them without effect.

`parse` makes the first kind (names not yet looked up), `check` turns it into the second
(every input resolved, every operation typed). What is compiled is made from the second
kind only, never from text.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field


class Type(StrEnum):
    """Types of CEL that conditions know. DYN is checked when the value is there."""

    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    BOOL = "bool"
    NULL = "null"
    LIST = "list"
    MAP = "map"
    DYN = "dyn"
    DURATION = "duration"  # as written in a call (5m): nanoseconds, never the value of an input
    SAMPLES = "samples"  # as written in a call (10 samples)


NUMBERS = frozenset({Type.INT, Type.DOUBLE})

# --- as parsed ----------------------------------------------------------------------------


class Literal(Struct, frozen=True):
    """A value written in the condition."""

    value: Any
    type: Type
    column: int
    unit: str = ""  # as written in brackets behind it


class Name(Struct, frozen=True):
    """A bare name."""

    name: str
    column: int


class Select(Struct, frozen=True):
    """`of.name`."""

    of: "Parsed"
    name: str
    column: int


class Index(Struct, frozen=True):
    """`of[key]`."""

    of: "Parsed"
    key: "Parsed"
    column: int


class Call(Struct, frozen=True):
    """`name(arguments)` or `target.name(arguments)`."""

    name: str
    target: "Parsed | None"
    arguments: tuple["Parsed", ...]
    column: int


class Operate(Struct, frozen=True):
    """An operator and its operands; `&&` and `||` hold a whole chain."""

    operator: str  # && || ! - + * / % < <= > >= == != in ?:
    operands: tuple["Parsed", ...]
    column: int


class ListOf(Struct, frozen=True):
    """`[items]`."""

    items: tuple["Parsed", ...]
    column: int


Parsed = Literal | Name | Select | Index | Call | Operate | ListOf

# --- as checked ---------------------------------------------------------------------------

# Where a value comes from: ("telemetry", key), ("reported", key), ("attribute", key),
# ("device", "id" or "type"); ("feed", canonical text) for what is remembered (see Feed).
Path = tuple[str, str]


class Const(Struct, frozen=True):
    """A value that is known."""

    value: Any
    type: Type
    unit: str = ""  # UCUM


class Input(Struct, frozen=True):
    """A value of the device; it may be absent."""

    path: Path
    type: Type


class Apply(Struct, frozen=True):
    """A strict operation: an error in an argument is its error."""

    operation: str
    arguments: tuple["Checked", ...]
    type: Type


class Logic(Struct, frozen=True):
    """`&&` or `||` over a chain, in which a deciding operand absorbs an error."""

    every: bool  # True for &&
    operands: tuple["Checked", ...]
    type: Type = Type.BOOL


class Choose(Struct, frozen=True):
    """`condition ? then : otherwise`; only the chosen side is evaluated."""

    condition: "Checked"
    then: "Checked"
    otherwise: "Checked"
    type: Type


class Has(Struct, frozen=True):
    """Whether an input is present; never an error."""

    path: Path
    keys: tuple[str, ...] = field(default=())
    type: Type = Type.BOOL


class Items(Struct, frozen=True):
    """A list made of expressions."""

    items: tuple["Checked", ...]
    type: Type = Type.LIST


class Feed(Struct, frozen=True):
    """A function that remembers: its value is kept in a slot of its own.

    It is fed with the samples of `samples`, whenever a message names an input of one.
    """

    name: str
    samples: tuple["Checked", ...]
    settings: tuple[tuple[str, Any], ...]  # by the name of the parameter
    text: str  # canonical: two feeds of one text are one
    type: Type

    @property
    def path(self) -> Path:
        """The slot of its value."""
        return ("feed", self.text)


Checked = Const | Input | Apply | Logic | Choose | Has | Items | Feed

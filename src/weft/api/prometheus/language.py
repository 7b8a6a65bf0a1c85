"""A part of PromQL: what dashboards ask of single series, read into plain values.

    selectors       temperature, {__name__="air-temp"}, temperature{device=~"pump-.*",type!="fan"}
    over a time     avg_over_time(temperature[5m]), min_, max_, sum_, count_, last_over_time,
                    quantile_over_time(0.95, x[1h]), rate(energy[1h]), increase(energy[1d])
    together        sum, avg, min, max, count by (type) (...), without (device) (...)
    arithmetic      of a series with a number, and of numbers: + - * /

What is not among it is refused with the place; nothing is read as something else.
"""

import math
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
from msgspec import Struct

from weft.errors import Invalid

T = TypeVar("T")
QUERY_MAX: Final = 4096  # characters
DEPTH_MAX: Final = 60  # three a parenthesis
OPERATORS_MAX: Final = 100  # at series; each is a level of the evaluation
DURATION_MAX_S: Final = 5 * 31_536_000.0  # five years: moments in ns stay far from their end
OVER_TIME: Final = (
    "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time",
    "last_over_time", "quantile_over_time", "rate", "increase",
)  # fmt: skip
TOGETHER: Final = ("sum", "avg", "min", "max", "count")
_UNITS_S: Final = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
    "y": 31_536_000,
}
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*)(?![\w.])"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)"
    r"|(?P<name>[A-Za-z_:][\w:.]*)"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<mark>=~|!~|!=|[-+*/(){}\[\],=]))",
    re.ASCII,
)


class Matcher(Struct, frozen=True):
    """One condition on a label."""

    label: str
    operator: str  # = != =~ !~
    value: str


class Selector(Struct, frozen=True):
    """Which series, over which time where one stands behind it (seconds)."""

    matchers: tuple[Matcher, ...]
    window_s: float = 0.0


class Over(Struct, frozen=True):
    """A function over a time."""

    function: str
    selector: Selector
    quantile: float = 0.0


class Together(Struct, frozen=True):
    """Several series as one, or as one for each value of some labels."""

    function: str
    inner: "Query"
    labels: tuple[str, ...] = ()
    without: bool = False


class Number(Struct, frozen=True):
    """A number, written out or worked out of such."""

    value: float


class Arithmetic(Struct, frozen=True):
    """A series and a number, on either side. Of two numbers one is made where they are read."""

    operator: str
    series: "Lines"
    number: float
    number_first: bool = False


Lines = Selector | Over | Together | Arithmetic
Query = Lines | Number


def read_query(text: str) -> Query:
    """Read a query, or raise `Invalid` with the place."""
    reader = _Reader(text)
    query = reader.sum(0)
    reader.require_end()
    return query


def read_duration_s(text: str) -> float:
    """Return the seconds of `5m` or `1h30m`, or of a plain number of them, or raise `Invalid`."""
    seconds = _seconds(text)
    if not 0 <= seconds <= DURATION_MAX_S:
        raise Invalid(
            f"{text[:40]!r} is no time that is read.",
            remedy="Write a time as 15s, 5m or 1h, of five years at most.",
        )
    return seconds


def _seconds(text: str) -> float:
    """Return the seconds of a time, NaN for what is none."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        return math.nan


def operate(operator: str, left: Any, right: Any) -> Any:
    """Return what + - * or / makes of numbers or arrays; a division by nothing is infinite."""
    with np.errstate(all="ignore"):
        return {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[operator](
            left, right
        )


class _Reader:
    def __init__(self, text: str) -> None:
        if len(text) > QUERY_MAX:
            raise Invalid(
                f"The query is {len(text)} characters long.", remedy=f"Write at most {QUERY_MAX}."
            )
        self._tokens: list[tuple[str, str, int]] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            match = _TOKEN.match(text, place)
            if match is None:
                odd = text[place:].lstrip()
                raise _refused(len(text) - len(odd) + 1, f"{odd[:1]!r} is not read")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind], match.start(kind) + 1))
            place = match.end()
        self._tokens.append(("end", "", end + 1))
        self._next = 0
        self._operators = 0

    # --- tokens ---

    @property
    def _now(self) -> tuple[str, str, int]:
        return self._tokens[self._next]

    def _take(self, kind: str, text: str = "") -> str | None:
        if self._now[0] != kind or (text and self._now[1] != text):
            return None
        taken = self._now[1]
        self._next += 1
        return taken

    def _require(self, kind: str, what: str, text: str = "") -> str:
        taken = self._take(kind, text)
        if taken is None:
            raise _refused(self._now[2], f"{what} is expected here")
        return taken

    def require_end(self) -> None:
        """Raise `Invalid` unless all has been read."""
        if self._now[0] != "end":
            raise _refused(self._now[2], f"{self._now[1]!r} is not read here")

    # --- expressions ---

    def sum(self, depth: int) -> Query:
        """Read terms that are added."""
        return self._chain(self._product, ("+", "-"), depth)

    def _product(self, depth: int) -> Query:
        return self._chain(self._one, ("*", "/"), depth)

    def _chain(self, part: Callable[[int], Query], marks: tuple[str, ...], depth: int) -> Query:
        left = part(depth + 1)
        while self._now[0] == "mark" and self._now[1] in marks:
            place, operator = self._now[2], self._require("mark", "an operator")
            left = self._operated(place, operator, left, part(depth + 1))
        return left

    def _operated(self, place: int, operator: str, left: Query, right: Query) -> Query:
        if isinstance(right, Number):
            if isinstance(left, Number):
                return Number(float(operate(operator, left.value, right.value)))
            made = Arithmetic(operator, left, right.value)
        elif isinstance(left, Number):
            made = Arithmetic(operator, right, left.value, number_first=True)
        else:
            raise _refused(place, f"{operator} between two series is not read")
        self._operators += 1
        if self._operators > OPERATORS_MAX:
            raise _refused(place, f"more than {OPERATORS_MAX} operators at series are not read")
        return made

    def _one(self, depth: int) -> Query:
        if depth > DEPTH_MAX:
            raise _refused(self._now[2], f"more than {DEPTH_MAX} levels are not read")
        if self._take("mark", "("):
            inner = self.sum(depth + 1)
            self._require("mark", "a closing parenthesis", ")")
            return inner
        place = self._now[2]
        if self._take("mark", "-"):
            return self._operated(place, "*", Number(-1.0), self._one(depth + 1))
        number = self._take("number")
        if number is not None:
            return Number(float(number))
        if self._now[0] == "name":
            follows = self._tokens[self._next + 1][1]
            if self._now[1] in TOGETHER and follows in {"(", "by", "without"}:
                return self._together(depth)
            if follows == "(":
                return self._function()
        return self._selector()

    def _together(self, depth: int) -> Query:
        function = self._require("name", "an aggregation")
        labels, without = self._labels()
        self._require("mark", "an opening parenthesis", "(")
        inner = self.sum(depth + 1)
        self._require("mark", "a closing parenthesis", ")")
        if not labels and not without:
            labels, without = self._labels()
        return Together(function, inner, labels, without)

    def _labels(self) -> tuple[tuple[str, ...], bool]:
        by = self._take("name", "by")
        without = None if by else self._take("name", "without")
        if by is None and without is None:
            return (), False
        self._require("mark", "an opening parenthesis", "(")
        found: list[str] = []
        while not self._take("mark", ")"):
            found.append(self._require("name", "a label"))
            if not self._take("mark", ","):
                self._require("mark", "a closing parenthesis", ")")
                break
        return tuple(found), without is not None

    def _function(self) -> Query:
        place, function = self._now[2], self._require("name", "a function")
        if function not in OVER_TIME:
            raise _refused(place, f"{function}() is not read; read are {', '.join(OVER_TIME)}")
        self._require("mark", "an opening parenthesis", "(")
        quantile = 0.0
        if function == "quantile_over_time":
            quantile = float(self._require("number", "a share between 0 and 1"))
            if not 0 <= quantile <= 1:
                raise _refused(place, f"{quantile:g} is no share between 0 and 1")
            self._require("mark", "a comma", ",")
        selector = self._selector()
        if not selector.window_s:
            raise _refused(self._now[2], f"{function}() needs a time, as [5m]")
        self._require("mark", "a closing parenthesis", ")")
        return Over(function, selector, quantile)

    def _selector(self) -> Selector:
        place = self._now[2]
        matchers: list[Matcher] = []
        name = self._take("name")
        if name is not None:
            matchers.append(Matcher("__name__", "=", name))
        if self._take("mark", "{"):
            while not self._take("mark", "}"):
                matchers.append(self._matcher())
                if not self._take("mark", ","):
                    self._require("mark", "a closing brace", "}")
                    break
        if not matchers:
            raise _refused(place, "a series is expected here")
        window_s = 0.0
        if self._take("mark", "["):
            behind = self._now[2]
            window_s = _seconds(self._require("duration", "a time as 5m"))
            if window_s > DURATION_MAX_S:
                raise _refused(behind, "a time of more than five years is not read")
            self._require("mark", "a closing bracket", "]")
        return Selector(tuple(matchers), window_s)

    def _matcher(self) -> Matcher:
        if self._now[0] == "text":  # {"air-temp"}: a name that is none by itself
            return Matcher("__name__", "=", _unquoted(self._require("text", "a name")))
        label = self._require("name", "a label")
        place, operator = self._now[2], self._require("mark", "=, !=, =~ or !~")
        if operator not in {"=", "!=", "=~", "!~"}:
            raise _refused(place, f"{operator} does not compare labels")
        return Matcher(label, operator, _unquoted(self._require("text", "a text in quotes")))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _refused(column: int, what: str) -> Invalid:
    return Invalid(
        f"Column {column}: {what}.",
        remedy="What is read stands in the guide: selectors, *_over_time, rate, increase, "
        "sum, avg, min, max and count by labels, and arithmetic with numbers.",
    )

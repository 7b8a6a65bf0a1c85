"""Values as history keeps them: numbers as numbers, everything else as JSON text.

Numbers are what is averaged and drawn. Booleans, strings, nested values and integers that a
double cannot hold are kept as they are; of them the first, the last and the count are known.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UnsetType

from weft.history.scalars import EXACT_MAX, is_absent, is_number

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

_NUMBER: Final = frozenset({float, int})
_ABSENT: Final = frozenset({type(None), UnsetType})
_EMPTY: Final[Index] = np.array([], np.int64)
_NO_FLOATS: Final[Floats] = np.array([], np.float64)
_BOOLEANS: Final = {True: "true", False: "false"}

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def to_text(value: Any) -> str:
    """Write a value that is no number as JSON."""
    if value is True or value is False:
        return _BOOLEANS[value]
    return encode(value).decode()


def from_text(text: str) -> Any:
    """Read what `to_text` wrote."""
    return decode(text)


class Split:
    """One column, told apart: numbers at `at`, texts at `texts_at` (None: every row a number)."""

    __slots__ = ("at", "numbers", "texts", "texts_at")

    def __init__(self, column: Sequence[Any]) -> None:
        self.at: Index | None = None
        self.numbers: Floats = _NO_FLOATS
        self.texts: list[str] = []
        self.texts_at: Index = _EMPTY
        kinds = set(map(type, column))
        if kinds <= _NUMBER and self._all_numbers(column, kinds):
            return
        rows = [row for row, value in enumerate(column) if is_number(value)]
        self.at = np.array(rows, np.int64)
        self.numbers = np.array([column[row] for row in rows], np.float64)
        if not kinds <= _NUMBER | _ABSENT or int in kinds:
            rows = [
                row
                for row, value in enumerate(column)
                if not is_absent(value) and not is_number(value)
            ]
            self.texts_at = np.array(rows, np.int64)
            self.texts = [to_text(column[row]) for row in rows]

    def _all_numbers(self, column: Sequence[Any], kinds: set[type]) -> bool:
        try:
            self.numbers = np.array(column, np.float64)
        except OverflowError:
            return False
        return int not in kinds or bool(np.abs(self.numbers).max(initial=0) < EXACT_MAX)

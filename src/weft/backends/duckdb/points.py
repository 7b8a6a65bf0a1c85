"""Points: readings by column become arrays of points, ready for the database."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from weft.backends.duckdb.series import SeriesNames
from weft.history.values import Split
from weft.ports import Rows

Arrays = dict[str, npt.NDArray[Any]]


class Points(NamedTuple):
    """What one append adds; None where there is nothing of that kind."""

    numbers: Arrays | None
    texts: Arrays | None


class _Gathering:
    """Pieces of four columns, joined at the end."""

    def __init__(self) -> None:
        self._pieces: tuple[list[Any], ...] = ([], [], [], [])

    def add(self, *columns: npt.NDArray[Any]) -> None:
        ids = columns[0]
        if ids.size and ids.min() < 0:
            kept = ids >= 0
            columns = tuple(column[kept] for column in columns)
        for pieces, column in zip(self._pieces, columns, strict=True):
            pieces.append(column)

    def joined(self) -> Arrays | None:
        if not self._pieces[0]:
            return None
        names = ("series", "at_ns", "position", "value")
        made = {
            name: np.concatenate(pieces) for name, pieces in zip(names, self._pieces, strict=True)
        }
        return made if made["series"].size else None


def make_points(parts: Sequence[Rows], names: SeriesNames) -> Points:
    """Return the points of all readings; new series are left in `names.fresh`."""
    numbers, texts = _Gathering(), _Gathering()
    for part in parts:
        rows = names.rows(part.tenants, part.devices)
        at = np.array(part.at, np.int64)
        positions = np.array(part.positions, np.int64)
        for key, column in zip(part.keys, part.columns, strict=True):
            split = Split(column)
            if split.at is None:
                ids = names.ids(key, rows, is_text=False)
                numbers.add(ids, at, positions, split.numbers)
            elif split.at.size:
                ids = names.ids(key, rows[split.at], is_text=False)
                numbers.add(ids, at[split.at], positions[split.at], split.numbers)
            if split.texts:
                ids = names.ids(key, rows[split.texts_at], is_text=True)
                values = np.array(split.texts, object)
                texts.add(ids, at[split.texts_at], positions[split.texts_at], values)
    return Points(numbers.joined(), texts.joined())

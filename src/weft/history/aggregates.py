"""Aggregates: what may be asked of a bucket, and what each word means.

mean, min, max, sum and pNN (linear between neighbours) look at numbers only and are absent
where a bucket has none; count, first and last look at all samples. `rate` is of a counter:
the sum of its increases (after a reset: of what it has counted since) in the bucket, by the
seconds of the bucket; an increase belongs to the bucket of its later sample.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from weft.errors import Invalid
from weft.history.scalars import is_number
from weft.ports import HistoryQuery

_PERCENTILE: Final = re.compile(r"p(\d{1,2}(?:\.\d{1,4})?|100)")
NAMES: Final = ("mean", "min", "max", "sum", "count", "first", "last", "rate")
AGGREGATES_MAX: Final = 16

Numbers = Sequence[float]
_OF_NUMBERS: Final[dict[str, Callable[[Numbers], float]]] = {
    "mean": lambda numbers: float(np.mean(numbers)),
    "min": min,
    "max": max,
    "sum": lambda numbers: float(np.sum(numbers)),
}


def percentile_of(name: str) -> float | None:
    """Return 0.99 for `p99`; None for a name that is no percentile."""
    match = _PERCENTILE.fullmatch(name)
    return float(match[1]) / 100 if match else None


def unit_of(name: str, unit: str) -> str:
    """Return the UCUM unit of an aggregate of values in `unit`; empty where it has none."""
    if name == "count":
        return ""
    if name == "rate":
        return f"{unit or '1'}/s"
    return unit


def require_sound(query: HistoryQuery) -> None:
    """Raise `Invalid` unless the query can be answered."""
    for name in query.aggregates:
        if name not in NAMES and percentile_of(name) is None:
            raise Invalid(
                f"{name!r} is no aggregate.", remedy=f"Ask for {', '.join(NAMES)} or p0 to p100."
            )
    if query.bucket_ns is None:
        pass_on = True
    else:
        pass_on = bool(query.aggregates) and len(query.aggregates) <= AGGREGATES_MAX
    if not pass_on:
        raise Invalid(
            f"{len(query.aggregates)} aggregates were asked for.",
            remedy=f"Ask for 1 to {AGGREGATES_MAX}.",
        )
    for what, value in (
        ("bucket", query.bucket_ns),
        ("limit", query.limit),
        ("number of points", query.max_points),
    ):
        if value is not None and value < 1:
            raise Invalid(f"The {what} is {value}.", remedy="Ask for 1 or more.")
    if query.start > query.end:
        raise Invalid("The time range ends before it starts.", remedy="Swap start and end.")


def bucket_start(at: int, bucket_ns: int) -> int:
    """Return the start of a moment's bucket; buckets are counted from 1970."""
    return at - at % bucket_ns


def increases(values: Sequence[Any]) -> list[float | None]:
    """Return by how much a counter grew up to each sample; None where that is not known."""
    found: list[float | None] = []
    previous: float | None = None
    for value in values:
        if not is_number(value):
            found.append(None)
            continue
        if previous is None:
            found.append(None)
        else:
            found.append(value - previous if value >= previous else value)
        previous = value
    return found


def aggregate(
    name: str, values: Sequence[Any], grown: Sequence[float | None], bucket_ns: int
) -> Any:
    """Compute one aggregate of a bucket's samples, which are in the order of time."""
    if name == "count":
        return len(values)
    if name in {"first", "last"}:
        return values[0 if name == "first" else -1]
    if name == "rate":
        known = [increase for increase in grown if increase is not None]
        return sum(known) / (bucket_ns / 1e9) if known else None
    numbers = [float(value) for value in values if is_number(value)]
    if not numbers:
        return None
    quantile = percentile_of(name)
    if quantile is not None:
        return float(np.quantile(numbers, quantile))
    return _OF_NUMBERS[name](numbers)

"""Evaluation: a query over samples, at the moments that a dashboard asks for.

As Prometheus does it: at each moment the newest sample counts that is not older than five
minutes; a function over a time sees what lies within it, its beginning out and its end in. What
has no value at a moment is left out there. `rate` is how much a counter grew between the first and
the last sample within, by the time between them; `increase` is the rate times the whole of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from weft.api.prometheus.language import (
    Arithmetic,
    Lines,
    Number,
    Over,
    Query,
    Selector,
    Together,
    operate,
)
from weft.errors import Invalid, TooLarge

LOOKBACK_S: Final = 300.0
STEPS_MAX: Final = 11_000  # as Prometheus itself
VALUES_MAX: Final = 1_000_000  # of all series at all moments
QUANTILES_MAX: Final = 50_000_000  # samples in all windows of one function: about a second
_A_WINDOW: Final = 500  # samples that are ordered in the time that a window takes by itself
_NS: Final = 1_000_000_000

Floats = npt.NDArray[np.float64]
Moments = npt.NDArray[np.int64]
Labels = Mapping[str, str]


class Samples(Struct, frozen=True, eq=False):
    """One series: its labels, and its samples in the order of time."""

    labels: Labels
    at: Moments
    values: Floats


class Line(Struct, frozen=True, eq=False):
    """One series of an answer: a value for each moment, NaN where it has none."""

    labels: Labels
    values: Floats


Found = Mapping[Selector, Sequence[Samples]]


def selectors_of(query: Query) -> list[Selector]:
    """Return what a query reads."""
    match query:
        case Selector():
            return [query]
        case Over():
            return [query.selector]
        case Together():
            return selectors_of(query.inner)
        case Arithmetic():
            return selectors_of(query.series)
        case _:
            return []


def evaluate(query: Query, found: Found, steps: Moments) -> list[Line] | float:
    """Return the lines of a query, or its number where it reads no series."""
    return query.value if isinstance(query, Number) else _lines(query, found, steps)


def _lines(query: Lines, found: Found, steps: Moments) -> list[Line]:
    match query:
        case Selector():
            if query.window_s:
                raise Invalid(
                    "A series with a time behind it is no answer by itself.",
                    remedy="Put a function around it, as avg_over_time(temperature[5m]).",
                )
            return [Line(one.labels, _newest(one, steps, LOOKBACK_S)) for one in found[query]]
        case Over():
            windows = [(one, _edges(query, one, steps)) for one in found[query.selector]]
            if query.function == "quantile_over_time":
                _require_room(windows)
            return [_over(query, one, edges) for one, edges in windows]
        case Together():
            if isinstance(query.inner, Number):
                raise Invalid(
                    f"{query.function}() is given a number.",
                    remedy="Give it series to put together.",
                )
            return _together(query, _lines(query.inner, found, steps))
        case Arithmetic():
            return [_operated(query, one) for one in _lines(query.series, found, steps)]


def _newest(one: Samples, steps: Moments, window_s: float) -> Floats:
    last = np.searchsorted(one.at, steps, "right") - 1
    if not len(one.at):
        return np.full(len(steps), np.nan)
    fresh = (last >= 0) & (steps - one.at[np.maximum(last, 0)] < round(window_s * _NS))
    return np.where(fresh, one.values[np.maximum(last, 0)], np.nan)


Edges = tuple[Any, Any]


def _edges(query: Over, one: Samples, steps: Moments) -> Edges:
    """Return for each moment the place of the first sample within, and of the first behind."""
    window_ns = round(query.selector.window_s * _NS)
    low = np.searchsorted(one.at, steps - window_ns, "right")
    return low, np.searchsorted(one.at, steps, "right")


def _require_room(windows: Sequence[tuple[Samples, Edges]]) -> None:
    """Raise `TooLarge` for windows that are too long together: each is ordered by itself."""
    counts = np.concatenate([high - low for _, (low, high) in windows] or [np.array([], np.int64)])
    if counts.sum() + _A_WINDOW * np.count_nonzero(counts) > QUANTILES_MAX:
        raise TooLarge(
            f"quantile_over_time() would order {counts.sum()} samples at {len(counts)} moments.",
            remedy="Ask for a longer step, a shorter time or fewer series.",
        )


def _over(query: Over, one: Samples, edges: Edges) -> Line:
    values = _OVER[query.function](query, one, edges)
    kept = one.labels if query.function == "last_over_time" else _unnamed(one.labels)
    return Line(kept, values)


def _reduced(reduce: Any, values: Floats, edges: Edges) -> Floats:
    """Reduce each window by itself, in runs whose lengths are powers of two; NaN for an empty one.

    Differences of one running sum would be wrong for ever behind a huge sample; a pass over each
    window would cost moments times samples. Here each length of run is worked out once for all.
    """
    low, left = edges[0].copy(), edges[1] - edges[0]
    found = np.full(len(low), np.nan if reduce.identity is None else float(reduce.identity))
    runs, length = values, 1
    with np.errstate(all="ignore"):
        while length <= left.max(initial=0):
            part = np.flatnonzero(left & length)
            found[part] = reduce(found[part], runs[low[part]])
            low[part] += length
            runs = reduce(runs[:-length], runs[length:])
            length *= 2
    return np.where(left > 0, found, np.nan)


def _counted(edges: Edges) -> Floats:
    counts: Floats = (edges[1] - edges[0]).astype(np.float64)
    return np.where(counts > 0, counts, np.nan)


def _avg(_query: Over, one: Samples, edges: Edges) -> Floats:
    return _sum(_query, one, edges) / _counted(edges)


def _sum(_query: Over, one: Samples, edges: Edges) -> Floats:
    return _reduced(np.add, one.values, edges)


def _count(_query: Over, _one: Samples, edges: Edges) -> Floats:
    return _counted(edges)


def _min(_query: Over, one: Samples, edges: Edges) -> Floats:
    return _reduced(np.fmin, one.values, edges)


def _max(_query: Over, one: Samples, edges: Edges) -> Floats:
    return _reduced(np.fmax, one.values, edges)


def _last(_query: Over, one: Samples, edges: Edges) -> Floats:
    if not len(one.values):
        return np.full(len(edges[1]), np.nan)
    return np.where(edges[1] > edges[0], one.values[np.maximum(edges[1] - 1, 0)], np.nan)


def _quantile(query: Over, one: Samples, edges: Edges) -> Floats:
    windows = zip(edges[0].tolist(), edges[1].tolist(), strict=True)
    return np.array([_share(one.values[low:high], query.quantile) for low, high in windows])


def _share(values: Floats, share: float) -> float:
    """Return what a share of values is below, between two of them in proportion; NaN of none."""
    if not len(values):
        return math.nan
    place = share * (len(values) - 1)
    low, high = math.floor(place), math.ceil(place)
    ordered = np.partition(values, (low, high))
    below, above = float(ordered[low]), float(ordered[high])
    return below + (above - below) * (place - low)


def _rate(_query: Over, one: Samples, edges: Edges) -> Floats:
    low, high = edges
    if len(one.values) < 2:
        return np.full(len(low), np.nan)
    grown = np.diff(one.values)
    grown = np.where(grown >= 0, grown, one.values[1:])  # it began anew
    several = high - low >= 2
    first, last = np.minimum(low, len(one.at) - 1), np.maximum(high - 1, 0)
    total = _reduced(np.add, grown, (first, np.maximum(last, first)))
    seconds = (one.at[last] - one.at[first]) / _NS
    return np.where(several & (seconds > 0), total / np.where(seconds > 0, seconds, 1.0), np.nan)


def _increase(query: Over, one: Samples, edges: Edges) -> Floats:
    return _rate(query, one, edges) * query.selector.window_s


_OVER: Final[Mapping[str, Callable[[Over, Samples, Edges], Floats]]] = {
    "avg_over_time": _avg,
    "min_over_time": _min,
    "max_over_time": _max,
    "sum_over_time": _sum,
    "count_over_time": _count,
    "last_over_time": _last,
    "quantile_over_time": _quantile,
    "rate": _rate,
    "increase": _increase,
}


def _unnamed(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != "__name__"}


def _together(query: Together, inner: Sequence[Line]) -> list[Line]:
    groups: dict[tuple[tuple[str, str], ...], list[Floats]] = {}
    for line in inner:
        kept = {
            name: value
            for name, value in _unnamed(line.labels).items()
            if (name in query.labels) is not query.without
        }
        groups.setdefault(tuple(sorted(kept.items())), []).append(line.values)
    return [
        Line(dict(labels), _joined(query.function, np.array(some)))
        for labels, some in groups.items()
    ]


def _joined(function: str, values: Floats) -> Floats:
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    sums = np.where(known, values, 0.0).sum(axis=0)
    if function == "count":
        joined = counts.astype(np.float64)
    elif function == "sum":
        joined = sums
    elif function == "avg":
        joined = sums / np.maximum(counts, 1)
    else:
        joined = (np.fmin if function == "min" else np.fmax).reduce(values, axis=0)
    return np.where(counts > 0, joined, np.nan)


def _operated(query: Arithmetic, line: Line) -> Line:
    left, right = line.values, query.number
    values = operate(query.operator, *((right, left) if query.number_first else (left, right)))
    return Line(_unnamed(line.labels), values)


def written(value: float) -> str:
    """Write a number as Prometheus does."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)

"""Down-sampling: the same picture in fewer points (largest triangle three buckets).

S. Steinarsson, "Downsampling Time Series for Visual Representation", 2013. The first and the
last point stay; of each part in between the point stays that spans the largest triangle
with the point kept before it and the mean of the part behind it, so that peaks stay.
"""

import numpy as np
import numpy.typing as npt

from weft.history.values import Floats

Moments = npt.NDArray[np.int64]


def largest_triangles(at: Moments, values: Floats, points: int) -> npt.NDArray[np.int64]:
    """Return the indices of at most `points` samples, in order, that keep the picture."""
    if not len(at):
        return np.arange(0)
    return largest_areas((at - at[0]).astype(np.float64), values, points)


def largest_areas(x: Floats, values: Floats, points: int) -> npt.NDArray[np.int64]:
    """Do the same on any plane: of a line that goes where it likes, corners stay."""
    total = len(x)
    if points >= total:
        return np.arange(total)
    if points < 3:
        return np.array([0, total - 1][:points])
    edges = np.linspace(1, total - 1, points - 1).astype(np.int64)
    kept = np.empty(points, np.int64)
    kept[0], kept[-1] = 0, total - 1
    for part in range(points - 2):
        low, high = edges[part], edges[part + 1]
        next_high = edges[part + 2] if part + 2 < len(edges) else total
        mean_x = x[high:next_high].mean()
        mean_y = values[high:next_high].mean()
        before = kept[part]
        area = np.abs(
            (x[before] - mean_x) * (values[low:high] - values[before])
            - (x[before] - x[low:high]) * (mean_y - values[before])
        )
        kept[part + 1] = low + int(area.argmax())
    return kept


def evenly(total: int, points: int) -> npt.NDArray[np.int64]:
    """Return at most `points` indices spread evenly: for values that have no picture."""
    if points >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, points).astype(np.int64)

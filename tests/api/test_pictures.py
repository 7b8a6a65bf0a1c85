"""Pictures: columns as wide as the screen, peaks and all, and earlier times laid over."""

from tests.history.support import MAIN, PUMP, T0, S, rows

from weft.api.pictures import Asked, picture_of
from weft.backends.memory.history import MemoryHistory
from weft.history.history import History
from weft.history.settings import HistorySettings
from weft.supervision import FakeClock


async def history(*samples: tuple[int, float]) -> History:
    store = MemoryHistory()
    await store.append([rows(list(samples))], 1)
    return History(store, FakeClock(), HistorySettings())


def asked(seconds: int, **more: object) -> Asked:
    return Asked(MAIN, (PUMP,), ("t",), T0, T0 + seconds * S, **more)  # type: ignore[arg-type]  # by name


async def test_a_picture_is_no_wider_than_asked_and_loses_no_peak() -> None:
    """A thousand samples on ten pixels, one of them a spike."""
    kept = await history(*((n, 100.0 if n == 512 else n / 1000) for n in range(1000)))
    (line,) = await picture_of(kept, asked(1000, pixels=10))
    assert len(line.at_ms) <= 11
    assert max(line.values["max"]) == 100.0
    assert min(line.values["min"]) == 0.0
    assert line.at_ms == sorted(line.at_ms)


async def test_an_earlier_time_is_laid_over() -> None:
    """What was measured an hour before stands where it would stand now."""
    kept = await history((0, 1.0), (3600, 2.0))
    later = Asked(MAIN, (PUMP,), ("t",), T0 + 3600 * S, T0 + 3610 * S, pixels=10)
    now = await picture_of(kept, later)
    before = await picture_of(
        kept, Asked(MAIN, (PUMP,), ("t",), later.start, later.end, pixels=10, before_ns=3600 * S)
    )
    assert (now[0].values["mean"], before[0].values["mean"]) == ([2.0], [1.0])
    assert now[0].at_ms == before[0].at_ms


async def test_what_has_no_samples_has_no_line() -> None:
    """An empty picture is an empty list."""
    kept = await history((0, 1.0))
    assert await picture_of(kept, Asked(MAIN, (PUMP,), ("u",), T0, T0 + S)) == []

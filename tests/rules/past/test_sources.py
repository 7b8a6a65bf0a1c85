"""Sources: what history has, as messages; in parts that fit in memory."""

import numpy as np
from tests.rules.past.support import HOUR, Past
from tests.rules.support import MACHINE, MAIN, START, S, device

from weft.model.message import Committed
from weft.ports import HistoryScan, HistoryTrace
from weft.rules.past.sources import BEFORE, Messages, Watched, cleaned, slices, without
from weft.rules.past.tables import make_table


def trace(key: str, *values: float, texts: list[str | None] | None = None) -> HistoryTrace:
    """Samples of the pump, a second apart."""
    at = START + S * np.arange(len(values), dtype=np.int64)
    return HistoryTrace("pump-7", key, at, np.array(values, np.float64), texts)


def test_keys_of_one_moment_are_one_reading() -> None:
    """As the device sent them; of a declared integer an int."""
    nan = float("nan")
    traces = [
        trace("temperature", 60.0, 90.0),
        trace("rpm", 900.0),
        trace("mode", nan, texts=['"run"']),
    ]
    messages = Messages([Watched(device(), MACHINE)])
    (batch,) = messages.batches(make_table(traces, {"pump-7": 0}))
    assert batch.first == BEFORE + 1
    read = [
        (one.received_at, some[0].values)
        for one, some in zip(batch.envelopes, batch.decoded, strict=True)
    ]
    assert read == [
        (START, {"temperature": 60.0, "rpm": 900, "mode": "run"}),
        (START + S, {"temperature": 90.0}),
    ]
    assert type(batch.decoded[0][0].values["rpm"]) is int
    assert batch.envelopes[0].route.type_version == 1
    (later,) = messages.batches(make_table(traces, {"pump-7": 0}), np.array([1]))
    assert (later.first, len(later.envelopes)) == (BEFORE + 3, 1)


def test_what_another_type_has_sent_is_left_out() -> None:
    """The key was a text in an older version; today's rule has a number there."""
    nan = float("nan")
    mixed = trace("temperature", nan, 90.0, texts=['"hot"', None])
    assert cleaned(mixed, MACHINE).values.tolist() == [90.0]
    assert cleaned(mixed, None) is mixed
    assert cleaned(trace("rpm", 1.5, 2.0), MACHINE).values.tolist() == [2.0]
    assert len(cleaned(trace("running", 1.0), MACHINE).at) == 0
    truths = trace("running", nan, nan, texts=["true", '"on"'])
    assert cleaned(truths, MACHINE).texts == ["true"]
    assert cleaned(trace("mode", nan, nan, texts=["true", '"on"']), MACHINE).texts == ['"on"']


async def test_a_long_time_is_read_in_parts_that_fit() -> None:
    """In order, without a gap, and nothing is asked for where there is nothing."""
    past = Past()
    for second in range(20):
        await past.hear(second, {"temperature": 60.0})
    whole = HistoryScan(MAIN, ("pump-7",), ("temperature",), START, START + HOUR)
    parts = [one async for one in slices(past, whole, 5)]
    assert sum(held for _part, held in parts) == 20
    assert all(held <= 5 for _part, held in parts)
    starts = [part.start for part, _held in parts]
    assert starts == sorted(starts)
    assert [one async for one in slices(past, HistoryScan(MAIN, ("x",), ("y",), 0, 9), 5)] == []


async def test_what_history_tells_is_left_out_of_the_journal() -> None:
    """By the moment of the sample, which is never later than its receipt."""
    past = Past()
    await past.hear(0, {"temperature": 60.0}, received=9)
    await past.hear(20, {"temperature": 60.0})
    first, second = past.plant.line.batches
    left = without(Committed(1, first.envelopes, first.decoded), START + 5 * S)
    assert left.decoded == [None]
    assert without(second, START + 5 * S).decoded == second.decoded

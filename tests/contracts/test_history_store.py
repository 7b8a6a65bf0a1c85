"""What `HistoryStore` means, on every backend: late, twice and out of order are all right."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.history.support import FAN, MAIN, OTHER, PUMP, T0, S, ask, points, rows

from weft.backends.duckdb.history import DuckDbHistory
from weft.backends.memory.history import MemoryHistory
from weft.errors import Invalid
from weft.history.settings import HistorySettings
from weft.model.ids import DeviceId
from weft.ports import HistoryScan, HistoryStore, Rows

# Small runs, so that sorting and merging happen in every longer test.
SMALL = HistorySettings(settle_points=7, run_points=1000)


@pytest.fixture(params=["memory", "duckdb", "duckdb that settles"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HistoryStore]:
    """Each backend in turn."""
    if request.param == "memory":
        made: HistoryStore = MemoryHistory()
    else:
        chosen = SMALL if "settles" in request.param else HistorySettings()
        made = await DuckDbHistory.open(tmp_path, chosen)
    yield made
    await made.close()


async def test_what_is_appended_is_read_in_order_of_time(store: HistoryStore) -> None:
    """Samples that come out of order are drawn in order."""
    await store.append([rows([(2, 22.5), (1, 21.5), (3, 23)])], 3)

    table = await store.query(ask())

    assert points(table) == [(1, 21.5), (2, 22.5), (3, 23)]
    assert table.columns["device"] == [PUMP] * 3
    assert table.columns["key"] == ["t"] * 3
    assert table.next is None
    assert store.position == 3


async def test_the_start_is_in_and_the_end_is_out(store: HistoryStore) -> None:
    """Two neighbouring hours share no sample."""
    await store.append([rows([(0, 1), (1, 2), (2, 3)])], 3)
    table = await store.query(ask(start=T0 + S, end=T0 + 2 * S))
    assert points(table) == [(1, 2)]


async def test_a_later_position_wins_over_an_earlier_one(store: HistoryStore) -> None:
    """A gateway that corrects a sample, and one that sends all of its buffer twice."""
    await store.append([rows([(1, 1.0), (2, 2.0), (1, 1.5)], position=1)], 3)
    await store.append([rows([(2, 2.5), (3, 3.0)], position=4)], 5)
    assert points(await store.query(ask())) == [(1, 1.5), (2, 2.5), (3, 3.0)]

    await store.compact()
    await store.append([rows([(3, 3.5)], position=6)], 6)
    assert points(await store.query(ask())) == [(1, 1.5), (2, 2.5), (3, 3.5)]
    await store.compact()
    assert points(await store.query(ask())) == [(1, 1.5), (2, 2.5), (3, 3.5)]


async def test_a_text_wins_over_a_number_and_back(store: HistoryStore) -> None:
    """A free device says 3 and then "three" for one moment; the later word counts."""
    await store.append([rows([(1, 3)], position=1), rows([(1, "three")], position=2)], 2)
    assert points(await store.query(ask())) == [(1, "three")]
    await store.append([rows([(1, 4)], position=3)], 3)
    await store.compact()
    assert points(await store.query(ask())) == [(1, 4)]
    assert points(await store.query(ask(bucket_ns=60 * S, aggregates=("count",))), "count") == [
        (0, 1)
    ]


async def test_the_later_word_counts_however_points_are_sorted(store: HistoryStore) -> None:
    """A number, a text for the same moment, then enough numbers to sort: the text still counts."""
    await store.append([rows([(0, 1)]), rows([(0, "x")], position=2)], 2)
    await store.append([rows([(i, i) for i in range(1, 9)], position=3)], 10)
    assert points(await store.query(ask(limit=1))) == [(0, "x")]
    await store.append([rows([(9, 9)], position=11), rows([(1, "y")], position=12)], 12)
    await store.append([rows([(i, i) for i in range(10, 19)], position=13)], 21)
    await store.compact()
    assert points(await store.query(ask(limit=3))) == [(0, "x"), (1, "y"), (2, 2)]


async def test_every_kind_of_json_value_comes_back(store: HistoryStore) -> None:
    """Free JSON: booleans, strings, nested values, and integers beyond a double."""
    values = [True, False, "on", "", 'a"b\n', {"x": [1, None]}, [1], 2**60, -1.25, 0, 10**400]
    await store.append([rows(list(enumerate(values)))], len(values))
    read = points(await store.query(ask()))
    assert [value for _at, value in read] == values
    assert [type(value) is bool for _at, value in read] == [type(v) is bool for v in values]


async def test_absent_values_are_not_there(store: HistoryStore) -> None:
    """A reading may leave out any of its keys."""
    part = Rows([MAIN] * 2, [PUMP] * 2, [T0, T0 + S], [1, 2], ("t", "u"), ([1, None], [None, 2]))
    await store.append([part], 2)
    table = await store.query(ask(keys=("t", "u")))
    assert points(table) == [(0, 1), (1, 2)]
    assert table.columns["key"] == ["t", "u"]
    assert await store.keys(MAIN, PUMP) == ["t", "u"]


async def test_several_devices_and_keys_come_in_one_order(store: HistoryStore) -> None:
    """By moment, then device, then key; or all of it backwards."""
    parts = [
        rows([(0, 1), (1, 2)], position=1),
        rows([(0, 3), (1, "x")], device=FAN, key="u", position=3),
    ]
    await store.append(parts, 4)
    asked = ask(devices=(PUMP, FAN, DeviceId("none")), keys=("u", "t", "none"))
    table = await store.query(asked)
    assert list(zip(table.columns["device"], points(table), strict=True)) == [
        (FAN, (0, 3)),
        (PUMP, (0, 1)),
        (FAN, (1, "x")),
        (PUMP, (1, 2)),
    ]
    back = await store.query(ask(devices=(PUMP, FAN), keys=("u", "t"), descending=True))
    assert points(back) == points(table)[::-1]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("bucket_ns", [None, 2 * S])
async def test_pages_join_to_the_whole(
    store: HistoryStore, bucket_ns: int | None, *, descending: bool
) -> None:
    """A client that follows the cursor sees each row once, whatever the page size."""
    for device in (PUMP, FAN):
        for number, key in enumerate(("t", "u")):
            part = rows([(i, i + number) for i in range(9)], device=device, key=key)
            await store.append([part], 9)
    shape: dict[str, Any] = {
        "devices": (PUMP, FAN),
        "keys": ("t", "u"),
        "bucket_ns": bucket_ns,
        "descending": descending,
    }
    name = "value" if bucket_ns is None else "mean"
    whole = await store.query(ask(**shape))
    pages: list[Any] = []
    after = None
    while True:
        page = await store.query(ask(**shape, limit=5, after=after))
        pages += zip(page.columns["device"], page.columns["key"], points(page, name), strict=True)
        if page.next is None:
            break
        after = page.next
    expected = zip(whole.columns["device"], whole.columns["key"], points(whole, name), strict=True)
    assert pages == list(expected)


async def test_a_cursor_may_name_a_row_that_has_gone(store: HistoryStore) -> None:
    """The device of the last page was deleted before the next one was asked for."""
    await store.append([rows([(0, 1), (1, 2)]), rows([(0, 3), (1, 4)], device=FAN)], 4)
    asked = ask(devices=(PUMP, FAN), after=(T0, "go-between", "t"))
    assert points(await store.query(asked)) == [(0, 1), (1, 4), (1, 2)]


async def test_buckets_have_every_aggregate(store: HistoryStore) -> None:
    """Two minutes of samples, the second one late, the third empty and left out."""
    await store.append([rows([(0, 1.0), (10, 2.0), (20, 6.0), (190, 5.0), (60, 4.0)])], 5)
    names = ("mean", "min", "max", "sum", "count", "first", "last", "p50", "p99.9")
    table = await store.query(ask(bucket_ns=60 * S, aggregates=names))
    assert [(at - T0) / S for at in table.columns["at"]] == [0, 60, 180]
    first = {name: table.columns[name][0] for name in names}
    assert first.pop("p99.9") == pytest.approx(5.992)
    assert first == {
        "mean": 3.0, "min": 1.0, "max": 6.0, "sum": 9.0, "count": 3, "first": 1.0, "last": 6.0,
        "p50": 2.0,
    }  # fmt: skip
    assert table.columns["mean"][1:] == [4.0, 5.0]


async def test_texts_count_and_are_first_or_last(store: HistoryStore) -> None:
    """A mean of `running` and 3 is the mean of 3; the last word is still the last word."""
    await store.append([rows([(0, "idle"), (1, 3), (2, True), (61, "idle")])], 4)
    names = ("count", "mean", "first", "last", "rate")
    table = await store.query(ask(bucket_ns=60 * S, aggregates=names))
    assert table.columns["count"] == [3, 1]
    assert table.columns["mean"] == [3, None]
    assert table.columns["first"] == ["idle", "idle"]
    assert table.columns["last"] == [True, "idle"]
    assert table.columns["rate"] == [None, None]


async def test_a_rate_survives_the_reset_of_a_counter(store: HistoryStore) -> None:
    """A meter counts 10 a second, starts again at zero, and counts on."""
    await store.append([rows([(0, 100), (10, 200), (20, 300), (30, 50), (70, 450)])], 5)
    table = await store.query(ask(bucket_ns=60 * S, aggregates=("rate",)))
    assert points(table, "rate") == [(0, pytest.approx(250 / 60)), (60, pytest.approx(400 / 60))]


async def test_a_picture_has_fewer_points_and_its_peak(store: HistoryStore) -> None:
    """A thousand samples in ten points: the ends and the spike stay."""
    samples = [(i, math.sin(i / 50) + (9 if i == 333 else 0)) for i in range(1000)]
    await store.append([rows(samples), rows([(i, f"s{i}") for i in range(100)], key="u")], 1000)
    picture = points(await store.query(ask(max_points=10)))
    assert len(picture) == 10
    assert picture[0] == samples[0]
    assert picture[-1] == samples[-1]
    assert max(picture, key=lambda point: point[1])[0] == 333
    texts = points(await store.query(ask(keys=("u",), max_points=10)))
    assert len(texts) == 10
    means = await store.query(ask(bucket_ns=10 * S, max_points=5))
    assert len(means.columns["at"]) == 5


async def test_a_tenant_sees_its_own_alone(store: HistoryStore) -> None:
    """Two tenants have a pump-7 each (TN-1)."""
    await store.append([rows([(0, 1)]), rows([(0, 2)], tenant=OTHER)], 2)
    assert points(await store.query(ask())) == [(0, 1)]
    assert points(await store.query(ask(tenant=OTHER))) == [(0, 2)]
    await store.delete_device(OTHER, PUMP)
    assert points(await store.query(ask())) == [(0, 1)]
    assert points(await store.query(ask(tenant=OTHER))) == []
    assert await store.keys(OTHER, PUMP) == []


async def test_a_deleted_device_leaves_nothing_to_its_namesake(store: HistoryStore) -> None:
    """ID-1: a new pump-7 begins with an empty chart, also after its first samples."""
    samples: list[tuple[int, Any]] = [(i, i) for i in range(20)]
    await store.append([rows([*samples, (30, "x")])], 21)
    await store.delete_device(MAIN, PUMP)
    assert points(await store.query(ask())) == []
    await store.append([rows([(50, 1)], position=22)], 22)
    await store.compact()
    assert points(await store.query(ask())) == [(50, 1)]
    assert await store.keys(MAIN, PUMP) == ["t"]


async def test_old_samples_are_forgotten_by_age(store: HistoryStore) -> None:
    """What was measured before the cut goes, sorted or not, number or text."""
    await store.append([rows([(i, i) for i in range(20)]), rows([(1, "x")], key="u")], 20)
    assert await store.trim(before_at=T0 + 15 * S) == 16
    assert [at for at, _value in points(await store.query(ask()))] == [15, 16, 17, 18, 19]
    assert await store.keys(MAIN, PUMP) == ["t"]
    assert await store.trim(before_at=T0 + 15 * S) == 0


async def test_old_samples_are_forgotten_by_size(store: HistoryStore) -> None:
    """Room for everything forgets nothing; room for nothing forgets all."""
    await store.append([rows([(i, i) for i in range(20)])], 20)
    assert await store.trim(max_bytes=10**9) == 0
    assert await store.trim(max_bytes=0) == 20
    assert points(await store.query(ask())) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket_ns": S, "aggregates": ("median",)},
        {"bucket_ns": S, "aggregates": ("p101",)},
        {"bucket_ns": S, "aggregates": ()},
        {"bucket_ns": S, "aggregates": ("mean",) * 17},
        {"bucket_ns": 0},
        {"limit": 0},
        {"max_points": 0},
        {"start": 2, "end": 1},
    ],
)
async def test_a_query_that_means_nothing_is_refused(
    store: HistoryStore, changes: dict[str, Any]
) -> None:
    """With what to ask instead."""
    with pytest.raises(Invalid) as refused:
        await store.query(ask(**changes))
    assert refused.value.remedy


async def test_an_empty_append_moves_the_position(store: HistoryStore) -> None:
    """Messages that hold no telemetry are behind us all the same."""
    await store.append([], 17)
    assert store.position == 17
    assert points(await store.query(ask())) == []


SAMPLES = st.lists(
    st.tuples(
        st.sampled_from([PUMP, FAN]),
        st.sampled_from(["t", "u"]),
        st.integers(-3, 12),  # seconds; few, so that many meet
        st.integers(-5, 5)
        | st.floats(-10, 10, width=16)
        | st.sampled_from([True, "x", None, 2**60]),
    ),
    max_size=40,
)
QUERIES: list[Callable[[], Any]] = [
    ask,
    lambda: ask(bucket_ns=5 * S, aggregates=("count", "min", "max", "first", "last")),
    lambda: ask(bucket_ns=5 * S, aggregates=("sum", "mean", "p50", "p90", "rate"), descending=True),
    lambda: ask(limit=3, descending=True),
    lambda: ask(max_points=4),
]


@given(SAMPLES, st.integers(1, 12), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
async def test_any_order_of_arrival_gives_the_answers_of_the_naive_store(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Any], batch: int, compact: bool
) -> None:
    """Late, twice, out of order, of changing kind, in batches of any size."""
    naive = MemoryHistory()
    async with opened(tmp_path_factory.mktemp("h")) as real:
        for first in range(0, len(samples), batch):
            part = samples[first : first + batch]
            parts = [
                rows([(second, value)], device=device, key=key, position=first + offset + 1)
                for offset, (device, key, second, value) in enumerate(part)
            ]
            for store in (naive, real):
                await store.append(parts, first + len(part))
        if compact:
            await real.compact()
        for make in QUERIES:
            asked = make()
            query = ask(
                devices=(PUMP, FAN),
                keys=("t", "u"),
                start=T0 - 2 * S,
                bucket_ns=asked.bucket_ns,
                aggregates=asked.aggregates,
                descending=asked.descending,
                limit=asked.limit,
                max_points=asked.max_points,
            )
            expected, got = await naive.query(query), await real.query(query)
            assert got.next == expected.next
            assert list(got.columns) == list(expected.columns)
            for name, column in expected.columns.items():
                assert close(got.columns[name], column), name
        assert await real.keys(MAIN, PUMP) == await naive.keys(MAIN, PUMP)


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[DuckDbHistory]:
    """A store on disk for one example."""
    store = await DuckDbHistory.open(folder, SMALL)
    try:
        yield store
    finally:
        await store.close()


def close(got: Any, expected: Any) -> bool:
    """Equal, and numbers to 12 digits: a sum may be added up in another order."""
    return len(got) == len(expected) and all(
        a == b
        or (
            isinstance(a, float)
            and isinstance(b, float)
            and math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)
        )
        for a, b in zip(got, expected, strict=True)
    )


async def test_a_scan_gives_arrays_with_duplicates_resolved(store: HistoryStore) -> None:
    """Replays and derivations compute on them; numbers, texts, and a key that has both."""
    await store.append(
        [
            rows([(2, 2.0), (1, 1.0), (2, 2.5)], position=1),
            rows([(1, "run")], key="mode", position=4),
            rows([(1, 1), (2, "two"), (3, 3)], key="mixed", position=5),
            rows([(3, "three")], key="mixed", position=8),
            rows([(1, 9.0)], device=FAN, position=9),
            rows([(1, 7.0)], tenant=OTHER, position=10),
        ],
        10,
    )
    scan = HistoryScan(MAIN, (PUMP, FAN), ("t", "mode", "mixed", "gone"), T0, T0 + 4 * S)
    found = {(one.device, one.key): one for one in await store.scan(scan)}
    assert set(found) == {(PUMP, "t"), (PUMP, "mode"), (PUMP, "mixed"), (FAN, "t")}
    plain = found[PUMP, "t"]
    assert (plain.at.tolist(), plain.values.tolist()) == ([T0 + S, T0 + 2 * S], [1.0, 2.5])
    assert plain.texts is None
    assert found[PUMP, "mode"].texts == ['"run"']
    mixed = found[PUMP, "mixed"]
    assert mixed.texts == [None, '"two"', '"three"']
    assert mixed.values.tolist()[0] == 1.0
    assert await store.count(scan) >= 7
    short = HistoryScan(MAIN, (PUMP,), ("t",), T0 + 2 * S, T0 + 3 * S)
    assert [one.at.tolist() for one in await store.scan(short)] == [[T0 + 2 * S]]
    assert await store.count(HistoryScan(MAIN, (), (), T0, T0 + S)) == 0


@pytest.mark.parametrize("again", [False, True])
async def test_buckets_count_each_moment_once_wherever_its_samples_lie(
    store: HistoryStore, *, again: bool
) -> None:
    """Ten samples that have settled, ten that have just come, and some of either sent again."""
    for first in (0, 10):
        await store.append(
            [rows([(n, float(n)) for n in range(first, first + 10)], position=first)], 9
        )
    expected = {"count": [20], "sum": [190.0], "max": [19.0]}
    if again:
        await store.append([rows([(3, 100.0), (15, 200.0)], position=100)], 101)
        expected = {"count": [20], "sum": [190.0 - 18 + 300], "max": [200.0]}
    table = await store.query(
        ask(end=T0 + 60 * S, bucket_ns=3600 * S, aggregates=("count", "sum", "max"))
    )
    assert {name: table.columns[name] for name in expected} == expected

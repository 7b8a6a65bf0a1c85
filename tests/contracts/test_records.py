"""What `Records` means, on every backend."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field
from tests.contracts.support import MAIN, RECORDS

from weft.errors import AlreadyExists, NotFound, StaleVersion, Unavailable
from weft.model.ids import TenantId
from weft.ports import Kind, Records, Writer

OTHER = TenantId("other")


class Pump(Struct, frozen=True):
    """A document with everything that an index can hold."""

    serial: str
    hall: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def _index(pump: Pump) -> dict[str, str]:
    texts = {"serial": pump.serial}
    return {**texts, "hall": pump.hall} if pump.hall else texts


PUMPS = Kind("pump", Pump, index=_index, unique=frozenset({"serial"}))
VALVES = Kind("valve", Pump)


@pytest.fixture(params=sorted(RECORDS))
async def records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Records]:
    store = await RECORDS[request.param](tmp_path)
    yield store
    await store.close()


async def _keys(records: Records, **options: Any) -> list[str]:
    found = await records.read(lambda r: r.list(PUMPS, MAIN, **options))
    return [record.key for record in found]


async def test_a_record_is_read_back_as_it_was_written(records: Records) -> None:
    """A pump is registered; whoever reads it sees what was written, at version 1."""
    pump = Pump("s-1", "north", {"power_kw": 5.5, "tags": ["a", None], "raw": b"\x00\xff"})
    made = await records.write(lambda w: w.insert(PUMPS, MAIN, "p1", pump))

    found = await records.read(lambda r: r.get(PUMPS, MAIN, "p1"))

    assert made == found == ("p1", pump, 1)


async def test_a_stored_value_is_nobodys_alias(records: Records) -> None:
    """A caller goes on editing the dict it gave; the record stays what it was."""
    facts: dict[str, Any] = {"power_kw": 5.5}
    made = await records.write(lambda w: w.put(PUMPS, MAIN, "p1", Pump("s-1", facts=facts)))
    facts["power_kw"] = 900
    made.value.facts["power_kw"] = 901

    found = await records.read(lambda r: r.get(PUMPS, MAIN, "p1"))

    assert found.value.facts == {"power_kw": 5.5}


async def test_a_missing_record_is_none_or_not_found(records: Records) -> None:
    """`find` may return None; `get` raises."""
    assert await records.read(lambda r: r.find(PUMPS, MAIN, "p1")) is None
    with pytest.raises(NotFound):
        await records.read(lambda r: r.get(PUMPS, MAIN, "p1"))


async def test_tenants_and_kinds_do_not_see_each_other(records: Records) -> None:
    """Two tenants name a pump alike, and a valve is named like it: three records (TN-1)."""
    for tenant in (MAIN, OTHER):
        await records.write(lambda w, t=tenant: w.insert(PUMPS, t, "p1", Pump("s-1", t)))  # type: ignore[misc]  # default binds it
    await records.write(lambda w: w.insert(VALVES, MAIN, "p1", Pump("v")))

    found = await records.read(lambda r: r.get(PUMPS, OTHER, "p1"))

    assert found.value.hall == "other"
    assert await records.read(lambda r: r.count(PUMPS, MAIN)) == 1
    assert await records.read(lambda r: r.tenants(PUMPS)) == [MAIN, OTHER]
    assert await records.read(lambda r: r.tenants(VALVES)) == [MAIN]


async def test_an_insert_does_not_replace(records: Records) -> None:
    """The same key, or the same unique text, is there already."""
    await records.write(lambda w: w.insert(PUMPS, MAIN, "p1", Pump("s-1")))

    with pytest.raises(AlreadyExists):
        await records.write(lambda w: w.insert(PUMPS, MAIN, "p1", Pump("s-2")))
    with pytest.raises(AlreadyExists, match="serial"):
        await records.write(lambda w: w.insert(PUMPS, MAIN, "p2", Pump("s-1")))
    with pytest.raises(AlreadyExists):
        await records.write(lambda w: w.put(PUMPS, MAIN, "p2", Pump("s-1")))

    assert await _keys(records) == ["p1"]


async def test_a_unique_text_is_free_again_when_its_holder_lets_go(records: Records) -> None:
    """A pump gets a new serial number, another is deleted: both numbers can be given anew."""
    await records.write(lambda w: w.insert(PUMPS, MAIN, "p1", Pump("s-1")))
    await records.write(lambda w: w.put(PUMPS, MAIN, "p1", Pump("s-2")))
    await records.write(lambda w: w.insert(PUMPS, MAIN, "p2", Pump("s-1")))
    await records.write(lambda w: w.delete(PUMPS, MAIN, "p1"))
    await records.write(lambda w: w.insert(PUMPS, MAIN, "p3", Pump("s-2")))

    assert await _keys(records, where=("serial", "s-2")) == ["p3"]


async def test_a_writer_names_the_version_it_read(records: Records) -> None:
    """Two operators edit one pump; the slower one is told and nothing is lost."""
    await records.write(lambda w: w.put(PUMPS, MAIN, "p1", Pump("s-1"), version=0))
    await records.write(lambda w: w.put(PUMPS, MAIN, "p1", Pump("s-1", "north"), version=1))

    with pytest.raises(StaleVersion):
        await records.write(lambda w: w.put(PUMPS, MAIN, "p1", Pump("s-1", "east"), version=1))
    with pytest.raises(StaleVersion):
        await records.write(lambda w: w.put(PUMPS, MAIN, "p1", Pump("s-1"), version=0))
    with pytest.raises(StaleVersion):
        await records.write(lambda w: w.put(PUMPS, MAIN, "p9", Pump("s-9"), version=3))
    with pytest.raises(StaleVersion):
        await records.write(lambda w: w.delete(PUMPS, MAIN, "p1", version=1))

    found = await records.read(lambda r: r.get(PUMPS, MAIN, "p1"))
    assert (found.value.hall, found.version) == ("north", 2)
    assert await records.write(lambda w: w.delete(PUMPS, MAIN, "p1", version=2))
    assert not await records.write(lambda w: w.delete(PUMPS, MAIN, "p1"))


async def test_lists_go_in_key_order_from_either_end(records: Records) -> None:
    """An operator pages through the pumps, upwards and downwards, all or those of a hall."""
    for number in range(9):
        pump = Pump(f"s-{number}", "north" if number % 2 else "")
        await records.write(lambda w, n=number, p=pump: w.insert(PUMPS, MAIN, f"p{n}", p))  # type: ignore[misc]  # defaults bind them

    assert await _keys(records, limit=3) == ["p0", "p1", "p2"]
    assert await _keys(records, after="p6") == ["p7", "p8"]
    assert await _keys(records, after="p2", limit=2, descending=True) == ["p1", "p0"]
    assert await _keys(records, limit=2, descending=True) == ["p8", "p7"]
    assert await _keys(records, where=("hall", "north"), after="p1", limit=2) == ["p3", "p5"]
    assert await _keys(records, where=("hall", "north"), descending=True, limit=1) == ["p7"]
    assert await _keys(records, where=("hall", "nowhere")) == []
    assert await records.read(lambda r: r.count(PUMPS, MAIN, where=("hall", "north"))) == 4


async def test_a_failed_transaction_leaves_nothing_behind(records: Records) -> None:
    """The second write of a transaction is refused: the first is undone, with its index."""
    await records.write(lambda w: w.insert(PUMPS, MAIN, "p1", Pump("s-1")))

    def work(writer: Writer) -> None:
        writer.insert(PUMPS, MAIN, "p2", Pump("s-2", "north"))
        writer.delete(PUMPS, MAIN, "p1")
        writer.insert(PUMPS, MAIN, "p2", Pump("s-3"))

    with pytest.raises(AlreadyExists):
        await records.write(work)

    assert await _keys(records) == ["p1"]
    assert await _keys(records, where=("hall", "north")) == []


async def test_a_refusal_may_be_caught_and_worked_around(records: Records) -> None:
    """A writer finds its name taken and takes another, in the same transaction."""
    await records.write(lambda w: w.insert(PUMPS, MAIN, "p1", Pump("s-1")))

    def work(writer: Writer) -> str:
        with pytest.raises(AlreadyExists):
            writer.put(PUMPS, MAIN, "p2", Pump("s-1"))
        return writer.insert(PUMPS, MAIN, "p2", Pump("s-2")).key

    assert await records.write(work) == "p2"
    assert await _keys(records) == ["p1", "p2"]


async def test_a_writer_sees_its_own_writes(records: Records) -> None:
    """Within one transaction, what was written before can be read."""

    def work(writer: Writer) -> tuple[int, list[str]]:
        writer.insert(PUMPS, MAIN, "p1", Pump("s-1", "north"))
        writer.put(PUMPS, MAIN, "p1", Pump("s-1", "east"))
        found = writer.list(PUMPS, MAIN, where=("hall", "east"))
        return writer.get(PUMPS, MAIN, "p1").version, [record.key for record in found]

    assert await records.write(work) == (2, ["p1"])


async def test_writers_at_once_fail_alone(records: Records) -> None:
    """Many write at the same time and share a commit; those that fail undo only their own."""

    def work(number: int, writer: Writer) -> int:
        writer.insert(PUMPS, MAIN, f"p{number:03}", Pump(f"s-{number}"))
        if number % 3 == 0:
            raise KeyError(number)
        return number

    outcomes = await asyncio.gather(
        *(records.write(lambda w, n=n: work(n, w)) for n in range(60)),  # type: ignore[misc]  # default binds it
        return_exceptions=True,
    )

    assert [isinstance(o, KeyError) for o in outcomes] == [n % 3 == 0 for n in range(60)]
    assert await _keys(records) == [f"p{n:03}" for n in range(60) if n % 3]


async def test_increments_at_once_are_all_counted(records: Records) -> None:
    """Read and write in one transaction: no update is lost."""
    counter = Kind("counter", int)

    def work(writer: Writer) -> int:
        found = writer.find(counter, MAIN, "c")
        return writer.put(counter, MAIN, "c", found.value + 1 if found else 1).value

    assert sorted(await asyncio.gather(*(records.write(work) for _ in range(40)))) == [
        *range(1, 41)
    ]


async def test_a_closed_store_refuses(records: Records) -> None:
    """During a stop, a late request is told to come back."""
    await records.close()

    with pytest.raises(Unavailable):
        await records.write(lambda w: w.delete(PUMPS, MAIN, "p1"))
    with pytest.raises(Unavailable):
        await records.read(lambda r: r.count(PUMPS, MAIN))


# --- against a model ----------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "ä", "zz", "c"])
PUMP = st.builds(Pump, st.sampled_from(["1", "2", "3"]), st.sampled_from(["", "n", "e"]))
STEP = st.one_of(
    st.tuples(st.just("insert"), KEYS, PUMP, st.none()),
    st.tuples(st.just("put"), KEYS, PUMP, st.none() | st.integers(0, 3)),
    st.tuples(st.just("delete"), KEYS, PUMP, st.none() | st.integers(0, 3)),
)
TRANSACTION = st.tuples(st.lists(STEP, max_size=5), st.booleans())

Model = dict[str, tuple[Pump, int]]


def _apply(model: Model, step: tuple[str, str, Pump, int | None]) -> type[Exception] | None:
    """Do a step on a dict; return what must be raised instead."""
    act, key, pump, version = step
    stored = model[key][1] if key in model else 0
    if act == "delete":
        if stored and version not in {None, stored}:
            return StaleVersion
        model.pop(key, None)
        return None
    if act == "insert" and stored:
        return AlreadyExists
    if act == "put" and version not in {None, stored}:
        return StaleVersion
    if any(p.serial == pump.serial for k, (p, _) in model.items() if k != key):
        return AlreadyExists
    model[key] = pump, stored + 1
    return None


def _do(writer: Writer, step: tuple[str, str, Pump, int | None]) -> type[Exception] | None:
    act, key, pump, version = step
    try:
        if act == "insert":
            writer.insert(PUMPS, MAIN, key, pump)
        elif act == "put":
            writer.put(PUMPS, MAIN, key, pump, version=version)
        else:
            writer.delete(PUMPS, MAIN, key, version=version)
    except (AlreadyExists, StaleVersion) as error:
        return type(error)
    return None


class _RolledBackError(Exception):
    pass


async def _follow(records: Records, transactions: list[tuple[list[Any], bool]]) -> None:
    model: Model = {}
    for steps, fails in transactions:
        trial = dict(model)
        expected = [_apply(trial, step) for step in steps]

        def work(writer: Writer, steps: list[Any] = steps, fails: bool = fails) -> list[Any]:
            outcomes = [_do(writer, step) for step in steps]
            if fails:
                raise _RolledBackError
            return outcomes

        try:
            assert await records.write(work) == expected
            model = trial
        except _RolledBackError:
            assert fails
        found = await records.read(lambda r: r.list(PUMPS, MAIN))
        assert [(r.key, r.value, r.version) for r in found] == [
            (key, *model[key]) for key in sorted(model)
        ]
        for hall in ("n", "e"):
            north = sorted(key for key, (pump, _) in model.items() if pump.hall == hall)
            assert await _keys(records, where=("hall", hall)) == north


@pytest.mark.parametrize("backend", sorted(RECORDS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(transactions=st.lists(TRANSACTION, max_size=8))
def test_any_transactions_do_what_they_do_to_a_dict(
    backend: str, transactions: list[tuple[list[Any], bool]]
) -> None:
    """Whatever is inserted, replaced, deleted, refused and rolled back: as in a dict."""

    async def run(folder: str) -> None:
        records = await RECORDS[backend](Path(folder))
        try:
            await _follow(records, transactions)
        finally:
            await records.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))


async def test_a_record_is_indexed_anew_where_its_kind_says_more_than_when_it_was_written(
    records: Records,
) -> None:
    """A pump of an earlier Weft is found by its hall; its version stays, and once is enough."""
    before = Kind("pump", Pump, index=lambda pump: {"serial": pump.serial, "old": "yes"})
    await records.write(lambda w: w.insert(before, MAIN, "p1", Pump("s-1", "north")))
    assert await _keys(records, where=("hall", "north")) == []

    assert await records.write(lambda w: w.reindex(PUMPS, MAIN, "p1"))

    assert await _keys(records, where=("hall", "north")) == ["p1"]
    assert await _keys(records, where=("serial", "s-1")) == ["p1"]
    assert await _keys(records, where=("old", "yes")) == []
    found = await records.read(lambda r: r.get(PUMPS, MAIN, "p1"))
    assert found == ("p1", Pump("s-1", "north"), 1)
    assert not await records.write(lambda w: w.reindex(PUMPS, MAIN, "p1"))
    with pytest.raises(AlreadyExists):
        await records.write(lambda w: w.insert(PUMPS, MAIN, "p2", Pump("s-1")))


async def test_what_two_records_of_before_share_is_not_made_unique(records: Records) -> None:
    """The index stays as it was; a record that is not there is not indexed."""
    before = Kind("pump", Pump, index=lambda pump: {"hall": pump.hall})
    for key in ("p1", "p2"):
        await records.write(lambda w, key=key: w.insert(before, MAIN, key, Pump("s-1", "north")))  # type: ignore[misc]  # bound now
    assert await records.write(lambda w: w.reindex(PUMPS, MAIN, "p1"))
    with pytest.raises(AlreadyExists):
        await records.write(lambda w: w.reindex(PUMPS, MAIN, "p2"))
    with pytest.raises(NotFound):
        await records.write(lambda w: w.reindex(PUMPS, MAIN, "p3"))
    assert await _keys(records, where=("serial", "s-1")) == ["p1"]
    assert await _keys(records, where=("hall", "north")) == ["p1", "p2"]

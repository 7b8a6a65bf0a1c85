"""Charts and files over the API: pixels, periods, percentiles, formulas defused, tenants."""

import io
from typing import Any

import pytest
from tests.api.support import OTHER, World, scope_of
from tests.api.test_live import Reader

from weft.api.operations import charts
from weft.security.actions import Role

START = 1_772_366_400_000  # 2026-03-01T12:00:00Z, ms
SPAN = "start=2026-03-01T12:00:00Z&end=2026-03-01T13:00:00Z"
TYPE = {"telemetry": {"t": {"type": "number", "unit": "Cel"}, "word": {"type": "string"}}}


async def measured(world: World) -> str:
    """A pump that measured for an hour, and the same an hour before."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=TYPE)
    pump = await world.device("pump-7", type_name="pump")
    for hour in (-1, 0):
        readings = [
            {
                "ts": START + hour * 3_600_000 + n * 60_000,
                "values": {"t": float(n + 100 * hour), "word": "=1+1" if n else "-cmd"},
            }
            for n in range(60)
        ]
        world.clock.turn(3600)
        sent = await world.call("POST", "/devices/me/telemetry", token=pump, body=readings)
        assert sent.status == 200, sent
    return token


async def get(world: World, path: str, token: str) -> Any:
    answer = await world.call("GET", path, token=token)
    assert answer.status == 200, answer
    return answer.json


async def download(world: World, token: str, path: str) -> bytes:
    """Read a file to its end, as a client that stays."""
    reader = Reader()
    scope = scope_of("GET", path, {"authorization": f"Bearer {token}"}, None)
    await world.application(scope, reader.receive, reader.send)
    assert reader.status == 200
    return b"".join(reader.chunks.get_nowait() for _ in range(reader.chunks.qsize()))


async def test_a_chart_has_the_lowest_the_highest_and_the_mean_of_each_pixel(world: World) -> None:
    """With the unit of its key."""
    token = await measured(world)
    found = await get(world, f"/chart?devices=pump-7&keys=t&{SPAN}&pixels=6", token)
    (line,) = found["lines"]
    assert line["unit"] == "Cel"
    assert found["bucket_ms"] == 600_000
    assert line["at_ms"] == [START + n * 600_000 for n in range(6)]
    assert line["values"]["min"] == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    assert line["values"]["max"] == [9.0, 19.0, 29.0, 39.0, 49.0, 59.0]
    assert line["values"]["mean"][0] == 4.5


async def test_periods_are_compared_and_percentiles_asked(world: World) -> None:
    """The hour before, laid over; a bucket of one's own."""
    token = await measured(world)
    path = f"/chart?devices=pump-7&keys=t&{SPAN}&bucket=30m&aggregates=p50,count&compare=1h"
    now, before = (await get(world, path, token))["lines"]
    assert (now["compare"], before["compare"]) == ("", "1h")
    assert now["values"] == {"p50": [14.5, 44.5], "count": [30, 30]}
    assert before["values"]["p50"] == [-85.5, -55.5]
    assert before["at_ms"] == now["at_ms"]


async def test_what_an_aggregate_measures_is_said_of_each(world: World) -> None:
    """A lowest temperature is one, how often it was read is none, a rate is by the second."""
    token = await measured(world)
    path = f"/chart?devices=pump-7&keys=t,word&{SPAN}&bucket=30m&aggregates=min,p50,count,rate"
    told, word = (await get(world, path, token))["lines"]
    assert told["units"] == {"min": "Cel", "p50": "Cel", "count": "", "rate": "Cel/s"}
    assert word["units"] == {"min": "", "p50": "", "count": "", "rate": "1/s"}


async def test_a_chart_of_all_keys_and_of_nothing(world: World) -> None:
    """Without keys all of them; a device that has none has an empty chart."""
    token = await measured(world)
    found = await get(world, f"/chart?devices=pump-7&{SPAN}&aggregates=last", token)
    assert [one["key"] for one in found["lines"]] == ["t", "word"]
    await world.device("fan-1")
    assert (await get(world, "/chart?devices=fan-1", token))["lines"] == []


async def test_a_chart_that_is_too_large_or_makes_no_sense_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is read."""
    token = await measured(world)
    for query in (
        "bucket=0s",
        "compare=0s",
        "aggregates=nonsense",
        "pixels=0",
        "start=2027-01-01T00:00:00Z&end=2026-01-01T00:00:00Z",
    ):
        path = f"/chart?devices=pump-7&keys=t&{query}"
        assert (await world.call("GET", path, token=token)).status == 422, path
    monkeypatch.setattr(charts, "VALUES_MAX", 10)
    answer = await world.call("GET", f"/chart?devices=pump-7&keys=t&{SPAN}", token=token)
    assert answer.status == 413


async def test_csv_is_whole_and_runs_no_formula(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pages of it, each text that a spreadsheet would run with a quote in front."""
    token = await measured(world)
    monkeypatch.setattr(charts, "EXPORT_PAGE", 7)
    content = await download(world, token, f"/history/export?devices=pump-7&{SPAN}&format=csv")
    lines = content.decode().splitlines()
    assert lines[0] == "device,key,at,value"
    assert len(lines) == 1 + 2 * 60
    words = {line.rsplit(",", 1)[1] for line in lines if ",word," in line}
    assert words == {"'=1+1", "'-cmd"}


async def test_parquet_is_a_file_that_others_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moments as moments, numbers as numbers, as many rows as there are."""
    parquet = pytest.importorskip("pyarrow.parquet")
    token = await measured(world)
    monkeypatch.setattr(charts, "EXPORT_PAGE", 7)
    path = f"/history/export?devices=pump-7&keys=t&{SPAN}&format=parquet"
    content = await download(world, token, path)
    table = parquet.read_table(io.BytesIO(content))
    assert table.num_rows == 60
    assert table["value"].to_pylist() == [float(n) for n in range(60)]
    assert parquet.ParquetFile(io.BytesIO(content)).num_row_groups == 9
    buckets = await download(world, token, path + "&bucket=30m&aggregates=max,count")
    assert parquet.read_table(io.BytesIO(buckets))["count"].to_pylist() == [30, 30]


async def test_tn_1_another_tenants_history_is_neither_drawn_nor_exported(world: World) -> None:
    """Nor for somebody who may not read."""
    await measured(world)
    for token, status in (
        (world.admin(OTHER), 404),
        (world.person("nobody"), 403),
        (world.person("vera", Role.VIEWER), 200),
    ):
        for path in ("/chart?devices=pump-7", "/history/export?devices=pump-7"):
            assert (await world.call("GET", path, token=token)).status == status, path

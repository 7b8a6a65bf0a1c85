"""History over the API: raw, in buckets, in pages, as CSV and Arrow."""

import pytest
from tests.api.support import OTHER, World

START = 1_772_366_400_000  # 2026-03-01T12:00:00Z, ms
SPAN = "start=2026-03-01T12:00:00Z&end=2026-03-01T13:00:00Z"


async def measured(world: World) -> str:
    pump = await world.device("pump-7")
    readings = [{"ts": START + n * 60_000, "values": {"t": float(n)}} for n in range(10)]
    answer = await world.call("POST", "/devices/me/telemetry", token=pump, body=readings)
    assert answer.status == 200, answer
    return world.admin()


async def test_raw_samples_come_in_pages(world: World) -> None:
    """Ten samples in pages of four, each once."""
    token = await measured(world)
    seen: list[float] = []
    path = f"/devices/pump-7/history?{SPAN}&limit=4"
    cursor = ""
    while True:
        page = (await world.call("GET", path + cursor, token=token)).json
        seen += [row["value"] for row in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == [float(n) for n in range(10)]


async def test_buckets_hold_aggregates(world: World) -> None:
    """Five minutes each, with the mean and the highest."""
    token = await measured(world)
    path = f"/devices/pump-7/history?{SPAN}&bucket=5m&aggregates=mean,max"
    rows = (await world.call("GET", path, token=token)).json["items"]
    assert [row["aggregates"] for row in rows] == [
        {"mean": 2.0, "max": 4.0},
        {"mean": 7.0, "max": 9.0},
    ]
    assert "value" not in rows[0]


async def test_csv_by_accept_or_by_format(world: World) -> None:
    """The same either way; a page that is not the last links to the next."""
    token = await measured(world)
    path = f"/devices/pump-7/history?{SPAN}&limit=2"
    by_accept = await world.call("GET", path, token=token, headers={"accept": "text/csv"})
    by_format = await world.call("GET", path + "&format=csv", token=token)
    assert by_accept.content == by_format.content
    lines = by_accept.content.decode().splitlines()
    assert lines[0] == "device,key,at,value"
    assert len(lines) == 3
    assert 'rel="next"' in by_accept.headers["link"]


async def test_arrow(world: World) -> None:
    """Columns with moments in nanoseconds, where pyarrow is installed."""
    arrow = pytest.importorskip("pyarrow")
    token = await measured(world)
    answer = await world.call("GET", f"/devices/pump-7/history?{SPAN}&format=arrow", token=token)
    table = arrow.ipc.open_stream(answer.content).read_all()
    assert table.num_rows == 10


async def test_several_devices_and_keys(world: World) -> None:
    """/history takes a list; the keys of a device can be asked for."""
    token = await measured(world)
    fan = await world.device("fan-1")
    body = {"ts": START, "values": {"rpm": 900}}
    await world.call("POST", "/devices/me/telemetry", token=fan, body=body)
    answer = await world.call("GET", f"/history?devices=pump-7,fan-1&{SPAN}", token=token)
    assert {(row["device"], row["key"]) for row in answer.json["items"]} == {
        ("pump-7", "t"),
        ("fan-1", "rpm"),
    }
    keys = await world.call("GET", "/devices/fan-1/history/keys", token=token)
    assert keys.json == {"keys": ["rpm"], "derived": {}}


@pytest.mark.parametrize(
    "query",
    [
        "start=2026-03-01T13:00:00Z&end=2026-03-01T12:00:00Z",
        "start=yesterday",
        "bucket=5",
        "bucket=1ms",
        "bucket=1m&aggregates=median_of_medians",
        "max_points=1",
        "cursor=AAAA",
        "max_points=null",
    ],
)
async def test_what_cannot_be_answered_is_refused(world: World, query: str) -> None:
    """Each with its reason."""
    token = await measured(world)
    answer = await world.call("GET", f"/devices/pump-7/history?keys=t&{query}", token=token)
    assert answer.status == 422, answer


async def test_another_tenants_history_is_not_there(world: World) -> None:
    """By path, by list, or by a cursor of theirs (TN-1)."""
    token = await measured(world)
    other = world.admin(OTHER)
    assert (await world.call("GET", "/devices/pump-7/history", token=other)).status == 404
    assert (await world.call("GET", "/history?devices=pump-7", token=other)).status == 404
    page = await world.call("GET", f"/devices/pump-7/history?{SPAN}&limit=2", token=token)
    await world.device("pump-7", tenant=OTHER)
    theirs = f"/devices/pump-7/history?{SPAN}&keys=t&cursor={page.json['next']}"
    assert (await world.call("GET", theirs, token=other)).status == 422

"""The Prometheus HTTP API as Grafana's data source speaks it: shapes, forms, errors, rights."""

from typing import Any
from urllib.parse import urlencode

from tests.api.support import OTHER, World

NOON = 1_772_366_400  # 2026-03-01T12:00:00Z
ROOT = "/prometheus/api/v1"


async def measured(world: World) -> str:
    """Two pumps that counted for ten minutes; return the token of a key that reads telemetry."""
    world.clock.turn(600)
    for name, step in (("pump-1", 1.0), ("pump-2", 2.0)):
        pump = await world.device(name)
        readings = [
            {"ts": (NOON + n * 60) * 1000, "values": {"energy": n * step}} for n in range(11)
        ]
        sent = await world.call("POST", "/devices/me/telemetry", token=pump, body=readings)
        assert sent.status == 200, sent
    body = {"name": "grafana", "scopes": ["telemetry:read"]}
    made = await world.call("POST", "/keys", token=world.admin(), body=body)
    return str(made.json["token"])


async def get(world: World, token: str, path: str, **asked: Any) -> Any:
    path = f"{ROOT}/{path}" + (f"?{urlencode(asked)}" if asked else "")
    return await world.call("GET", path, token=token)


async def test_an_instant_query_is_a_vector(world: World) -> None:
    """`{status, data: {resultType, result: [{metric, value: [seconds, text]}]}}`."""
    token = await measured(world)
    answer = await get(world, token, "query", query='energy{device="pump-1"}', time=NOON + 600)
    assert answer.json == {
        "status": "success",
        "data": {
            "resultType": "vector",
            "result": [
                {
                    "metric": {"__name__": "energy", "device": "pump-1", "key": "energy"},
                    "value": [NOON + 600, "10"],
                }
            ],
        },
    }


async def test_what_grafana_tests_a_connection_with(world: World) -> None:
    """`1+1` by a form, and who it is that answers."""
    token = await measured(world)
    form = urlencode({"query": "1+1", "time": "4"}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await world.call("POST", f"{ROOT}/query", token=token, body=form, headers=headers)
    assert answer.json["data"] == {"resultType": "scalar", "result": [4.0, "2"]}
    built = (await get(world, token, "status/buildinfo")).json
    assert built["data"]["application"] == "Weft"
    assert (await get(world, token, "metadata")).json == {"status": "success", "data": {}}


async def test_a_range_query_is_a_matrix(world: World) -> None:
    """A value each step, where there is one; by a form and by the address alike."""
    token = await measured(world)
    asked = {
        "query": "sum(rate(energy[5m]))",
        "start": NOON,
        "end": NOON + 600,
        "step": "5m",
        "timeout": "60s",
    }
    by_get = (await get(world, token, "query_range", **asked)).json
    headers = {"content-type": "application/x-www-form-urlencoded"}
    by_form = await world.call(
        "POST", f"{ROOT}/query_range", token=token, body=urlencode(asked).encode(), headers=headers
    )
    assert by_form.json == by_get
    assert by_get["data"]["resultType"] == "matrix"
    (row,) = by_get["data"]["result"]
    assert row["metric"] == {}
    assert row["values"] == [[NOON + 300, "0.05"], [NOON + 600, "0.05"]]


async def test_completion_lists_series_labels_and_values(world: World) -> None:
    """As variables and editors of dashboards ask for them."""
    token = await measured(world)
    found = (await get(world, token, "series", **{"match[]": 'energy{device=~".*-2"}'})).json
    assert found["data"] == [{"__name__": "energy", "device": "pump-2", "key": "energy"}]
    assert "device" in (await get(world, token, "labels")).json["data"]
    names = (await get(world, token, "label/__name__/values")).json
    assert names["data"] == ["energy"]
    some = {"match[]": 'energy{device="pump-2"}'}
    devices = (await get(world, token, "label/device/values", **some)).json
    assert devices["data"] == ["pump-2"]
    assert (await get(world, token, "label/none/values")).json["data"] == []


async def test_errors_have_the_form_that_grafana_shows(world: World) -> None:
    """`{status: error, errorType, error}` with a status of 400, or 422 for what is too much."""
    token = await measured(world)
    for path, asked in (
        ("query", {"query": "histogram_quantile(0.9, x)"}),
        ("query", {"query": "rate(energy[400y])"}),
        ("query", {"query": "energy", "time": "yesterday"}),
        ("query_range", {"query": "energy"}),
        ("query_range", {"query": "energy", "start": 2, "end": 1, "step": 1}),
        ("query_range", {"query": "energy", "start": 0, "end": NOON, "step": 1}),
        ("query_range", {"query": "energy", "start": 0, "end": NOON, "step": "400y"}),
        ("series", {"match[]": "1+1"}),
        ("series", {}),
    ):
        answer = await get(world, token, path, **asked)
        assert (answer.status, answer.json["status"]) == (400, "error"), (path, answer)
        assert answer.json["errorType"] == "bad_data"
        assert answer.json["error"]


async def test_errors_of_that_form_are_documented(world: World) -> None:
    """Beside ours, for who is refused before it is asked."""
    document = (await world.call("GET", "/openapi.json", token=world.admin())).json
    answers = document["paths"]["/api/v1/prometheus/api/v1/query"]["get"]["responses"]
    for status in ("400", "422"):
        assert set(answers[status]["content"]) == {"application/json", "application/problem+json"}


async def test_tn_1_a_key_reads_its_own_tenant_with_its_own_rights(world: World) -> None:
    """Another tenant's key finds nothing; one without telemetry:read, or none, is refused."""
    await measured(world)
    theirs = world.admin(OTHER)
    found = (await get(world, theirs, "query", query="energy", time=NOON + 600)).json
    assert found["data"]["result"] == []
    assert (await get(world, theirs, "label/device/values")).json["data"] == []
    body = {"name": "metrics", "scopes": ["metrics:read"]}
    made = await world.call("POST", "/keys", token=world.admin(), body=body)
    assert (await get(world, made.json["token"], "query", query="energy")).status == 403
    assert (await world.call("GET", f"{ROOT}/query?query=energy")).status == 401

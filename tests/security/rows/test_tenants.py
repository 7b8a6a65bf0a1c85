"""TN-1: two tenants with the same names in one platform, and neither sees the other."""

import asyncio
import json
from typing import Any

import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.security.rows.support import (
    GLOBEX,
    PATIENCE_S,
    House,
    Key,
    nothing_for,
    operator,
    publish,
)

from weft.api.operation import PUBLIC
from weft.api.operations.table import TABLE
from weft.app.compose import MAIN
from weft.wire.mqtt.packets import Publish
from weft.wire.mqtt.reasons import Reason

NAME = "pump-of-main"  # what the other tenant asks for
CANARY = "canary-of-main"  # what it never says itself, so it must never read it
ALL_SCOPES = tuple(
    f"{subject}:*"
    for subject in (
        "devices", "types", "assets", "telemetry", "twins", "commands", "rules", "alarms",
        "work_orders", "connectors", "outbox", "rejections", "lineage", "live", "connections",
        "audit", "health", "openapi", "session",
    )
)  # fmt: skip


async def everything_of_main(house: House) -> list[str]:
    """Fill the first tenant with records that carry a canary; return their ids."""
    pump = await house.enrol(NAME)
    await house.identity.types.save(operator(), NAME, {"title": CANARY})
    rule = await house.weft.path.rules.create(
        operator(),
        {
            "name": NAME,
            "description": CANARY,
            "selector": {"devices": [NAME]},
            "when": "temperature > 80",
            "message": CANARY,
        },
    )
    peer = await house.mqtt(pump)
    topic = f"devices/{NAME}/telemetry"
    await publish(peer, topic, json.dumps({"temperature": 95, "note": CANARY}).encode())
    reported = json.dumps({"note": CANARY}).encode()
    await publish(peer, f"devices/{NAME}/properties/reported", reported)
    await publish(peer, topic, b"{" + CANARY.encode())
    await house.settle()
    key = await house.key("devices:read")
    ids = [NAME, pump.device.uid, pump.secret_id, key.username, str(getattr(rule, "rule_id", ""))]
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await house.weft.path.alarms.list(MAIN)):  # noqa: ASYNC110  no event
            await asyncio.sleep(0.02)
    return [*ids, *(str(getattr(one, "key", "")) for one in found), "1", "2", "me", MAIN]


def ask(url: str, token: str, ids: list[str]) -> int:
    """Ask for everything by every operation, as the other tenant; return how often."""
    # A stream has no end; what it tells is another test's.
    operations = [one for one in TABLE if one.action != PUBLIC and not one.path.endswith("/live")]
    count = 0

    @settings(
        max_examples=600, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(data=st.data())
    def one_call(data: Any) -> None:
        nonlocal count
        operation = data.draw(st.sampled_from(operations))
        path = operation.path
        while "{" in path:
            head, _, rest = path.partition("{")
            path = head + data.draw(st.sampled_from(ids)) + rest.partition("}")[2]
        body = data.draw(st.sampled_from([None, {}, {"name": NAME}, {"device_id": NAME}]))
        query = data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "devices": st.sampled_from(ids),
                    "tenant": st.just(MAIN),
                    "limit": st.just("100"),
                    "keys": st.just("temperature"),
                },
            )
        )
        answer = client.request(operation.method, path.lstrip("/"), json=body, params=query)
        assert answer.status_code < 500, (operation.name, answer.text)
        assert answer.status_code != 429, "a limit hides the answer"
        assert CANARY not in answer.text, operation.name
        count += 1

    with httpx2.Client(
        base_url=f"{url}/api/v1/",
        headers={"Authorization": f"Bearer {token}"},
        timeout=PATIENCE_S,
        trust_env=False,
    ) as client:
        one_call()
    return count


async def test_tn_1_no_operation_reaches_another_tenants_records(house: House) -> None:
    """Hypothesis draws operation, ids, query and body; what is main's is not found, ever."""
    ids = await everything_of_main(house)
    own, key = await house.key(*ALL_SCOPES), await house.key(*ALL_SCOPES, tenant=GLOBEX)
    async with house.http(own.token) as client:
        assert CANARY in (await client.get(f"devices/{NAME}/twin")).text
        assert CANARY in (await client.get(f"types/{NAME}")).text
    before = await snapshot(house)
    assert await asyncio.to_thread(ask, house.http_url, key.token, ids) >= 600
    assert await snapshot(house) == before


async def snapshot(house: House) -> dict[str, int]:
    """How much the first tenant has, by kind."""
    kinds = ("device", "device_type", "device_credential", "service_key", "rule", "alarm")
    stored = house.weft.stores.records

    def work(reader: Any) -> dict[str, int]:
        rows = reader._execute("SELECT kind, version, count(*) FROM record WHERE tenant = ? "
                               "GROUP BY kind, version", (MAIN,))  # fmt: skip
        return {f"{kind} {version}": n for kind, version, n in rows if kind in kinds}

    return await stored.read(work)


async def test_tn_1_another_tenants_device_is_not_found_rather_than_forbidden(
    house: House,
) -> None:
    """404, so that not even its existence is told."""
    await house.enrol(NAME)
    key = await house.key(*ALL_SCOPES, tenant=GLOBEX)
    async with house.http(key.token) as client:
        for path in ("", "/twin", "/connection", "/credentials"):
            there = await client.get(f"devices/{NAME}{path}")
            nowhere = await client.get(f"devices/no-such-device{path}")
            assert there.status_code == nowhere.status_code == 404
            assert there.json()["code"] == nowhere.json()["code"]
        sent = await client.post(f"devices/{NAME}/telemetry", json={"t": 1})
        assert sent.status_code == 404


async def both(house: House) -> tuple[Key, Key]:
    """One business system in each tenant, with every topic of its own."""
    scopes = ("live:read", "telemetry:*", "twins:read", "devices:read")
    return (
        await house.key(*scopes, topics=("#",)),
        await house.key(*scopes, topics=("#",), tenant=GLOBEX),
    )


async def test_tn_1_topics_and_retained_messages_stay_in_their_tenant(house: House) -> None:
    """Both subscribe to everything and use the same topics and client ids."""
    here, there = await both(house)
    ours, theirs = await house.mqtt(here, client_id="x"), await house.mqtt(there, client_id="x")
    assert await ours.subscribe("#") == await theirs.subscribe("#") == [1]
    assert await publish(theirs, "plant/state", b"theirs", retain=True) is Reason.SUCCESS
    assert (await theirs.expect(Publish)).payload == b"theirs"
    await house.settle()
    assert await nothing_for(ours)
    late = await house.mqtt(here, client_id="late")
    await late.subscribe("plant/state")
    assert await nothing_for(late)
    await publish(late, "plant/state", b"", retain=True)  # deletes ours, which is not there
    await house.settle()
    again = await house.mqtt(there, client_id="again")
    await again.subscribe("plant/state")
    assert (await again.expect(Publish)).payload == b"theirs"


async def test_tn_1_devices_of_one_name_have_two_twins_and_two_histories(house: House) -> None:
    """pump-7 is hot in one tenant and cold in the other."""
    here, there = await both(house)
    pumps = await house.enrol("pump-7"), await house.enrol("pump-7", GLOBEX)
    for pump, temperature in zip(pumps, (95, 5), strict=True):
        peer = await house.mqtt(pump)
        payload = json.dumps({"temperature": temperature}).encode()
        assert await publish(peer, "devices/pump-7/telemetry", payload) is Reason.SUCCESS
    await house.settle()
    for key, mine in ((here, 95), (there, 5)):
        async with house.http(key.token) as client:
            twin = (await client.get("devices/pump-7/twin")).json()
            asked = await client.get("devices/pump-7/history", params={"keys": "temperature"})
        assert twin["telemetry"]["temperature"]["value"] == mine
        assert [row["value"] for row in asked.json()["items"]] == [mine]


async def test_tn_1_a_live_stream_tells_of_its_own_tenant_alone(house: House) -> None:
    """Both watch; a message of each; each sees one."""
    here, there = await both(house)
    pumps = await house.enrol("pump-7"), await house.enrol("pump-7", GLOBEX)
    async with (
        house.http(here.token) as first,
        house.http(there.token) as second,
        first.stream("GET", "live") as ours,
        second.stream("GET", "live") as theirs,
    ):
        streams = ours.aiter_lines(), theirs.aiter_lines()
        for lines in streams:
            await anext(lines)
        for pump, temperature in zip(pumps, (95, 5), strict=True):
            peer = await house.mqtt(pump)
            payload = json.dumps({"temperature": temperature}).encode()
            await publish(peer, "devices/pump-7/telemetry", payload)
        seen = [await first_message(lines) for lines in streams]
    assert '"temperature":95' in seen[0]
    assert '"temperature":5' in seen[1]


async def first_message(lines: Any) -> str:
    async with asyncio.timeout(PATIENCE_S):
        async for line in lines:
            if line.startswith("data:") and "telemetry" in line:
                return str(json.loads(line[5:]).get("value", line))
    raise AssertionError("the stream ended")

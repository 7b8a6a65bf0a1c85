"""A tenant's own connector in a whole Weft: made, used, restarted, its secret rotated, deleted."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.contract import SECRET, far_of
from tests.connectors.farside import far_side
from tests.flows.support import connected, make_device, until, until_told
from tests.soak.server import ServerProcess, serving

pytestmark = pytest.mark.slow

RENEWED = "another-key-of-the-far-side-9876543210"
LOOPBACK = 'own_connectors.allow=["127.0.0.1/32"]'
KEYS = ("temperature", "pressure", "speed")  # one fault each: one work order each
RULES = [
    {
        "name": f"high-{key}",
        "when": f"{key} > 80",
        "actions": [{"work_order": {"connector": "erp", "title": "Look at {device}"}}],
    }
    for key in KEYS
]


@pytest.fixture
async def token(tmp_path: Path) -> str:
    return await make_device(tmp_path / "data", "oven-1")


async def say(server: ServerProcess, token: str, key: str) -> None:
    """Send a reading that is too high, and wait until it is acknowledged."""
    async with connected(server, "oven-1", token) as oven:
        oven.send(oven.book.newest + 1, json.dumps({key: 95}).encode(), qos=1)
        await until(lambda: not oven.open, "it is acknowledged")


async def delivered(server: ServerProcess, count: int) -> list[dict[str, Any]]:
    """Wait until so many actions are delivered; return all of them."""

    async def ask() -> Any:
        entries = (await server.get("/outbox"))["items"]
        done = [one for one in entries if one["state"] == "delivered"]
        return entries if len(done) >= count else None

    found: list[dict[str, Any]] = await until_told(ask, f"{count} delivered")
    return found


async def test_from_the_first_order_to_the_last_without_the_operator(
    tmp_path: Path, token: str
) -> None:
    """Made over the API, named by a rule, restarted, rotated, deleted; one record each time."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    far = far_of("odoo", secret)
    async with (
        far_side(far) as side,
        serving(tmp_path / "data", LOOPBACK, "log.level=debug") as server,
    ):
        order = {
            "kind": "odoo",
            "settings": {"url": side.url, "database": "demo"},
            "secrets": {"key": SECRET},
        }
        refused = await server.ask("POST", "/rules", RULES[0])
        assert refused.status_code == 422  # no such connector yet
        tried = await server.post("/connector-trials", order)
        assert tried["worked"], tried
        made = await server.ask("PUT", "/connectors/erp", order)
        assert made.status_code == 200, made.text
        for rule in RULES:
            await server.post("/rules", rule)
        await say(server, token, KEYS[0])
        await delivered(server, 1)
        assert len(far.keys()) == 1

        await server.kill()
        await server.start()
        assert (await server.get("/connectors/erp"))["own"]
        secret.write_text(RENEWED)  # rotated at the far side first
        await say(server, token, KEYS[1])

        async def waits() -> Any:
            entries = (await server.get("/outbox?state=pending"))["items"]
            return entries and "401" in entries[0]["last_error"]

        await until_told(waits, "the far side refuses the old key")
        renewed = {**order, "secrets": {"key": RENEWED}}
        assert (await server.ask("PUT", "/connectors/erp", renewed)).status_code == 200
        await delivered(server, 2)
        assert len(far.keys()) == 2

        refused = await server.ask("DELETE", "/connectors/erp")
        assert refused.status_code == 409
        assert "rules high-pressure, high-speed, high-temperature" in refused.json()["detail"]
        gone = await server.ask("DELETE", "/connectors/erp", params={"force": "true"})
        assert gone.status_code == 204
        await say(server, token, KEYS[2])

        async def stays() -> Any:
            entries = (await server.get("/outbox?state=pending"))["items"]
            return entries and "No connector named 'erp'" in entries[0]["last_error"]

        await until_told(stays, "what waits says why")
        audit = (await server.get("/audit"))["items"]
        acts = [one["action"] for one in audit if one["action"].startswith("connector.")]
        assert sorted(set(acts)) == [
            "connector.create", "connector.delete", "connector.try", "connector.update"
        ]  # fmt: skip
        said = server.said() + json.dumps(audit)
        assert SECRET not in said
        assert RENEWED not in said
    stored = b"".join(
        path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()
    )
    assert SECRET.encode() not in stored
    assert RENEWED.encode() not in stored


async def test_ss_1_loopback_is_not_a_tenants_unless_the_operator_opens_it(tmp_path: Path) -> None:
    """What [outbound] and [events] open is for others; nothing is asked of it."""
    settings = ('outbound.allow=["127.0.0.0/8"]', 'events.allow=["127.0.0.0/8"]')
    async with (
        far_side(far_of("webhook", tmp_path)) as side,
        serving(tmp_path / "data", *settings) as server,
    ):
        order = {"kind": "webhook", "settings": {"url": side.url}, "secrets": {"secret": SECRET}}
        tried = await server.post("/connector-trials", order)
        assert not tried["worked"]
        assert "not a public address" in tried["answer"]
        assert "[own_connectors] allow" in tried["answer"]
        assert side.asked == []

"""Whole stories over real protocols: one message's way to where it matters, and back."""

import json
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.farside import Reply, far_side
from tests.flows.support import connected, make_device, until, until_told
from tests.soak.device import Device
from tests.soak.server import ServerProcess, serving

from weft.connectors.webhook import verify_signature
from weft.errors import Unauthenticated

pytestmark = pytest.mark.slow

SECRET = "a-secret-of-more-than-32-bytes-for-tests-only"
TANK: dict[str, Any] = {
    "title": "Tank",
    "telemetry": {"level": {"type": "number", "unit": "%", "minimum": 0, "maximum": 100}},
}
STEP_MS = 10_000


@pytest.fixture
async def token(tmp_path: Path) -> str:
    return await make_device(tmp_path / "data", "tank-1", "tank", types={"tank": TANK})


@pytest.fixture
async def server(tmp_path: Path, token: str) -> AsyncIterator[ServerProcess]:
    async with serving(tmp_path / "data") as running:
        yield running


async def send(device: Device, *documents: Any) -> None:
    """Send documents one after the other, and wait until they are acknowledged."""
    for document in documents:
        await until(lambda: device.ready and device.open < 20, "there is room for one more")
        device.send(device.book.newest + 1, json.dumps(document).encode(), qos=1)
    await until(lambda: not device.open, "all is acknowledged")


async def test_a_reading_becomes_a_signed_call_to_the_pager(tmp_path: Path, token: str) -> None:
    """The tank runs over: twin, history and alarm have it, and the pager can prove who calls."""
    (tmp_path / "secret").write_text(SECRET)
    rule = {
        "name": "overfull",
        "selector": {"type": "tank"},
        "when": "level > 90",
        "message": "{device} is at {level} %",
        "actions": [{"webhook": {"connector": "pager", "team": "night"}}],
    }
    async with far_side(lambda _asked: Reply(204, b"")) as pager:
        settings = (
            "connectors.pager.kind=webhook",
            f"connectors.pager.url={pager.url}/hook",
            f"connectors.pager.secret=file:{tmp_path / 'secret'}",
            'connectors.pager.allow=["127.0.0.0/8"]',
        )
        async with serving(tmp_path / "data", *settings) as server:
            await server.post("/rules", rule)
            async with connected(server, "tank-1", token) as tank:
                await send(tank, {"level": 42.5}, {"level": 95.5}, {"level": 96})
            twin = await server.get("/devices/tank-1/twin")
            assert twin["telemetry"]["level"]["value"] == 96
            history = await server.pages("/devices/tank-1/history", keys="level")
            assert [row["value"] for row in history] == [42.5, 95.5, 96]
            [alarm] = await server.pages("/alarms")
            assert (alarm["state"], alarm["message"]) == ("active", "tank-1 is at 95.5 %")
            assert alarm["evidence"][0]["position"] == alarm["episode"] == 2
            await until(lambda: pager.asked, "the pager is called")
            await until_told(
                lambda: server.pages("/outbox", state="delivered"), "the call is noted as done"
            )
    [call] = pager.asked
    assert verify_signature(SECRET, call.headers, call.body, time.time())
    with pytest.raises(Unauthenticated):
        verify_signature(SECRET, call.headers, call.body + b" ", time.time())
    event = call.json()
    assert event["subject"] == "tank-1"
    assert event["data"]["alarm"]["alarm_id"] == alarm["alarm_id"]
    assert event["data"]["parameters"]["team"] == "night"


async def test_a_refused_message_is_mended_and_is_history_after_all(
    server: ServerProcess, token: str
) -> None:
    """New firmware sends a key that the type does not know: kept, explained, sent again."""
    async with connected(server, "tank-1", token) as tank:
        await send(tank, {"level": 71, "temperature": 18.5})
        assert "reason 0x99" in tank.book.refused[0], "the device is told in its own protocol"
    [rejection] = await server.pages("/rejections", device="tank-1")
    assert rejection["code"] == "payload_invalid"
    assert "temperature" in rejection["detail"]
    assert rejection["remedy"]
    assert await server.pages("/devices/tank-1/history") == []

    telemetry = {**TANK["telemetry"], "temperature": {"type": "number", "unit": "Cel"}}
    saved = await server.ask("PUT", "/types/tank", {**TANK, "telemetry": telemetry})
    assert saved.is_success, saved.text
    redriven = await server.post(f"/rejections/{rejection['position']}/redrive")
    assert redriven["position"] > rejection["position"]
    assert await server.pages("/rejections", device="tank-1") == []
    rows = await server.pages("/devices/tank-1/history")
    assert {row["key"]: row["value"] for row in rows} == {"level": 71, "temperature": 18.5}
    assert {row["at"] for row in rows} == {rejection["received_at"]}
    twin = await server.get("/devices/tank-1/twin")
    assert twin["telemetry"]["temperature"]["value"] == 18.5


def readings(count: int) -> list[dict[str, Any]]:
    """Return a level that wanders over the limit and back, some readings late or sent twice."""
    chance = random.Random(11)
    began_ms = round(time.time() * 1000) - (count + 1) * STEP_MS
    level, found = 50.0, []
    for number in range(count):
        level = min(100.0, max(0.0, level + (55 - level) / 8 + chance.gauss(0, 12)))
        found.append({"ts": began_ms + number * STEP_MS, "values": {"level": round(level, 2)}})
        if chance.random() < 0.05:
            found.append(chance.choice(found))
    return found


async def test_a_rule_tried_on_the_past_gives_what_it_gave_live(
    server: ServerProcess, token: str
) -> None:
    """Promise 5: the same alarms, from the same samples, at the same moments, none sent."""
    rule = {
        "name": "high",
        "selector": {"type": "tank"},
        "when": "level > 70",
        "for": "20s",
        "clear": "level < 60",
        "clear_for": "10s",
        "message": "{device}: {level}",
    }
    await server.post("/rules", rule)
    async with connected(server, "tank-1", token) as tank:
        await send(tank, *readings(1_000))

    async def settled() -> list[dict[str, Any]]:
        alarms = await server.pages("/alarms", limit=1000)
        health = await server.get("/health")
        return alarms if health["status"] == "ok" else []

    live = await until_told(settled, "alarms were raised")
    begun = await server.post("/rules/high/replay")

    async def ended() -> dict[str, Any] | None:
        replay = await server.get(f"/replays/{begun['replay_id']}")
        return replay if replay["state"] == "done" else None

    tried = await until_told(ended, "the replay ended")
    assert tried["complete"]
    assert (tried["failures"], tried["added"], tried["missing"]) == (0, 0, 0)
    findings = await server.pages(f"/replays/{begun['replay_id']}/findings", limit=1000)
    shown = ("device_id", "severity", "message", "raised_at", "cleared_at", "evidence")
    assert len(live) > 10, "the level wanders too little to prove anything"

    def sorted_by_moment(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        picked = [{key: one[key] for key in shown} for one in found]
        return sorted(picked, key=lambda one: str(one["raised_at"]))

    assert sorted_by_moment(findings) == sorted_by_moment(live)
    assert len(await server.pages("/alarms", limit=1000)) == len(live)

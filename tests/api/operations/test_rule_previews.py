"""Writing a rule over the API: how it would have gone, its faults, and words to complete it."""

from typing import Any

from tests.api.support import OTHER, World

from weft.security.actions import Role

START = 1_772_366_400_000  # 2026-03-01T12:00:00Z, ms
SPAN = {"start": "2026-03-01T12:00:00Z", "end": "2026-03-01T13:00:00Z"}


async def measured(world: World) -> str:
    pump = await world.device("pump-7")
    world.clock.turn(3600)
    readings = [{"ts": START + n * 60_000, "values": {"t": float(n)}} for n in range(10)]
    sent = await world.call("POST", "/devices/me/telemetry", token=pump, body=readings)
    assert sent.status == 200, sent
    return world.person("olga", Role.OPERATOR)


async def test_a_condition_is_shown_on_history(world: World) -> None:
    """When it held, and what it saw."""
    token = await measured(world)
    body = {"when": "t >= 5.0", "device_id": "pump-7", **SPAN}
    found = (await world.call("POST", "/rule-previews", token=token, body=body)).json
    assert found["fault"] is None
    assert [(one["start_ms"] - START, one["holds"]) for one in found["held"]] == [
        (0, False),
        (300_000, True),
    ]
    assert found["inputs"]["t"] == [float(n) for n in range(10)]


async def test_a_fault_is_an_answer_with_its_column(world: World) -> None:
    """Who types is told, and not refused; a time that is empty is refused."""
    token = await measured(world)
    body = {"when": "t >", "device_id": "pump-7"}
    found = await world.call("POST", "/rule-previews", token=token, body=body)
    assert (found.status, found.json["fault"]["column"]) == (200, 4)
    assert found.json["fault"]["remedy"]
    empty = {**body, "start": SPAN["end"], "end": SPAN["start"]}
    assert (await world.call("POST", "/rule-previews", token=token, body=empty)).status == 422


async def test_conditions_are_checked_without_any_device(world: World) -> None:
    """Each with its own column; for the type, which no device follows yet."""
    token = world.admin()
    document = {"telemetry": {"temperature": {"type": "number", "unit": "Cel"}}}
    await world.call("PUT", "/types/pump", token=token, body=document)
    body: dict[str, Any] = {
        "when": "temperature >",
        "clear": "temprature < 70",
        "selector": {"type": "pump"},
    }
    found = await world.call("POST", "/rule-checks", token=token, body=body)
    assert found.status == 200
    assert (found.json["when"]["column"], found.json["clear"]["column"]) == (14, 1)
    assert "temperature" in found.json["clear"]["remedy"]
    assert not found.json["when"]["detail"].startswith("when")
    body |= {"when": "temperature > 80", "clear": ""}
    found = await world.call("POST", "/rule-checks", token=token, body=body)
    assert found.json == {"when": None, "clear": None}


async def test_what_is_no_condition_is_no_fault_of_one(world: World) -> None:
    """A type that is not there, a selector that says nothing, and who may not read rules."""
    token = world.admin()
    body: dict[str, Any] = {"when": "t > 1.0", "selector": {"type": "none"}}
    assert (await world.call("POST", "/rule-checks", token=token, body=body)).status == 404
    body["selector"] = {"devices": "pump-7"}
    assert (await world.call("POST", "/rule-checks", token=token, body=body)).status == 422
    body["selector"], body["scope"] = {}, {"group": "pumps", "asset": "n"}
    assert (await world.call("POST", "/rule-checks", token=token, body=body)).status == 422
    nobody = world.person("nobody")
    assert (await world.call("POST", "/rule-checks", token=nobody, body=body)).status == 403


async def test_tn_1_conditions_are_checked_by_ones_own_types(world: World) -> None:
    """A type of another tenant is not there."""
    document = {"telemetry": {"t": {"type": "number"}}}
    await world.call("PUT", "/types/pump", token=world.admin(), body=document)
    body = {"when": "t > 1.0", "selector": {"type": "pump"}}
    theirs = world.admin(OTHER)
    assert (await world.call("POST", "/rule-checks", token=theirs, body=body)).status == 404


async def test_words_are_those_of_the_type(world: World) -> None:
    """With units; functions with their signatures; without a type those of every device."""
    token = world.admin()
    document = {"telemetry": {"temperature": {"type": "number", "unit": "Cel"}}}
    await world.call("PUT", "/types/pump", token=token, body=document)
    found = (await world.call("GET", "/rule-words?type=pump", token=token)).json
    units = {one["name"]: one["unit"] for one in found["names"]}
    assert units["temperature"] == "Cel"
    signatures = {one["name"]: one["signature"] for one in found["functions"]}
    assert signatures["abs"] == "abs(number)"
    assert "mean" in signatures
    assert (await world.call("GET", "/rule-words", token=token)).status == 200
    assert (await world.call("GET", "/rule-words?type=none", token=token)).status == 404


async def test_tn_1_a_preview_reads_ones_own_devices_alone(world: World) -> None:
    """And only for who may try rules."""
    await measured(world)
    body = {"when": "t > 1.0", "device_id": "pump-7"}
    for token, status in (
        (world.admin(OTHER), 404),
        (world.person("vera", Role.VIEWER), 403),
        (world.person("nobody"), 403),
    ):
        answer = await world.call("POST", "/rule-previews", token=token, body=body)
        assert answer.status == status

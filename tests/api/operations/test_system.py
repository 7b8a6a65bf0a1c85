"""Weft about itself."""

from tests.api.support import World

from weft.security.actions import Role


async def test_liveness_needs_no_credential_and_tells_nothing(world: World) -> None:
    """One word for a load balancer."""
    answer = await world.call("GET", "/health/live")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_health_tells_parts_to_those_who_may_know(world: World) -> None:
    """Where the journal is, who is connected."""
    answer = await world.call("GET", "/health", token=world.admin())
    assert answer.json["parts"] == {"journal": "ok"}
    assert answer.json["status"] == "ok"


async def test_metrics_are_for_prometheus(world: World) -> None:
    """In its text format, with our own counters."""
    token = world.admin()
    await world.call("GET", "/devices", token=token)
    answer = await world.call("GET", "/metrics", token=token)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'weft_api_requests_total{operation="list_devices",status="200"}' in answer.content


async def test_whoami_names_what_one_may_do(world: World) -> None:
    """A viewer reads; a device is itself."""
    viewer = await world.call("GET", "/whoami", token=world.person("vera", Role.VIEWER))
    assert "device.read" in viewer.json["actions"]
    assert "device.delete" not in viewer.json["actions"]
    device = await world.call("GET", "/whoami", token=await world.device("pump-7"))
    assert "telemetry.write" in device.json["actions"]

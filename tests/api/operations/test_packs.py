"""Packs over the API: seen, installed, their samples read, and taken away."""

import json

import pytest
from tests.api.support import OTHER, World

from weft.security.actions import Role

NAME = "predictive-maintenance"


async def test_a_pack_is_seen_installed_and_taken_away(world: World) -> None:
    """From the list to its rules, and back to nothing."""
    token = world.admin()
    listed = await world.call("GET", "/packs?limit=1", token=token)
    assert len(listed.json["items"]) == 1
    every = await world.call("GET", "/packs", token=token)
    assert NAME in {one["pack"] for one in every.json["items"]}
    shown = (await world.call("GET", f"/packs/{NAME}", token=token)).json
    assert "vibration-sensor" in shown["types"]
    assert shown["sources"]
    assert shown["installed"] == []

    body = {"prefix": "n-"}
    done = await world.call("POST", f"/packs/{NAME}/install", token=token, body=body)
    assert {step["outcome"] for step in done.json["steps"]} == {"add"}
    rules = await world.call("GET", "/rules", token=token)
    assert {one["rule_id"] for one in rules.json["items"]} == {
        f"n-{name}" for name in shown["rules"]
    }
    shown = (await world.call("GET", f"/packs/{NAME}", token=token)).json
    (install,) = shown["installed"]
    assert (install["prefix"], install["complete"]) == ("n-", True)

    gone = await world.call("DELETE", f"/packs/{NAME}?prefix=n-&dry_run=true", token=token)
    assert {step["outcome"] for step in gone.json["steps"]} == {"delete"}
    gone = await world.call("DELETE", f"/packs/{NAME}?prefix=n-", token=token)
    assert gone.status == 200
    assert (await world.call("GET", "/rules", token=token)).json["items"] == []
    assert (await world.call("DELETE", f"/packs/{NAME}", token=token)).status == 404


async def test_samples_are_telemetry_messages_that_end_when_asked(world: World) -> None:
    """One a line, in order, the newest at the end that was asked for."""
    token = world.admin()
    path = f"/packs/{NAME}/samples?device=pump-1-sensor&end=2026-03-01T12:00:00Z"
    lines = [
        json.loads(line)
        for line in (await world.call("GET", path, token=token)).content.splitlines()
    ]
    moments = [line["ts"] for line in lines]
    assert moments == sorted(moments)
    assert moments[-1] == 1_772_366_400_000
    assert all(line["values"].keys() >= {"velocity_rms"} for line in lines)
    missing = await world.call("GET", f"/packs/{NAME}/samples?device=x", token=token)
    assert (missing.status, "pump-1-sensor" in missing.json["remedy"]) == (404, True)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_only_an_admin_installs_and_everybody_reads(world: World, role: Role) -> None:
    """Rules act with the rights of whoever saved them."""
    token = world.person("eve", role)
    assert (await world.call("GET", "/packs", token=token)).status == 200
    install = await world.call("POST", f"/packs/{NAME}/install", token=token, body={})
    remove = await world.call("DELETE", f"/packs/{NAME}", token=token)
    assert (install.status, remove.status) == (403, 403)


async def test_a_tenant_installs_for_itself(world: World) -> None:
    """What one has installed, another neither sees nor can take away."""
    done = await world.call("POST", f"/packs/{NAME}/install", token=world.admin())
    assert done.status == 200
    other = world.admin(OTHER)
    shown = await world.call("GET", f"/packs/{NAME}", token=other)
    assert shown.json["installed"] == []
    assert (await world.call("DELETE", f"/packs/{NAME}", token=other)).status == 404

"""Device types over the API: saved from YAML or JSON, version by version."""

from tests.api.support import OTHER, World

from weft.security.actions import Role

PUMP = b"telemetry:\n  temperature: {type: number, unit: Cel}\n"
YAML = {"content-type": "application/yaml"}


async def test_a_type_is_saved_and_each_change_is_a_version(world: World) -> None:
    """YAML first, JSON later; the same document again changes nothing."""
    token = world.admin()
    first = await world.call("PUT", "/types/pump", token=token, body=PUMP, headers=YAML)
    assert (first.status, first.json["version"]) == (200, 1)
    same = await world.call("PUT", "/types/pump", token=token, body=PUMP, headers=YAML)
    assert same.json["version"] == 1
    temperature = {"type": "number", "unit": "Cel"}
    wider = {"telemetry": {"temperature": temperature, "rpm": {"type": "integer"}}}
    second = await world.call("PUT", "/types/pump", token=token, body=wider)
    assert (second.json["version"], second.headers["etag"]) == (2, '"2"')
    versions = await world.call("GET", "/types/pump/versions", token=token)
    assert versions.json["versions"] == [1, 2]
    old = await world.call("GET", "/types/pump/versions/1", token=token)
    assert "rpm" not in old.json["telemetry"]
    assert (await world.call("GET", "/types/pump/versions/x", token=token)).status == 422
    assert (await world.call("GET", "/types/pump/versions/9", token=token)).status == 404
    assert [t["name"] for t in (await world.call("GET", "/types", token=token)).json["items"]] == [
        "pump"
    ]


async def test_who_has_not_seen_the_latest_does_not_overwrite_it(world: World) -> None:
    """If-Match names the version that was read."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=PUMP, headers=YAML)
    body = {"telemetry": {"rpm": {"type": "integer"}}}
    answer = await world.call(
        "PUT", "/types/pump", token=token, body=body, headers={"if-match": '"7"'}
    )
    assert answer.status == 412


async def test_a_type_in_use_is_not_deleted(world: World) -> None:
    """409 while a pump follows it; another tenant cannot see it at all."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=PUMP, headers=YAML)
    body = {"device_id": "pump-7", "type_name": "pump"}
    await world.call("POST", "/devices", token=token, body=body)
    assert (await world.call("DELETE", "/types/pump", token=token)).status == 409
    assert (await world.call("GET", "/types/pump", token=world.admin(OTHER))).status == 404
    await world.call("DELETE", "/devices/pump-7", token=token)
    assert (await world.call("DELETE", "/types/pump", token=token)).status == 204


async def test_yaml_that_grows_or_does_not_parse_is_refused(world: World) -> None:
    """Aliases are not read; a mistake names its line."""
    token = world.admin()
    bomb = b"a: &a [x, x]\nb: [*a, *a]\n"
    assert (await world.call("PUT", "/types/x", token=token, body=bomb, headers=YAML)).status == 400
    broken = await world.call("PUT", "/types/x", token=token, body=b"a: 1\n b: [", headers=YAML)
    assert broken.status == 400
    assert "line 2" in broken.json["detail"]


async def test_a_change_that_breaks_is_refused_unless_it_is_asked_for(world: World) -> None:
    """Tried first, refused with its place, then allowed; the pump that is there stays behind."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=PUMP, headers=YAML)
    await world.call(
        "POST", "/devices", token=token, body={"device_id": "pump-7", "type_name": "pump"}
    )
    kelvin = {"telemetry": {"temperature": {"type": "number", "unit": "K"}}}

    tried = await world.call("POST", "/types/pump/check", token=token, body=kelvin)
    assert (tried.json["old"], tried.json["new"], tried.json["breaking"]) == (1, None, True)
    refused = await world.call("PUT", "/types/pump", token=token, body=kelvin)
    assert (refused.status, refused.json["code"]) == (409, "breaking_change")
    for answer in (tried.json["differences"][0]["place"], refused.json["detail"]):
        assert "telemetry.temperature.unit" in answer

    allowed = await world.call("PUT", "/types/pump?breaking=allow", token=token, body=kelvin)
    assert (allowed.json["version"], allowed.json["breaking"]) == (2, True)
    versions = await world.call("GET", "/types/pump/versions", token=token)
    assert (versions.json["versions"], versions.json["breaking"]) == ([1, 2], [2])
    changed = await world.call("GET", "/types/pump/versions/1/differences/2", token=token)
    assert changed.json["differences"] == tried.json["differences"]
    assert (await world.call("GET", "/devices/pump-7", token=token)).json["type_version"] == 1
    assert (await world.call("PUT", "/types/pump?breaking=x", token=token, body=kelvin)).status in {
        400,
        422,
    }


async def test_a_type_that_is_not_there_yet_is_checked_as_well(world: World) -> None:
    """A mistake is told with its place, before anything is saved."""
    token = world.admin()
    fresh = await world.call("POST", "/types/fan/check", token=token, body=PUMP, headers=YAML)
    assert (fresh.json["old"], fresh.json["differences"]) == (None, [])
    wrong = {"telemetry": {"rpm": {"type": "nmber"}}}
    refused = await world.call("POST", "/types/fan/check", token=token, body=wrong)
    assert (refused.status, "telemetry.rpm.type" in refused.json["detail"]) == (422, True)
    assert (await world.call("GET", "/types/fan", token=token)).status == 404


async def test_devices_are_migrated_by_an_administrator_only(world: World) -> None:
    """Tried, then done; a viewer may look at the type and not move its devices."""
    token = world.admin()
    await world.call("PUT", "/types/pump", token=token, body=PUMP, headers=YAML)
    body = {"device_id": "pump-7", "type_name": "pump"}
    await world.call("POST", "/devices", token=token, body=body)
    kelvin = {"telemetry": {"temperature": {"type": "number", "unit": "K"}}}
    await world.call("PUT", "/types/pump?breaking=allow", token=token, body=kelvin)

    path = "/types/pump/migrate"
    viewer = world.person("victor", Role.VIEWER)
    assert (await world.call("POST", path, token=viewer, body={})).status == 403
    tried = await world.call("POST", path, token=token, body={"dry_run": True})
    assert (tried.json["moved"], tried.json["dry_run"]) == (1, True)
    done = await world.call("POST", path, token=token, body={"to": 2, "from": 1})
    assert (done.json["moved"], done.json["failing"], done.json["next"]) == (1, [], None)
    assert (await world.call("GET", "/devices/pump-7", token=token)).json["type_version"] == 2

"""Import and export over the API: a job with a report, and a stream that comes back whole."""

import asyncio
from typing import Any

from tests.api.support import MAIN, OTHER, World

from weft.security.actions import Role

CSV = {"content-type": "text/csv"}
NDJSON = {"content-type": "application/x-ndjson"}


async def imported(world: World, content: bytes, query: str = "", headers: Any = CSV) -> Any:
    """Import a file and wait until it is through."""
    admin = world.admin()
    path = f"/devices/import?{query}" if query else "/devices/import"
    begun = await world.call("POST", path, token=admin, body=content, headers=headers)
    assert begun.status == 202, begun
    job = begun.json
    async with asyncio.timeout(30):
        while job["state"] not in ("done", "interrupted"):
            await asyncio.sleep(0.001)
            path = f"/imports/{job['import_id']}"
            job = (await world.call("GET", path, token=admin)).json
    return job


async def test_a_file_is_imported_with_a_report_row_by_row(world: World) -> None:
    """As CSV and as NDJSON, whichever is asked for."""
    content = b"device_id,label,attributes.hall\np-1,Pump,2\n#,,\n"
    job = await imported(world, content)
    assert (job["rows"], job["created"], job["failed"]) == (2, 1, 1)
    path = f"/imports/{job['import_id']}/report"
    csv = await world.call("GET", path, token=world.admin())
    assert csv.headers["content-type"].startswith("text/csv")
    lines = csv.content.decode().splitlines()
    assert lines[0] == "line,device_id,outcome,column,detail,remedy,token"
    assert lines[1] == "2,p-1,created,,,,"
    assert lines[2].startswith("3,#,failed,device_id,")
    ndjson = await world.call(
        "GET", path, token=world.admin(), headers={"accept": "application/x-ndjson"}
    )
    assert b'{"line":2,"device_id":"p-1","outcome":"created"}' in ndjson.content
    shown = await world.call("GET", "/devices/p-1", token=world.admin())
    assert shown.json["attributes"] == {"hall": 2}
    listed = await world.call("GET", "/imports", token=world.admin())
    assert [one["import_id"] for one in listed.json["items"]] == [job["import_id"]]


async def test_secrets_are_shown_once_to_administrators_alone(world: World) -> None:
    """A viewer sees how far it is, and no report."""
    job = await imported(world, b'{"device_id": "p-1"}\n', "credentials=true", NDJSON)
    assert job["secrets"]
    path = f"/imports/{job['import_id']}/report?format=ndjson"
    viewer = world.person("vera", Role.VIEWER, Role.OPERATOR)
    assert (await world.call("GET", path, token=viewer)).status == 403
    first = (await world.call("GET", path, token=world.admin())).json
    sent = await world.call("POST", "/devices/me/telemetry", token=first["token"], body={"rpm": 1})
    assert sent.status == 200
    assert "token" not in (await world.call("GET", path, token=world.admin())).json


async def test_pre_shared_keys_are_shown_once_and_a_factorys_never(world: World) -> None:
    """The report has columns of its own for them; an export has none."""
    brought = "00112233445566778899aabbccddeeff"
    content = f"device_id,psk,psk_identity\nm-1,,\nm-2,{brought},meter-2\n".encode()
    job = await imported(world, content, "credentials=true&kind=psk")
    assert (job["kind"], job["created"], job["secrets"]) == ("psk", 2, True)
    path = f"/imports/{job['import_id']}/report"
    report = await world.call("GET", path, token=world.admin())
    lines = [line.split(",") for line in report.content.decode().splitlines()]
    assert lines[0][-3:] == ["token", "psk_identity", "psk_key"]
    name, key = lines[1][-2:]
    assert world.preshared.find(name).key == key.encode()
    assert lines[2][-2:] == ["meter-2", ""]
    again = await world.call("GET", path, token=world.admin())
    exported = await world.call("GET", "/devices/export", token=world.admin())
    listed = await world.call("GET", "/devices/m-2/credentials", token=world.admin())
    assert listed.json["items"][0]["psk_identity"] == "meter-2"
    for answer in (again, exported, listed, await world.call("GET", "/audit", token=world.admin())):
        assert answer.status == 200
        assert key not in answer.content.decode()
        assert brought not in answer.content.decode()
    assert "psk" not in exported.content.decode()


HEADER = "device_id,type_name,label,lifecycle,attributes,tags,gateway,alias"


async def test_what_is_exported_is_imported_again(world: World) -> None:
    """In both forms; a second import of it changes nothing."""
    content = b'device_id,label,attributes,gateway\np-1,"=1+1","{""a"": [1]}",p-2\np-2,,,\n'
    await imported(world, content)
    for form, headers in (("csv", CSV), ("ndjson", NDJSON)):
        path = f"/devices/export?format={form}"
        exported = await world.call("GET", path, token=world.admin())
        assert exported.status == 200
        job = await imported(world, exported.content, "on_conflict=update", headers)
        assert (job["skipped"], job["failed"]) == (2, 0)
    assert b"'=1+1" in (await world.call("GET", "/devices/export", token=world.admin())).content
    empty = await world.call("GET", "/devices/export", token=world.admin(OTHER))
    assert empty.content.decode().splitlines() == [HEADER]


async def test_a_large_export_comes_page_by_page(world: World) -> None:
    """No device is missing where a page ends, and the header stands once."""
    rows = "".join(f"p-{number:04d}\n" for number in range(1_001))
    await imported(world, f"device_id\n{rows}".encode())
    exported = await world.call("GET", "/devices/export", token=world.admin())
    lines = exported.content.decode().splitlines()
    assert len(lines) == 1_002
    assert len(set(lines)) == 1_002


async def test_a_file_that_cannot_be_read_is_no_job(world: World) -> None:
    """The mistake is in the answer; a body of another kind is refused."""
    admin = world.admin()
    bad = await world.call("POST", "/devices/import", token=admin, body=b"devise_id\n", headers=CSV)
    assert bad.status == 422
    assert "device_id" in bad.json["remedy"]
    other = await world.call("POST", "/devices/import", token=admin, body={"device_id": "p"})
    assert other.status == 415
    assert (await world.call("GET", "/imports", token=admin)).json["items"] == []


async def test_an_import_larger_than_other_bodies_is_taken(world: World) -> None:
    """Up to 16 MiB; beyond that it is told."""
    rows = "".join(f"p-{number},{'x' * 200}\n" for number in range(6_000))
    content = f"device_id,label\n{rows}".encode()
    assert len(content) > world.settings.max_body_bytes
    job = await imported(world, content, "dry_run=true")
    assert job["created"] == 6_000
    begun = await world.call(
        "POST",
        "/devices/import",
        token=world.admin(),
        body=b"x" * (16 * 1024 * 1024 + 1),
        headers=CSV,
    )
    assert begun.status == 413


async def test_an_import_is_its_tenants_own(world: World) -> None:
    """Another tenant neither sees nor ends it."""
    job = await imported(world, b"device_id\np-1\n")
    path, other = f"/imports/{job['import_id']}", world.admin(OTHER)
    for method, name in (
        ("GET", path),
        ("GET", f"{path}/report"),
        ("POST", f"{path}/resume"),
        ("DELETE", path),
    ):
        assert (await world.call(method, name, token=other)).status == 404
    assert (await world.call("POST", f"{path}/resume", token=world.admin())).status == 409
    assert (await world.call("DELETE", path, token=world.admin())).status == 204
    assert (await world.call("GET", path, token=world.admin())).status == 404


async def test_tags_come_with_their_devices(world: World) -> None:
    """Words with spaces between; one that cannot be a tag is told with its column."""
    content = b"device_id,tags\np-1,critical hall-2\np-2,a/b\n"
    job = await imported(world, content)
    assert (job["created"], job["failed"]) == (1, 1)
    assert world.devices.get(MAIN, "p-1").tags == ("critical", "hall-2")

"""Stand-ins as processes: for this machine alone, with text that stays text."""

import asyncio
import stat
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from weft.connectors.standins.desk import DONE, NS_PER_S, Desk
from weft.connectors.standins.odoo import OdooStandIn
from weft.connectors.standins.serving import Served, as_toml, read_or_make_key

KEY = {"Authorization": "bearer k"}
LOAD = "/json/2/maintenance.request/load"


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    served = Served("odoo", OdooStandIn(Desk(lambda: 0), lambda: "k"))
    transport = httpx2.ASGITransport(app=served)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_an_order_is_made_and_listed(client: httpx2.AsyncClient) -> None:
    """For programs and for people; what a device wrote stays text on the page."""
    body = {"fields": ["id", "name"], "data": [["weft.x", "<img src=x onerror=alert(1)>"]]}
    assert (await client.post(LOAD, json=body, headers=KEY)).json()["ids"] == [1]
    [order] = (await client.get("/orders.json")).json()
    assert (order["key"], order["state"]) == ("weft.x", "open")
    page = await client.get("/")
    assert "<img" not in page.text
    assert "&lt;img" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_it_is_for_this_machine_and_reads_no_endless_body(
    client: httpx2.AsyncClient,
) -> None:
    """A name that was rebound to loopback does not come in."""
    stranger = await client.get("/orders.json", headers={"Host": "evil.example"})
    assert stranger.status_code == 400
    large = await client.post(LOAD, content=b"x" * 70_000, headers=KEY)
    assert large.status_code == 413
    refused = await client.post(LOAD, json={})
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/json")


def test_a_key_is_made_once_for_its_owner(tmp_path: Path) -> None:
    """And read again at the next start."""
    path = tmp_path / "key"
    made = read_or_make_key(path)
    assert len(made) > 30
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_key(path) == made


def test_settings_are_written_as_toml() -> None:
    """Any text survives; what it says is what the connector reads."""
    table = {
        "kind": "rest",
        "find": {"query": {"a-b": [["x", "=", '{key}"\\']]}, "once": True, "n": 2},
    }
    assert tomllib.loads(as_toml("erp", table)) == {"connectors": {"erp": table}}


async def test_the_technician_is_at_work_while_it_serves() -> None:
    """Between two looks of the page."""
    now = [0]
    desk = Desk(lambda: now[0], repair_after_s=1)
    served = Served("odoo", OdooStandIn(desk, lambda: "k"))
    order = desk.add("k", {})
    now[0] = 2 * NS_PER_S
    async with asyncio.TaskGroup() as group:
        task = group.create_task(served.keep_working())
        await asyncio.sleep(0)
        task.cancel()
    assert order.state == DONE

"""The stand-in ERP: the connector cannot tell it from Tryton, and a technician is at work."""

import asyncio
import json
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.connectors.support import LOOPBACK, NOON, Plant, alarm, entry

from weft.connectors.base import Tools
from weft.connectors.credentials import Credentials
from weft.connectors.standin import Department, StandIn
from weft.connectors.tryton import TrytonConnector, TrytonSettings
from weft.model.alarm import AlarmState, OutboxState, WorkOrderState
from weft.rules.kinds import ALARMS
from weft.security.outbound import OutboundClient
from weft.supervision import FakeClock

KEY = {"Authorization": "bearer the-key"}
TASKS = "/demo/rest/model/project.work"
S = 10**9


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = StandIn(Department(repair_after_s=45), "the-key", FakeClock())  # type: ignore[arg-type]
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


async def test_a_task_is_made_read_and_listed(client: httpx2.AsyncClient) -> None:
    """A person looks at the page; what a device wrote stays text on it."""
    values = {"name": "<img src=x onerror=alert(1)>", "comment": "Weft work order: 1"}
    made = (await client.post(TASKS, json=values, headers=KEY)).json()
    assert made["id"] == 1
    assert (await client.get(f"{TASKS}/1", headers=KEY)).json() == made
    assert (await client.get("/tasks.json")).json() == [made]
    page = await client.get("/")
    assert "&lt;img src=x" in page.text
    assert "<img" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "bearer x"}, {"Authorization": "é"}])
async def test_without_the_key_there_is_no_rest(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    """As the real one: 401, and nothing happens."""
    encoded = {name: value.encode() for name, value in headers.items()}
    for method, path in (("GET", TASKS), ("POST", TASKS), ("PUT", f"{TASKS}/1")):
        answer = await client.request(method, path, headers=encoded)  # type: ignore[arg-type]
        assert answer.status_code == 401


async def test_a_name_that_is_rebound_to_loopback_does_not_come_in(
    client: httpx2.AsyncClient,
) -> None:
    """A page of another site cannot read the tasks through the visitor's browser."""
    answer = await client.get("/tasks.json", headers={"Host": "evil.example"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", TASKS, b"{", 400),
        ("POST", TASKS, b"[]", 400),
        ("POST", TASKS, b'{"name":""}', 400),
        ("POST", TASKS, b" " * 70_000, 413),
        ("GET", f"{TASKS}/9", b"", 404),
        ("GET", f"{TASKS}/nine", b"", 404),
        ("DELETE", f"{TASKS}/9", b"", 405),
        ("PUT", f"{TASKS}/9", b'{"status":3}', 404),
        ("GET", f"{TASKS}?d=!!!", b"", 400),
        ("GET", f"{TASKS}?d=W1siYSIsIj0iLDFdXQ==", b"", 400),
        ("POST", "/demo/rest/model/ir.chat.channel/post", b'{"resource":"x,1"}', 400),
    ],
)
async def test_a_bad_request_is_answered_as_one(
    client: httpx2.AsyncClient, method: str, path: str, body: bytes, status: int
) -> None:
    """The stand-in never ends with a traceback, either."""
    answer = await client.request(method, path, content=body, headers=KEY)
    assert answer.status_code == status


async def test_a_person_may_end_a_task_themselves(client: httpx2.AsyncClient) -> None:
    """A PUT of the status, as Tryton's own clients do."""
    await client.post(TASKS, json={"name": "x"}, headers=KEY)
    assert (await client.put(f"{TASKS}/1", json={"status": 9}, headers=KEY)).status_code == 400
    done = (await client.put(f"{TASKS}/1", json={"status": 3}, headers=KEY)).json()
    assert done["status"]["name"] == "Done"


def test_the_technician_begins_and_ends_each_task() -> None:
    """Forty-five seconds: fifteen until somebody comes, thirty of work."""
    department = Department(repair_after_s=45)
    task = department.add({"name": "x"}, NOON)
    seen = []
    for seconds in (0, 14, 15, 44, 45, 90):
        department.work(NOON + seconds * S)
        seen.append(task.status)
    assert seen == [1, 1, 2, 2, 3, 3]


def test_with_nobody_at_work_tasks_stay_open() -> None:
    """`--repair-after 0`: the person who watches the demo ends them."""
    department = Department(repair_after_s=0)
    task = department.add({"name": "x"}, NOON)
    department.work(NOON + 10**6 * S)
    assert task.status == 1


def test_tasks_survive_a_restart_in_their_file(tmp_path: Path) -> None:
    """The demo is stopped and started; the tasks and their numbers go on."""
    file = tmp_path / "tasks.json"
    Department(repair_after_s=0, file=file).add({"name": "x"}, NOON)
    again = Department(repair_after_s=0, file=file)
    assert again.tasks[1].name == "x"
    assert again.add({"name": "y"}, NOON).id == 2


def running(folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    command = [sys.executable, "-m", "weft.connectors.standin", "--key-file", folder / "key"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


async def test_the_process_serves_the_connector_from_fault_to_end(tmp_path: Path) -> None:
    """What the demo does: alarm, task, note on clear, technician, work order closed."""
    process, where = running(tmp_path, "--repair-after", "0.5")
    try:
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
        key = f"file:{tmp_path / 'key'}"
        settings = TrytonSettings(url=where["url"], database=where["database"], key=key)
        made = Tools(OutboundClient(LOOPBACK), Credentials(), FakeClock())
        plant, item = Plant(TrytonConnector("erp", settings, made)), entry()
        assert "3 task states" in await plant.erp.test()
        await plant.put(item, raised=alarm(state=AlarmState.CLEARED, cleared_at=NOON))
        await plant.outbox.deliver_due()
        assert (await plant.entry(item)).state is OutboxState.DELIVERED
        await plant.put(item)  # a crash before the store
        await plant.outbox.deliver_due()
        async with asyncio.timeout(30):
            while (await plant.order(item)).state is not WorkOrderState.CLOSED:
                await plant.poller.poll()
                await asyncio.sleep(0.05)
        async with httpx2.AsyncClient(trust_env=False) as client:
            [task] = (await client.get(where["url"] + "/tasks.json")).json()
        assert task["name"] == "Check the bearing of pump-7"
        assert await plant.records.read(lambda r: r.count(ALARMS, item.action.tenant)) == 1
    finally:
        process.terminate()
        process.wait(10)

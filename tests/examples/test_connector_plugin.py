"""The example of a plug-in: installed into an environment of its own, found, and used."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.connectors.farside import Asked, Reply, as_json, far_side
from tests.docs.support import ROOT
from tests.examples.environments import environment_with

PLUGIN = ROOT / "examples" / "connector_plugin"
USE = """
import asyncio, json, sys
from tests.connectors.support import LOOPBACK, MAIN, Plant, alarm, entry
from weft.connectors.credentials import Credentials
from weft.connectors.plugins import installed_kinds
from weft.connectors.registry import make_connectors
from weft.security.outbound import OutboundClient
from weft.supervision import FakeClock

async def use(url):
    table = {"kind": "tickets", "url": url, "key": "env:TICKETS_KEY"}
    made = make_connectors({"erp": table}, outbound=OutboundClient(LOOPBACK),
                           credentials=Credentials(), clock=FakeClock())
    [found] = list(made)
    plant = Plant(found.connector)
    for _ in range(2):
        await plant.put(entry(), raised=alarm())
        await plant.outbox.deliver_due()
    await plant.poller.poll()
    order = await plant.order(entry())
    told = await made.test(MAIN, "erp", plant.clock)
    print(json.dumps({"kinds": installed_kinds(), "state": order.state,
                      "remote": order.remote_id, "told": told}))

asyncio.run(use(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the example in it."""
    return environment_with(PLUGIN, tmp_path_factory.mktemp("environment"))


def tickets() -> Any:
    """The ticket service: one ticket for one name; its one worker is quick."""
    kept: dict[str, dict[str, Any]] = {}

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("x-key") != "the-key":
            return Reply(401, b"", {})
        if asked.path == "/me":
            return as_json({})
        if asked.method == "PUT":
            number = len(kept) + 1
            kept.setdefault(asked.path, {"number": number, "done": True, **asked.json()})
        found = kept.get(asked.path)
        return as_json(found) if found else Reply(404, b"", {})

    answer.kept = kept  # type: ignore[attr-defined]  # looked at by the test
    return answer


async def test_an_installed_package_brings_a_connector(python: Path, tmp_path: Path) -> None:
    """Two deliveries, one ticket; its state comes back; nothing of ours was changed for it."""
    service = tickets()
    async with far_side(service) as side:
        process = await asyncio.create_subprocess_exec(
            python,
            "-c",
            USE,
            side.url,
            cwd=ROOT,
            env={"TICKETS_KEY": "the-key", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    said = json.loads(output.decode().splitlines()[-1])
    assert said["kinds"] == ["tickets"]
    assert (said["state"], said["remote"]) == ("closed", "1")
    assert said["told"] == "The ticket service knows us."
    [(path, ticket)] = service.kept.items()
    assert path.startswith("/tickets/")
    assert ticket["subject"] == "Check the bearing of pump-7"


def test_the_page_shows_the_package_that_is_there() -> None:
    """What a reader copies from the how-to page is what the test has run."""
    page = (ROOT / "docs/howto/write-a-connector.md").read_text("utf-8")
    for line in (
        '[project.entry-points."weft.connectors"]',
        'tickets = "weft_tickets:TicketConnector"',
    ):
        assert line in page
        assert line in (PLUGIN / "pyproject.toml").read_text("utf-8")

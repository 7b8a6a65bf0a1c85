"""SS-1: a connector cannot be pointed at this machine's own services, unless its owner says so."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.security.rows.support import PATIENCE_S, House, house_in, operator, publish

from weft.app.compose import MAIN
from weft.model.alarm import OutboxEntry, OutboxState

RULE = {
    "name": "hot",
    "selector": {"devices": ["pump-7"]},
    "when": "temperature > 80",
    "actions": [{"webhook": {"connector": "pager"}}],
}


@contextmanager
def inner_service() -> Iterator[tuple[int, list[str]]]:
    """A service on the loopback interface, as an administrator's console would be."""
    reached: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reached.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, reached
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def until_tried(house: House) -> OutboxEntry:
    """Wait for the first outcome of the outbox's only entry."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for record in await house.weft.business.outbox.list_entries(MAIN):
                if record.value.attempts or record.value.state is not OutboxState.PENDING:
                    return record.value
            await asyncio.sleep(0.02)


async def deliver(folder: Path, url: str, *more: str) -> OutboxEntry:
    """A pump overheats, and its rule calls a webhook."""
    connector = (
        "connectors.pager.kind=webhook",
        f"connectors.pager.url={url}",
        "connectors.pager.secret=env:WEFT_TEST_PAGER_SECRET",
    )
    async with house_in(folder, *connector, *more) as house:
        pump = await house.enrol("pump-7")
        await house.weft.path.rules.create(operator(), RULE)
        peer = await house.mqtt(pump)
        await publish(peer, "devices/pump-7/telemetry", b'{"temperature": 95}')
        return await until_tried(house)


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_TEST_PAGER_SECRET", "s" * 43)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1"]
)
async def test_ss_1_a_webhook_does_not_reach_this_machine(tmp_path: Path, host: str) -> None:
    """However its address is written; the entry says why, and nothing was asked."""
    with inner_service() as (port, reached):
        entry = await deliver(tmp_path / "data", f"http://{host}:{port}/admin")
    assert reached == []
    assert entry.state is not OutboxState.DELIVERED
    assert entry.last_error


async def test_ss_1_an_owner_may_allow_one_network_for_one_connector(tmp_path: Path) -> None:
    """An on-premise system: allowed by its configuration, and reached."""
    with inner_service() as (port, reached):
        entry = await deliver(
            tmp_path / "data",
            f"http://127.0.0.1:{port}/hook",
            'connectors.pager.allow=["127.0.0.1/32"]',
        )
    assert reached == ["/hook"]
    assert entry.state is OutboxState.DELIVERED

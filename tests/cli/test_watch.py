"""`weft watch` against a real server, through breaks, and as it is typed."""

import asyncio
import io
import json
from itertools import islice
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.platform import make_device, make_folder, send, serving, weft_command

from weft.cli.client import NoServer, Refused
from weft.cli.watch import OPEN_ALARMS, OPEN_ORDERS, PAUSES_S, Watcher, draw


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEFT_URL", "WEFT_TOKEN", "WEFT_DATA"):
        monkeypatch.delenv(name, raising=False)


async def test_what_was_sent_before_is_shown_from_a_position_on(tmp_path: Path) -> None:
    """`--since`, as after a break; as lines, and as JSON for machines."""
    await make_folder(tmp_path, 5)
    async with serving(tmp_path):
        lines = await asyncio.to_thread(
            weft_command, tmp_path, "watch", "--since", "2", "--count", "3", "--kinds", "telemetry"
        )
        assert lines.exit_code == 0, lines.output
        assert [line.rpartition("n=")[2] for line in lines.stdout.splitlines()] == ["2", "3", "4"]
        found = await asyncio.to_thread(
            weft_command, tmp_path, "--json", "watch", "--since", "4", "--count", "1",
            "--devices", "pump-1", "--kinds", "telemetry",
        )  # fmt: skip
        event = json.loads(found.stdout)
        assert (event["event"], event["id"], event["data"]["values"]) == (
            "telemetry",
            "5",
            {"n": 4},
        )


async def test_a_restart_of_the_server_loses_nothing(tmp_path: Path) -> None:
    """The terminal stays open while somebody upgrades: no event is missing, none is twice."""
    token = await make_folder(tmp_path, 3)
    down, up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def pause(_pause_s: float) -> None:
        """The break is seen: the server may come back, and is waited for."""
        loop.call_soon_threadsafe(down.set)
        asyncio.run_coroutine_threadsafe(up.wait(), loop).result(30)

    watcher = Watcher(tmp_path, "main", [("kinds", "telemetry")], since="1", pause=pause)
    events = watcher.events(lambda: None)
    async with serving(tmp_path):
        first = await asyncio.to_thread(lambda: [*islice(events, 2)])
    rest = asyncio.ensure_future(asyncio.to_thread(lambda: [*islice(events, 2)]))
    await down.wait()
    async with serving(tmp_path) as weft:
        for number in (3, 4):
            await asyncio.to_thread(send, weft.endpoints.http, token, "pump-1", number)
        up.set()
        second = await rest
    assert [last_id for _, last_id, _ in [*first, *second]] == ["2", "3", "4", "5"]


async def test_the_screen_is_drawn_from_records_and_events(tmp_path: Path) -> None:
    """Into a console of a test's own."""
    await make_folder(tmp_path, 3)
    output = io.StringIO()
    async with serving(tmp_path):
        watcher = Watcher(tmp_path, "main", [("kinds", "telemetry")], since="1")
        console = Console(file=output, width=100, height=30, force_terminal=True)
        await asyncio.to_thread(draw, watcher, 2, console)
    assert "pump-1" in output.getvalue()
    assert "2 messages" in output.getvalue()


async def test_open_records_are_read_by_their_state(tmp_path: Path) -> None:
    """A thousand cleared alarms do not hide the one that is open."""
    async with serving(tmp_path):
        watcher = Watcher(tmp_path, "main")
        found = await asyncio.to_thread(
            lambda: (
                watcher.records("/alarms", OPEN_ALARMS)
                + watcher.records("/work-orders", OPEN_ORDERS)
            )
        )
    assert found == []
    assert "cleared" not in OPEN_ALARMS
    assert not {"closed", "cancelled"} & set(OPEN_ORDERS)


async def test_a_refusal_and_a_missing_server_end_it(tmp_path: Path) -> None:
    """Trying again would not help; only a server that was there before is waited for."""
    watcher = Watcher(tmp_path, "main")
    with pytest.raises(NoServer):
        next(watcher.events(lambda: None))
    async with serving(tmp_path) as weft:
        await make_device(weft, "pump-1")
        unknown = Watcher(tmp_path, "main", [("kinds", "weather")])
        with pytest.raises(Refused, match="weather"):
            await asyncio.to_thread(next, unknown.events(lambda: None))
        told = await asyncio.to_thread(weft_command, tmp_path, "watch", "--kinds", "weather")
        assert told.exit_code == 1
        assert "Kinds are telemetry" in told.output


def test_pauses_grow_and_end() -> None:
    """A server that is down for an hour is not asked a thousand times a second."""
    assert [*PAUSES_S] == sorted(PAUSES_S)

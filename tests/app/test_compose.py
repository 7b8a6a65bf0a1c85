"""The whole: what was acknowledged is there after every stop, in every view of it."""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.app.support import HOT, add_pump, eventually, opened, send, served, temperatures

from weft.app.compose import MACHINE, MAIN, VERSION, Weft
from weft.errors import ConfigurationError
from weft.model.alarm import AlarmState
from weft.model.ids import DeviceId

PUMP = DeviceId("pump-7")


async def alarms_of(weft: Weft) -> list[tuple[str, AlarmState]]:
    """Return every alarm as (id, state)."""
    return [(one.alarm_id, one.state) for one in await weft.path.alarms.list(MAIN)]


async def test_an_empty_folder_becomes_a_weft_that_only_its_owner_reads(tmp_path: Path) -> None:
    """Keys, databases, certificates: files 0600, folders 0700, whatever the umask was."""
    old = os.umask(0)
    try:
        async with served(tmp_path / "data"):
            made = list((tmp_path / "data").rglob("*"))
    finally:
        os.umask(old)
    names = {path.name for path in made}
    assert {"records.sqlite", "journal.sqlite", "operator.key", "certificates"} <= names
    for path in made:
        if path.exists():  # logs of databases come and go
            wanted = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path


async def test_a_running_server_says_where_and_takes_it_back(tmp_path: Path) -> None:
    """The command line on the machine finds it by the folder alone."""
    async with served(tmp_path) as weft:
        announced = json.loads((tmp_path / "server.json").read_text())
        assert announced == {"http": weft.endpoints.http, "pid": os.getpid(), "version": VERSION}
        assert weft.endpoints.mqtt.startswith("127.0.0.1:")
        assert weft.endpoints.ws == weft.endpoints.http.replace("http", "ws") + "/mqtt"
        assert weft.endpoints.https == weft.endpoints.mqtts == weft.endpoints.wss == ""
    assert not (tmp_path / "server.json").exists()


async def test_a_stop_leaves_no_message_unapplied(tmp_path: Path) -> None:
    """Stopped at once after the last acknowledgement; the next start has nothing to read again."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        for number in range(200):
            await send(weft, pump, b'{"temperature": %d}' % (number % 50))
        head = weft.stores.journal.head
    async with opened(tmp_path) as weft:
        assert weft.replayed == 0
        assert weft.stores.journal.head == head
        assert weft.path.pipeline.durable_position == head
        assert len(await temperatures(weft)) == 200


async def test_twin_history_and_alarms_are_the_same_after_every_restart(tmp_path: Path) -> None:
    """Three lives of one plant: the alarm of the first is cleared in the third, and is one."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, HOT)
        await send(weft, pump, b'{"temperature": 95.5}')
        (raised,) = await eventually(lambda: alarms_of(weft))
        assert raised[1] is AlarmState.ACTIVE
    async with served(tmp_path) as weft:
        assert await alarms_of(weft) == [raised]
        assert weft.path.twins.get(MAIN, PUMP).telemetry["temperature"].value == 95.5
        assert await temperatures(weft) == [95.5]
        await send(weft, pump, b'{"temperature": 96.5}')  # the same episode
    async with served(tmp_path) as weft:
        await send(weft, pump, b'{"temperature": 20.0}')

        async def cleared() -> bool:
            return await alarms_of(weft) == [(raised[0], AlarmState.CLEARED)]

        await eventually(cleared)
        assert await temperatures(weft) == [95.5, 96.5, 20.0]


async def test_a_crash_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """The disk as it is in the middle of a life: a second Weft starts from it."""
    alive, crashed = tmp_path / "alive", tmp_path / "crashed"
    async with served(alive) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, HOT)
        for number in range(20):
            await send(weft, pump, b'{"temperature": %d}' % (85 + number))
        shutil.copytree(alive, crashed)
    async with served(crashed) as weft:
        assert weft.replayed > 0
        assert await temperatures(weft) == [float(85 + number) for number in range(20)]
        assert weft.path.twins.get(MAIN, PUMP).telemetry["temperature"].value == 104
        assert len(await eventually(lambda: alarms_of(weft))) == 1
    async with opened(crashed) as weft:
        assert len(await alarms_of(weft)) == 1


async def test_a_second_process_on_a_folder_is_refused_in_words(tmp_path: Path) -> None:
    """It ends with an exit code, says which folder and what to do, and harms nothing."""
    async with served(tmp_path) as weft:
        command = [sys.executable, "-m", "weft", "up", "--data", str(tmp_path)]
        command += [
            "--set",
            "api.listen=127.0.0.1:0",
            "--set",
            "transports.mqtt.listen=",
            "--set",
            "transports.coap.listen=",
        ]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert "is in use by another process" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        await send(weft, await add_pump(weft), b'{"temperature": 1}')
        assert (tmp_path / "server.json").exists()


async def test_a_port_that_is_taken_is_refused_in_words(tmp_path: Path) -> None:
    """The address stands in the message; nothing is announced."""
    async with served(tmp_path / "one") as weft:
        taken = weft.endpoints.http.removeprefix("http://")
        with pytest.raises(BaseException) as caught:  # noqa: PT011  in a group or alone
            async with served(tmp_path / "two", f"api.listen={taken}"):
                pass
    problem = caught.value
    while isinstance(problem, BaseExceptionGroup):
        (problem,) = problem.exceptions
    assert isinstance(problem, ConfigurationError)
    assert taken in problem.detail
    assert not (tmp_path / "two" / "server.json").exists()


async def test_health_names_each_part(tmp_path: Path) -> None:
    """A connector that was never asked is well until it fails."""
    connector = (
        'connectors.hook={kind="webhook", url="https://hooks.example.com/weft", secret="env:X"}'
    )
    async with served(tmp_path, connector) as weft:
        assert weft.health() == {
            "journal": "ok",
            "connector hook": "ok",
            "certificates": "ok",
            "housekeeping": "ok",
        }


async def test_the_api_answers_on_the_loopback_interface(tmp_path: Path) -> None:
    """Liveness for everybody, the rest for who is known: also from the machine itself."""
    async with served(tmp_path) as weft:
        assert await get(f"{weft.endpoints.http}/api/v1/health/live") == 200
        assert await get(f"{weft.endpoints.http}/api/v1/devices") == 401


async def get(url: str) -> int:
    """Ask and return the status."""

    def ask() -> int:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    return await asyncio.to_thread(ask)


async def test_a_bug_in_one_task_ends_the_process_and_does_not_hang_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that neither serves nor ends is never started anew by who watches over it."""

    async def broken() -> None:
        raise ZeroDivisionError

    async def live_and_break() -> None:
        async with served(tmp_path, "pipeline.checkpoint_s=0.05") as weft:
            pump = await add_pump(weft)
            await send(weft, pump, b'{"temperature": 20.0}')
            monkeypatch.setattr(weft.path.inbox, "checkpoint", broken)
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(live_and_break(), 30)
    assert raised.value.subgroup(ZeroDivisionError) is not None
    monkeypatch.undo()
    async with served(tmp_path) as weft:
        assert await temperatures(weft) == [20.0]

"""The demonstration, as a newcomer starts it: a process, real MQTT, an ERP beside it."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from tests.app.support import served

from weft.app.compose import MACHINE, MAIN
from weft.app.folder import DataFolder
from weft.cli.demo import ErpStandIn, FactoryDemo, run_demo
from weft.cli.demo_screen import DemoScreen
from weft.errors import ConfigurationError

FIRST_WORK_ORDER_S = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_the_first_work_order_is_there_within_a_minute(tmp_path: Path) -> None:
    """A bearing wears, an alarm rises, the ERP has the task; Ctrl-C ends all of it."""
    command = [
        sys.executable,
        "-m",
        "weft",
        "up",
        "--demo",
        "factory",
        "--data",
        str(tmp_path / "d"),
    ]
    for setting in (
        f"api.listen=127.0.0.1:{free_port()}",
        f"transports.mqtt.listen=127.0.0.1:{free_port()}",
        "transports.coap.listen=127.0.0.1:0",
    ):
        command += ["--set", setting]
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stderr=file, stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}
        )
    try:
        deadline = time.monotonic() + FIRST_WORK_ORDER_S
        while "WORK ORDER" not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.25)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    told = output.read_text()
    assert re.search(r"ALARM +pump-1 vibrates at [\d.]+ g", told)
    assert re.search(r"WORK ORDER +Replace the bearing of pump-1", told)
    assert "Traceback" not in told
    assert process.returncode == 0


def test_an_unknown_demonstration_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no demonstration 'fabrik'") as refused:
        run_demo("fabrik", DataFolder(tmp_path), None, ())
    assert "factory" in refused.value.remedy


def test_the_stand_in_ends_with_the_demonstration(tmp_path: Path) -> None:
    with ErpStandIn(tmp_path) as erp:
        assert erp.url.startswith("http://127.0.0.1:")
        assert erp.key_file.stat().st_mode & 0o077 == 0
        process = erp._process
    assert process.poll() is not None


async def test_a_second_start_revokes_its_own_credentials_alone(tmp_path: Path) -> None:
    """A secret that somebody has added to a machine of the plant goes on working."""
    async with served(tmp_path) as weft:
        demo = FactoryDemo(DemoScreen(Console(file=io.StringIO()), "http://127.0.0.1:9"))
        name, _ = await demo._machine(weft, "pump-1")
        device = weft.identity.devices.get(MAIN, name)
        own = await weft.identity.credentials.issue_secret(MACHINE, device, label="mine")
        await demo._machine(weft, "pump-1")
        held = await weft.identity.credentials.list_credentials(device)
        live = [one for one in held if one.revoked_at is None]
    assert len(live) == 2
    assert own.credential.credential_id in {one.credential_id for one in live}

"""mosquitto_pub and mosquitto_sub: what people try first."""

import asyncio
import shutil
from pathlib import Path

import pytest
from tests.interop.mqtt.conftest import Site, furnish
from tests.interop.support import Account, running_weft, until

pytestmark = pytest.mark.skipif(
    not (shutil.which("mosquitto_pub") and shutil.which("mosquitto_sub")),
    reason="mosquitto_pub and mosquitto_sub are not installed (package mosquitto-clients)",
)
BOTH = pytest.mark.parametrize("version", ["311", "5"])


async def run(program: str, port: int, account: Account, *arguments: str) -> tuple[int, str, str]:
    """Run a program to its end; return its code and what it printed."""
    process = await start(program, port, account, *arguments)
    async with asyncio.timeout(20):
        output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


async def start(
    program: str, port: int, account: Account, *arguments: str
) -> asyncio.subprocess.Process:
    signed = ("-h", "127.0.0.1", "-p", str(port), "-u", account.username, "-P", account.token)
    return await asyncio.create_subprocess_exec(
        program,
        *signed,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@BOTH
async def test_a_reader_prints_what_a_device_sends(site: Site, version: str) -> None:
    """The two commands of the tutorial."""
    reader = await start(
        "mosquitto_sub", site.port, site.app, "-V", version, "-q", "2", "-C", "3", "-v",
        "-t", "devices/+/telemetry",
    )  # fmt: skip
    await until(site.weft.filters)
    for qos in "012":
        code, _, errors = await run(
            "mosquitto_pub", site.port, site.pump, "-V", version, "-q", qos,
            "-t", "devices/me/telemetry", "-m", f'{{"rpm":{qos}}}',
        )  # fmt: skip
        assert (code, errors) == (0, "")
    async with asyncio.timeout(10):
        output, _ = await reader.communicate()
    assert output.decode().splitlines() == [
        f'devices/pump-7/telemetry {{"rpm":{qos}}}' for qos in "012"
    ]


@BOTH
async def test_a_wrong_password_is_refused_with_a_reason(site: Site, version: str) -> None:
    wrong = Account(site.pump.username, "guessed")
    code, _, errors = await run(
        "mosquitto_pub", site.port, wrong, "-V", version, "-t", "a", "-m", "b"
    )
    assert code
    assert "user name or password" in errors.lower() or "bad username" in errors.lower()


async def test_a_client_that_does_not_say_who_it_is_is_refused(site: Site) -> None:
    """AU-1."""
    process = await asyncio.create_subprocess_exec(
        "mosquitto_pub", "-h", "127.0.0.1", "-p", str(site.port), "-t", "a", "-m", "b",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        _, errors = await process.communicate()
    assert process.returncode
    assert "not authori" in errors.decode().lower()


@BOTH
async def test_a_retained_message_is_there_for_the_next_reader(site: Site, version: str) -> None:
    await run(
        "mosquitto_pub", site.port, site.app, "-V", version, "-r", "-q", "1", "-t", "site/state",
        "-m", "running",
    )  # fmt: skip
    _, output, _ = await run(
        "mosquitto_sub", site.port, site.app, "-V", version, "-C", "1", "-t", "site/#"
    )
    assert output == "running\n"


@BOTH
async def test_a_session_outlives_a_restart(tmp_path: Path, version: str) -> None:
    """Subscribe, go, restart Weft twice with messages in between, come back: all are there."""
    keeps = ["-V", version, "-c", "-i", "reader", "-q", "1", "-t", "news"]
    if version == "5":
        keeps += ["-x", "3600"]
    async with running_weft(tmp_path) as weft:
        site = await furnish(weft, tmp_path)
        await run("mosquitto_sub", site.port, site.app, *keeps, "-E")
    for number in range(2):
        async with running_weft(tmp_path) as weft:
            await run(
                "mosquitto_pub", weft.mqtt_port, site.app, "-q", "1", "-t", "news",
                "-m", str(number),
            )  # fmt: skip
    async with running_weft(tmp_path) as weft:
        _, output, _ = await run("mosquitto_sub", weft.mqtt_port, site.app, *keeps, "-C", "2")
    assert output.split() == ["0", "1"]


async def test_a_large_message_goes_through_and_a_larger_one_is_refused(site: Site) -> None:
    """MQ-5: 256 KiB with its header."""
    code, _, _ = await run(
        "mosquitto_pub", site.port, site.app, "-V", "5", "-q", "1", "-t", "a", "-m", "x" * 100_000
    )
    assert code == 0
    assert [len(one) for one in await site.weft.payloads()] == [100_000]

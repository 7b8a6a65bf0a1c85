"""What is typed with the warm `weft` is what the real one would have done."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.support import is_free
from tests.flows.support import until
from tests.soak.server import free_port

REAL = Path(sys.executable).parent


def typed(folder: Path, program: Path, line: str) -> tuple[int, str, str]:
    """Type a line into a shell where `weft` is a program; return how it ended, and all it said."""
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={"PATH": f"{program}:{os.defpath}", "HOME": str(folder), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "weft --version",
        "weft devices list",  # no such command
        "weft device list",  # no server in this folder
        "weft rule check --help",
        "WEFT_URL=http://127.0.0.1:9 WEFT_TOKEN=x weft device list",
        "printf 'telemetry: {x: {type: real}}' | weft type save t -",
    ],
)
def test_it_ends_and_says_what_the_real_one_does(
    tmp_path: Path, warm_weft: Path, line: str
) -> None:
    """Its code, its output and its errors, in the folder and environment it is typed in."""
    assert typed(tmp_path, warm_weft, line) == typed(tmp_path, REAL, line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_who_ends_what_was_typed_ends_the_command(
    tmp_path: Path, warm_weft: Path, number: int
) -> None:
    """Ctrl-C and `kill` reach the server, in order; `kill -9` leaves nothing behind."""
    port = free_port()
    command = [str(warm_weft / "weft"), "up", "--data", "d"]
    for setting in (
        f"api.listen=127.0.0.1:{port}",
        f"transports.mqtt.listen=127.0.0.1:{free_port()}",
        "transports.coap.listen=",
    ):
        command += ["--set", setting]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(  # noqa: ASYNC220  takes a millisecond
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    await until(lambda: "Weft is ready" in (tmp_path / "said").read_text(), "it serves")
    process.send_signal(number)
    code = process.wait(30)
    assert code == (-number if number == signal.SIGKILL else 0)
    await until(lambda: is_free(port), "its port is free")

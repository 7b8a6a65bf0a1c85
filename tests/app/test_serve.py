"""`weft up` as a process: what it says when it is ready, and how it goes."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "violet umbrella tangent 88"


@contextmanager
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `weft up` on a folder."""
    command = [sys.executable, "-m", "weft", "up", "--data", str(folder)]
    for setting in (
        "api.listen=127.0.0.1:0",
        "transports.mqtt.listen=127.0.0.1:0",
        "transports.coap.listen=127.0.0.1:0",
    ):
        command += ["--set", setting]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def wait_until_ready(running: subprocess.Popen[str], folder: Path) -> str:
    """Return where the API answers."""
    deadline = time.monotonic() + 60
    while not (folder / "server.json").exists():
        assert running.poll() is None, running.stderr.read() if running.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return str(json.loads((folder / "server.json").read_text())["http"])


def stop(running: subprocess.Popen[str], number: int = signal.SIGTERM) -> str:
    """Stop it in order and return what it has said."""
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    return said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_where_everything_is_and_ends_in_order(tmp_path: Path, number: int) -> None:
    """By Ctrl-C, a service manager or a closed terminal: exit 0, nothing announced, no trace."""
    data = tmp_path / "data"
    with process(data) as running:
        url = wait_until_ready(running, data)
        said = stop(running, number)
    assert "Weft is ready" in said
    assert url in said
    assert str(data) in said.replace("\n", "")
    assert "Traceback" not in said
    assert not (data / "server.json").exists()


def test_a_one_time_link_is_printed_until_somebody_has_signed_up(tmp_path: Path) -> None:
    """A fresh one at each start; with the first administrator they end, the old ones too."""
    with process(tmp_path) as running:
        wait_until_ready(running, tmp_path)
        first = token_in(stop(running))
    with process(tmp_path) as running:
        url = wait_until_ready(running, tmp_path)
        # The link is on the terminal; read as far as it.
        assert running.stderr is not None
        said = ""
        while "Ctrl-C" not in said:
            said += running.stderr.readline()
        second = token_in(said)
        assert second
        assert second != first
        assert sign_up(url, second) == 201
        assert sign_up(url, second) == 401
        stop(running)
    with process(tmp_path) as running:
        url = wait_until_ready(running, tmp_path)
        assert first
        assert sign_up(url, first) == 401
        assert token_in(stop(running)) == ""


def token_in(said: str) -> str:
    """Return the token of the link in what was printed, or nothing."""
    found = re.search(r"/sign-up#(\S+)", said)
    return found[1] if found else ""


def sign_up(url: str, token: str) -> int:
    """Sign up with a link's token and return the status."""
    body = json.dumps({"token": token, "name": "ada", "password": PASSWORD}).encode()
    request = urllib.request.Request(
        f"{url}/api/v1/sign-up",
        body,
        {"Content-Type": "application/json", "Idempotency-Key": uuid.uuid4().hex},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)

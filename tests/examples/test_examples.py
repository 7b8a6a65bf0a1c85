"""The examples run as their page says, and keep what they promise when things break."""

import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.support import ROOT, Reader

from weft.connectors.webhook import sign
from weft.registry.documents import read_document
from weft.rules.documents import read_rule

EXAMPLES = ROOT / "examples"
WAIT_S = 40.0
SEND = "python examples/device_http.py --url http://127.0.0.1:8080 --count 1"
FOLLOW = "python examples/follow_live.py --url http://127.0.0.1:8080 --kinds telemetry"


def load(name: str) -> Any:
    """Return an example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def reader(tmp_path: Path, warm_weft: Path) -> Iterator[Reader]:
    (tmp_path / "examples").symlink_to(EXAMPLES)
    made = Reader(tmp_path, warm_weft)
    yield made
    made.leave()


def wait_until(reader: Reader, terminal: str, pattern: str) -> str:
    """Wait until a terminal shows a pattern; return all that it shows."""
    deadline = time.monotonic() + WAIT_S
    while True:
        shown = reader.shown(terminal)
        if re.search(pattern, shown):
            return shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.05)


def start(reader: Reader) -> None:
    """Start Weft with a cold store that has a token."""
    reader.type("weft up", terminal="weft")
    wait_until(reader, "weft", "Weft is ready")
    reader.type("weft device add cold-1 > cold-1.txt\nTOKEN=$(grep -o -m1 'weft_[^ ]*' cold-1.txt)")


@pytest.mark.timeout(300)
def test_the_page_of_examples_does_what_it_says(reader: Reader) -> None:
    """A newcomer types the page; the receiver is told of one alarm, by Weft."""
    reader.follow(EXAMPLES / "README.md", leave=False)
    shown = wait_until(reader, "receiver", r"weft\.alarm: cold-1 is at")
    assert shown.count("weft.alarm:") == 1
    assert "refused" not in shown
    followed = wait_until(reader, "live", r"\d+ alarm \{")
    assert len(re.findall(r"\d+ telemetry ", followed)) == 10 + 1 + 3


def test_a_device_loses_nothing_while_weft_is_away(reader: Reader) -> None:
    """Weft is stopped while the device measures; every reading is in history, once."""
    start(reader)
    command = "python examples/device_mqtt.py cold-1 --port 1883 --count 60 --interval 0.05"
    reader.type(f'{command} --token "$TOKEN"', terminal="device")
    wait_until(reader, "device", "is connected")
    reader.leave("weft")
    reader.type("weft up", terminal="weft")
    wait_until(reader, "device", "60 readings are on disk")
    csv = reader.type("weft history show cold-1 --keys temperature --format csv")
    assert len(csv.splitlines()) == 1 + 60


def test_a_device_with_a_wrong_token_is_told_and_ends(reader: Reader) -> None:
    """A typing error in the credential ends the program with a reason."""
    start(reader)
    command = "python examples/device_mqtt.py cold-1 --port 1883"
    shown = reader.type(f'{command} --token "${{TOKEN}}x" 2>&1 || true')
    assert "Weft refused us" in shown


def test_readings_wait_in_their_file_until_weft_has_them(reader: Reader) -> None:
    """The device wakes without a connection, and sends everything the next time."""
    start(reader)
    sent = 'python examples/device_http.py --token "$TOKEN" --count 3 --buffer b.jsonl --url'
    reader.type(f"{sent} http://127.0.0.1:9 2>&1 & sleep 1.5; kill $!")
    assert len((reader.folder / "b.jsonl").read_text().splitlines()) == 3
    assert "6 readings are on disk" in reader.type(f"{sent} http://127.0.0.1:8080")
    assert (reader.folder / "b.jsonl").read_text() == ""


def test_a_follower_goes_on_where_it_was(reader: Reader) -> None:
    """The application is stopped while a device sends; it is told of what it missed."""
    start(reader)
    reader.type(
        "weft key add app --scope live:read --scope telemetry:read --json > key.json\n"
        "KEY=$(grep -o 'weft_[^\"]*' key.json)"
    )
    follow, send = f'{FOLLOW} --token "$KEY"', f'{SEND} --token "$TOKEN"'
    reader.type(follow, terminal="app")
    wait_until(reader, "app", "following")
    reader.type(send)
    wait_until(reader, "app", r"\n1 telemetry ")
    reader.leave("app")
    reader.type(f"{send}; {send}")
    reader.type(follow, terminal="app")
    shown = wait_until(reader, "app", r"\n3 telemetry ")
    assert re.findall(r"(?m)^(\d+) telemetry", shown) == ["2", "3"]


def test_the_receiver_believes_what_weft_signs_once() -> None:
    """Our own signature is good, a second delivery is known, everything else is refused."""
    receiver = load("webhook_receiver")
    door, body, now = receiver.Door("secret"), b'{"id":"a","type":"weft.test"}', 1_800_000_000.0
    signature = sign(["secret"], body, int(now))
    assert door.is_new(signature, body, now)
    assert not door.is_new(signature, body, now + 1)
    other = b'{"id":"b","type":"weft.test"}'
    assert door.is_new(sign(["other", "secret"], other, int(now)), other, now)
    for forged, at in (
        (sign(["other"], body, int(now)), now),
        (signature, now + receiver.TOLERANCE_S + 1),
        ("", now),
        ("t=x,v1=y", now),
    ):
        with pytest.raises(receiver.Refused):
            door.is_new(forged, body, at)
    with pytest.raises(receiver.Refused):
        door.is_new(signature, body + b" ", now)


def test_every_document_of_the_examples_is_a_good_one() -> None:
    """Types and rules are read by the readers that Weft has for them."""
    found = sorted(EXAMPLES.glob("*/*.yaml"))
    assert len(found) == 3
    rules = [path for path in found if "when" in read_document(path.read_text(), "document")]
    assert [read_rule(path.read_text())[0].name for path in rules] == ["door", "too-warm"]


@pytest.mark.parametrize("program", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_program_says_how_it_is_used(program: Path) -> None:
    """`--help` works without a server."""
    done = subprocess.run(
        [sys.executable, program, "--help"], capture_output=True, text=True, check=True
    )
    assert "usage:" in done.stdout

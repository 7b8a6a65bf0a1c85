"""A Weft with a webhook connector, and its receiver, which takes or refuses as a test says."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.web.plant import Plant
from tests.web.support import Server

WAIT_S = 30.0
RULE = {
    "name": "too-warm",
    "when": "temperature > 80",
    "severity": "major",
    "message": "{device} is too warm",
    "actions": [{"webhook": {"connector": "alerts", "team": "night shift"}}],
}


class Business:
    """The far side: what it answers, and what it was sent."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self.url = url
        self.status = 204
        self.answer = b""
        self.taken: list[bytes] = []
        self._plant = Plant(server)

    def furnish(self) -> None:
        """Make the rule and the devices whose alarms go out."""
        self.server.call("POST", "/rules", RULE)
        for number in range(4):
            self._plant.add(f"oven-{number}")

    def warm(self, *devices: str) -> None:
        """Let devices be too warm, from now on."""
        for device in devices:
            self._plant.say(device, {"temperature": 95})

    def cool(self, *devices: str) -> None:
        """Let devices be well again, so that the next time is another alarm."""
        for device in devices:
            self._plant.say(device, {"temperature": 20})

    def refuse(self, *devices: str) -> None:
        """Let devices raise alarms, whose actions the far side refuses for good."""
        self.status = 422
        self.warm(*devices)
        deadline = time.monotonic() + WAIT_S
        while len(self.dead()) < len(devices):
            assert time.monotonic() < deadline, "Nothing is dead in the outbox."
            time.sleep(0.1)

    def dead(self) -> list[dict[str, Any]]:
        """What the outbox holds as dead."""
        found: list[dict[str, Any]] = self.server.call("GET", "/outbox?state=dead")["items"]
        return found


@contextmanager
def business_at(folder: Path) -> Iterator[Business]:
    """Start both; end both."""
    held: list[Business] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if held[0].status < 300:
                held[0].taken.append(body)
            self.send_response(held[0].status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(held[0].answer)))
            self.end_headers()
            self.wfile.write(held[0].answer)

        def log_message(self, *_: Any, **__: Any) -> None:
            """Say nothing."""

    far = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{far.server_port}/weft"
    secret = folder / "secret"
    secret.write_text("s" * 43, "utf-8")
    secret.chmod(0o600)
    connector = (
        f'connectors.alerts={{kind="webhook", url="{url}", secret="file:{secret}",'
        ' allow=["127.0.0.1/32"]}'
    )
    here = '["127.0.0.1/32"]'
    opened = ("--set", f"events.allow={here}", "--set", f"own_connectors.allow={here}")
    server = Server(folder / "data", "--set", connector, *opened)
    held.append(Business(server, url))
    thread = threading.Thread(target=far.serve_forever, daemon=True)
    thread.start()
    try:
        server.start()
        server.sign_up()
        held[0].furnish()
        yield held[0]
    finally:
        server.stop()
        far.shutdown()
        far.server_close()
        thread.join(10)

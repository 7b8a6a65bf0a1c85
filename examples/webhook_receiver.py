"""A receiver of Weft's webhooks: believes what is signed, once, and nothing else.

python examples/webhook_receiver.py --secret-file pager.secret [--port 8090]
"""

import argparse
import hashlib
import hmac
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

TOLERANCE_S = 300
BODY_MAX_BYTES = 1 << 20


class Refused(Exception):
    """What came is not a new event of our Weft."""


class Door:
    """Decides what to believe, and remembers what it has seen."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._seen: dict[str, float] = {}
        self._lock = Lock()

    def is_new(self, signature: str, body: bytes, now: float) -> bool:
        """Return whether an event is new; raise `Refused` if it is not from Weft."""
        parts = [part.partition("=") for part in signature.split(",")]
        times = [value for name, _, value in parts if name == "t"]
        if len(times) != 1 or not times[0].isdecimal():
            raise Refused("not signed")
        signed = times[0].encode() + b"." + body
        expected = hmac.new(self._secret, signed, hashlib.sha256).hexdigest().encode()
        claims = [value.encode() for name, _, value in parts if name == "v1"]
        if not any(hmac.compare_digest(expected, claim) for claim in claims):
            raise Refused("signed by somebody else")
        if abs(now - int(times[0])) > TOLERANCE_S:
            raise Refused("too old: somebody plays a recording")
        delivery = json.loads(body)["id"]  # as in Weft-Delivery, and signed
        with self._lock:
            self._seen = {k: at for k, at in self._seen.items() if now - at <= 2 * TOLERANCE_S}
            known = delivery in self._seen
            self._seen[delivery] = now
        return not known


def tell(event: dict[str, Any]) -> None:
    """Do what the event is for; here, print it."""
    alarm = event.get("data", {}).get("alarm", {})
    print(f"{event['type']}: {alarm.get('message', 'no alarm')}", flush=True)


class Handler(BaseHTTPRequestHandler):
    """Answers 2xx once an event is kept, 4xx to what is not ours."""

    door: Door

    def do_POST(self) -> None:
        """Take in one event."""
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= BODY_MAX_BYTES:
            self.send_error(413)
            return
        body = self.rfile.read(length)  # the bytes as they came: they are what is signed
        signature = self.headers.get("Weft-Signature", "")
        try:
            new = self.door.is_new(signature, body, time.time())
        except Refused as refused:
            print(f"refused: {refused}", flush=True)
            self.send_error(401)
            return
        if new:
            tell(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_parts: object) -> None:
        """Say nothing of each request."""


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--secret-file", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8090)
    given = parser.parse_args()
    Handler.door = Door(given.secret_file.read_text().strip())
    server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    print(f"waiting for events on http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()

"""An application that follows live events and misses none while it is away.

Weft streams server-sent events; their ids are places in the journal. The last one is kept in
a file, so after a lost connection, or a restart of either side, the stream goes on behind it.

    python examples/follow_live.py --token KEY [--kinds alarm,telemetry] [--state live.id]
"""

import argparse
import http.client
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

SILENCE_S = 60.0  # Weft says something every 15 s; who is silent for longer is gone
PAUSE_S = 1.0
LINE_MAX_BYTES = 4 << 20


class Event(NamedTuple):
    """One server-sent event."""

    id: str
    kind: str
    data: Any


def events_of(answer: http.client.HTTPResponse) -> Iterator[Event]:
    """Yield the events of a stream until it ends."""
    event_id, kind, data = "", "message", ""
    while line := answer.readline(LINE_MAX_BYTES):
        name, _, value = line.decode().rstrip("\r\n").partition(": ")
        match name:
            case "id":
                event_id = value
            case "event":
                kind = value
            case "data":
                data += value
            case "" if not value:
                if data:
                    yield Event(event_id, kind, json.loads(data))
                kind, data = "message", ""


def follow(url: str, token: str, kinds: str, state: Path) -> Iterator[Event]:
    """Yield events for ever, from where the last run ended."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    opener = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    while True:
        connection = opener(parts.netloc, timeout=SILENCE_S)
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if state.exists():
            headers["Last-Event-ID"] = state.read_text()
        try:
            connection.request("GET", f"/api/v1/live?kinds={quote(kinds)}", headers=headers)
            answer = connection.getresponse()
            if answer.status in (401, 403, 422):
                raise SystemExit(f"refused: {answer.read().decode()}")
            if answer.status == http.client.OK:
                print("following", file=sys.stderr, flush=True)
                for event in events_of(answer):
                    yield event
                    if event.id:  # after it was dealt with, so that a crash repeats, not skips
                        whole = state.with_suffix(".new")
                        whole.write_text(event.id)
                        whole.replace(state)
        except (OSError, http.client.HTTPException) as error:
            print(f"the stream broke: {error!r}", file=sys.stderr, flush=True)
        finally:
            connection.close()
        time.sleep(PAUSE_S)


def main() -> None:
    """Print what happens."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--token", required=True, help="of a service key with live:read")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--kinds", default="telemetry,alarm")
    parser.add_argument("--state", type=Path, default=Path("live.id"))
    given = parser.parse_args()
    try:
        for event in follow(given.url, given.token, given.kinds, given.state):
            if event.kind == "gap":  # Weft says what it could not send, and where to read it
                print(f"missed: {event.data['reason']} {event.data['remedy']}", flush=True)
            else:
                print(event.id, event.kind, json.dumps(event.data), flush=True)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)


if __name__ == "__main__":
    main()

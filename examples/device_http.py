"""A device over HTTP with the standard library alone: wakes, sends its buffer, sleeps.

Readings wait in a file until Weft has answered that they are on disk, so neither a lost
connection nor a flat battery loses one. After a lost answer the same readings are sent again
with their own moments, and history still shows each once.

    python examples/device_http.py --token TOKEN [--url http://127.0.0.1:8080] [--buffer FILE]
"""

import argparse
import json
import random
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BATCH = 500  # readings in one request
TIMEOUT_S = 10.0
PAUSE_S = (1, 2, 4, 8)  # between tries, while Weft is away


def measure(buffer: Path) -> None:
    """Append a reading to the buffer."""
    reading = {
        "ts": round(time.time() * 1000),
        "values": {"temperature": round(random.gauss(-20, 0.3), 2)},
    }
    with buffer.open("a") as file:
        file.write(json.dumps(reading) + "\n")


def send(url: str, token: str, readings: list[object]) -> int:
    """Send readings; return the place of the message in the journal."""
    request = urllib.request.Request(  # noqa: S310  the address is the operator's
        f"{url}/api/v1/devices/me/telemetry",
        data=json.dumps(readings).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        position: int = json.load(answer)["position"]
        return position


def empty(url: str, token: str, buffer: Path) -> int:
    """Send all that waits and take it out of the buffer; return how many readings that was."""
    waiting = buffer.read_text().splitlines() if buffer.exists() else []
    sent = 0
    for start in range(0, len(waiting), BATCH):
        part = [json.loads(line) for line in waiting[start : start + BATCH]]
        for pause_s in (*PAUSE_S, None):
            try:
                position = send(url, token, part)
                break
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503):  # a refusal: sending again would not help
                    raise SystemExit(f"refused: {error.read().decode()}") from error
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                print(f"no answer: {error}", file=sys.stderr)
            if pause_s is None:
                raise SystemExit("Weft is away; the readings stay in the buffer")
            time.sleep(pause_s)
        sent += len(part)
        print(f"{len(part)} readings are on disk, at position {position}")
        rest = waiting[start + BATCH :]
        whole = buffer.with_suffix(".new")
        whole.write_text("".join(line + "\n" for line in rest))
        whole.replace(buffer)
    return sent


def main() -> None:
    """Measure a few times, then send."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--token", required=True)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--buffer", type=Path, default=Path("readings.jsonl"))
    parser.add_argument("--count", type=int, default=5, help="readings before sending")
    given = parser.parse_args()
    for _ in range(given.count):
        measure(given.buffer)
        time.sleep(0.01)
    empty(given.url, given.token, given.buffer)


if __name__ == "__main__":
    main()

"""A small fleet and a small plant, told by devices over HTTP, for the tests of their pages."""

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.web.support import Server

DEPOT = [[[12.2, 51.2], [12.6, 51.2], [12.6, 51.5], [12.2, 51.5], [12.2, 51.2]]]
HOSTILE = "<img src=x onerror=\"document.title='run'\">"
TRUCKS = {
    "truck-1": (51.34, 12.37),
    "truck-2": (51.36, 12.45),
    "truck-3": (52.52, 13.40),
    "truck-4": (48.14, 11.58),
}
MACHINE = {
    "telemetry": {
        "state": {"type": "string", "enum": ["running", "idle", "fault"]},
        "parts": {"type": "integer", "minimum": 0},
        "rejects": {"type": "integer", "minimum": 0},
    },
    "production": {
        "state": "state",
        "producing": ["running"],
        "count": "parts",
        "rejects": "rejects",
        "ideal_per_hour": 1800,
    },
}
ASSETS = (
    {"asset_id": "plant-a", "kind": "site", "label": "Plant Bremen"},
    {"asset_id": "a-line-1", "kind": "line", "label": "Line 1", "parent": "plant-a"},
    {"asset_id": "a-filler", "kind": "machine", "label": "Filler", "parent": "a-line-1"},
    {"asset_id": "plant-b", "kind": "site", "label": HOSTILE},
    {"asset_id": "b-packer", "kind": "machine", "label": "Packer", "parent": "plant-b"},
)


class Plant:
    """The devices of a server, and what they say."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._secrets: dict[str, str] = {}

    def add(self, device_id: str, **more: Any) -> None:
        """Make a device that can speak."""
        self.server.call("POST", "/devices", {"device_id": device_id, **more})
        made = self.server.call("POST", f"/devices/{device_id}/credentials", {"kind": "secret"})
        self._secrets[device_id] = made["token"]

    def say(self, device_id: str, *readings: dict[str, Any]) -> None:
        """Send telemetry as a device."""
        request = urllib.request.Request(
            f"{self.server.url}/api/v1/devices/me/telemetry",
            data=json.dumps(readings).encode(),
            headers={
                "Authorization": f"Bearer {self._secrets[device_id]}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()

    def stand(self, device_id: str, latitude: float, longitude: float) -> None:
        """Say where a device is now."""
        self.say(device_id, {"latitude": latitude, "longitude": longitude})

    def furnish(self) -> None:
        """Make the trucks and the machines, with two hours of production behind them."""
        for name, (latitude, longitude) in TRUCKS.items():
            self.add(name, label=HOSTILE if name == "truck-2" else "")
            self.stand(name, latitude, longitude)
        depot = {"type": "Polygon", "coordinates": DEPOT}
        self.server.call("PUT", "/geofences/depot", depot)
        rule = {
            "name": "left-depot",
            "when": "outside(latitude, longitude, 'depot')",
            "severity": "major",
            "message": "{device} has left the depot",
            "selector": {"devices": ["truck-1"]},
        }
        self.server.call("POST", "/rules", rule)
        self.server.call("PUT", "/types/filling-machine", MACHINE)
        for asset in ASSETS:
            self.server.call("POST", "/assets", asset)
        for asset_id, device_id in (("a-filler", "filler-1"), ("b-packer", "packer-1")):
            self.add(device_id, type_name="filling-machine")
            self.server.call(
                "PUT", f"/devices/{device_id}/attachments/observes", {"asset": asset_id}
            )
        self._produce("filler-1", fault=(60, 90))
        self._produce("packer-1", fault=None)

    def _produce(self, device_id: str, *, fault: tuple[int, int] | None) -> None:
        now = time.time_ns() // 1_000_000
        parts, readings = 0, []
        for minute in range(120):
            broken = fault is not None and fault[0] <= minute < fault[1]
            parts += 0 if broken else 28
            values = {
                "state": "fault" if broken else "running",
                "parts": parts,
                "rejects": parts // 50,
            }
            readings.append({"ts": now - (120 - minute) * 60_000, "values": values})
        self.say(device_id, *readings)


@contextmanager
def plant_at(folder: Path) -> Iterator[Plant]:
    """Run a Weft with the plant until the end of the block."""
    server = Server(folder)
    server.start()
    try:
        server.sign_up()
        made = Plant(server)
        made.furnish()
        yield made
    finally:
        server.stop()

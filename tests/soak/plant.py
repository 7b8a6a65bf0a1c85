"""The plant of the kill rounds: a data folder with devices, two rules and an ERP behind it."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.app.compose import MACHINE, Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.registry.devices import NewDevice

TYPE_NAME = "press"
PRESS: dict[str, Any] = {
    "title": "Press",
    "telemetry": {
        "serial": {"type": "integer"},
        "level": {"type": "number", "minimum": 0, "maximum": 100},
    },
}
HIGH, LOW, LIMIT = 90.0, 10.0, 50
HELD_S = 0.2
OVER, HELD = "over", "held"


def _rule(name: str, **more: Any) -> dict[str, Any]:
    order = {"connector": "erp", "title": f"{name}: {{device}} at {{level}}"}
    return {
        "name": name,
        "selector": {"type": TYPE_NAME},
        "when": f"level > {LIMIT}",
        "severity": "major",
        "actions": [{"work_order": order}],
        **more,
    }


RULES = (_rule(OVER), _rule(HELD, **{"for": f"{round(HELD_S * 1000)}ms"}))


def erp_settings(url: str, key_file: Path) -> tuple[str, ...]:
    """Return the settings of a connector `erp` to the stand-in."""
    return (
        "connectors.erp.kind=tryton",
        f"connectors.erp.url={url}",
        "connectors.erp.database=demo",
        f"connectors.erp.key=file:{key_file}",
        'connectors.erp.allow=["127.0.0.0/8"]',
        "connectors.erp.settle_s=1.0",
        "connectors.erp.close_when_cleared=true",  # so that each episode may have its own order
        "work_orders.poll_interval_s=0.5",
        # Four devices alternate for minutes: that is no flood here, whose alarm would be one more.
        "alarms.flood_per_rule=1_000_000",
        "alarms.flood_per_tenant=1_000_000",
        "outbox.pause_s=0.2",
        "outbox.pause_max_s=1.0",
        "outbox.scan_interval_s=1.0",
    )


async def make_plant(data: Path, devices: int) -> list[tuple[str, str]]:
    """Make type and devices; return (id, secret) of each. Every second one is untyped."""
    credentials: list[tuple[str, str]] = []
    async with Weft.open(load_config(None, {}), DataFolder(data)) as weft:
        identity = weft.identity
        await identity.types.save(MACHINE, TYPE_NAME, PRESS)
        for number in range(devices):
            type_name = None if number % 2 else TYPE_NAME
            new = NewDevice(device_id=f"press-{number:03d}", type_name=type_name)
            device = await identity.devices.create(MACHINE, new)
            issued = await identity.credentials.issue_secret(MACHINE, device)
            credentials.append((device.device_id, issued.token))
    return credentials


@dataclass
class Episodes:
    """The known episodes of one device: a value goes up, stays, and comes down again.

    It comes down only when its going up was acknowledged and has stood for longer than the
    rule with `for:` waits, so either clock of the rules must have seen it stand.
    """

    rest_s: float = 0.6
    firsts: list[int] | None = None  # serials of the first high reading of each episode
    ended: int = 0  # episodes that have come down
    _high_since: float | None = None
    _low_since: float = 0.0
    _high: bool = False

    def level(
        self, serial: int, now: float, acknowledged: set[int], chance: random.Random
    ) -> float:
        """Return the level of the next reading, which is `serial`."""
        firsts = self.firsts = [] if self.firsts is None else self.firsts
        if self._high:
            if self._high_since is None and firsts[-1] in acknowledged:
                self._high_since = now
            if self._high_since is not None and now - self._high_since > HELD_S + 0.1:
                self._high, self._low_since = False, now
                self.ended += 1
        elif now - self._low_since > self.rest_s:
            self._high, self._high_since = True, None
            firsts.append(serial)
        return (HIGH if self._high else LOW) + round(chance.random(), 3)

    def hold(self) -> None:
        """Begin no more episodes."""
        self.rest_s = float("inf")

    @property
    def began(self) -> list[int]:
        """Serials of the first reading of each episode."""
        return self.firsts or []

    @property
    def is_high(self) -> bool:
        """Whether an episode stands."""
        return self._high

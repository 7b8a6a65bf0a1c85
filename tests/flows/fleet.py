"""The devices of all packs on one Weft, and the server that is killed while they talk."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.flows.support import until
from tests.interop.tryton.support import Tryton
from tests.soak.device import Device
from tests.soak.server import ServerProcess
from tests.soak.warm import Warm

from weft.model.moments import to_rfc3339
from weft.packs.model import Sample
from weft.packs.reading import read_library
from weft.packs.simulation import SimulatedDevice, SimulatedTrip

PACKS = read_library()
IN_FLIGHT = 20  # of all devices together: those of one line stay within minutes of each other


class Fleet:
    """All devices of all packs, and the server that they talk to.

    The stories of the packs begin together and the longest has just ended: `at_s` 0 of a
    sample is that beginning, and less than 0 lies before it.
    """

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.devices: dict[str, Device] = {}
        self.lasts_s = max(pack.simulation.lasts_s for pack in PACKS.values())
        self._began_ms = round((time.time() - self.lasts_s) * 1000)
        self._sent = 0

    async def set_up(self) -> None:
        """Install the packs, make their devices, attach them, and send them on their trips."""
        for pack in PACKS.values():
            await self.server.post(f"/packs/{pack.name}/install", {})
            for one in pack.simulation.devices:
                await self.add(one)
            for trip in pack.simulation.trips:
                await self._plan(trip)

    async def add(self, one: SimulatedDevice) -> None:
        """Make a device, attach it to its asset and give it a secret."""
        body = {"device_id": one.device, "type_name": one.type, "attributes": one.attributes}
        await self.server.post("/devices", body)
        path = f"/devices/{one.device}/attachments/{one.role.value}"
        attached = await self.server.ask("PUT", path, {"asset": one.asset})
        assert attached.is_success, attached.text
        issued = await self.server.post(f"/devices/{one.device}/credentials", {})
        self.devices[one.device] = Device(
            one.device, issued["token"], port=self.server.mqtt_port, five=True
        )

    async def _plan(self, trip: SimulatedTrip) -> None:
        ends_ms = self._began_ms + round(trip.until_s * 1000)
        body = {
            "name": trip.trip,
            "route": trip.route,
            "device_id": trip.device,
            "starts_at": to_rfc3339(self._began_ms * 1_000_000),
            "ends_at": to_rfc3339(ends_ms * 1_000_000),
        }
        await self.server.post("/trips", body)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Keep all devices connected inside the context, over every kill."""
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one.keep_connected()) for one in self.devices.values()]
            yield
            for task in running:
                task.cancel()

    def moment_ms(self, sample: Sample) -> int:
        """Return the moment that a sample says it was taken at."""
        return self._began_ms + round(sample.at_s * 1000)

    async def tell(
        self, samples: Sequence[Sample], kills: Sequence[float] = (), *, speed: float | None = None
    ) -> None:
        """Send samples in their order; kill and start the server at shares of the way.

        `speed` is how much faster than life they are sent; None: as fast as they are kept.
        """
        due = [round(len(samples) * share) for share in kills]
        started = time.monotonic()
        for number, sample in enumerate(samples, 1):
            if speed is not None:
                at = started + (sample.at_s - samples[0].at_s) / speed
                await asyncio.sleep(max(0.0, at - time.monotonic()))
            device = self.devices[sample.device]
            await until(lambda one=device: self._has_room(one), "there is room for one more")
            document = {"ts": self.moment_ms(sample), "values": sample.values}
            self._sent += 1
            device.send(self._sent, json.dumps(document).encode(), qos=1)
            if number in due:  # some are on their way, some are not acknowledged
                await self.server.kill()
                await self.server.start()
        await until(lambda: not self._open(), "all of it is acknowledged")

    def _has_room(self, device: Device) -> bool:
        return device.ready and self._open() < IN_FLIGHT

    def _open(self) -> int:
        return sum(device.open for device in self.devices.values())


def as_time_goes(*stories: Sequence[Sample]) -> list[Sample]:
    """Return the samples of several stories, the oldest first."""
    return sorted((one for story in stories for one in story), key=lambda sample: sample.at_s)


@asynccontextmanager
async def plant(data: Path, erp: Tryton, warm: Warm) -> AsyncIterator[ServerProcess]:
    """Run a server that gives its work orders to Tryton."""
    server = ServerProcess(
        data,
        "connectors.erp.kind=tryton",
        f"connectors.erp.url={erp.url}",
        f"connectors.erp.database={erp.database}",
        f"connectors.erp.key=file:{erp.key_file}",
        'connectors.erp.allow=["127.0.0.0/8"]',
        "work_orders.poll_interval_s=0.5",
        warm=warm,
    )
    await server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            await server.stop()

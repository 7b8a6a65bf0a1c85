"""`weft up --demo factory`: a plant, its faults, and an ERP that gets the work orders.

Nothing in it is special: the machines speak MQTT with credentials of their own, the rules
are ordinary rules, and the ERP is a process of its own that the Tryton connector serves.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self

import msgspec
from rich.console import Console

from weft.app.compose import MACHINE, MAIN, Weft
from weft.app.folder import DataFolder
from weft.app.serve import serve
from weft.cli.demo_screen import DemoScreen
from weft.cli.simulation.factory import (
    BREAKDOWNS,
    CONNECTOR,
    EVERY_S,
    MACHINES,
    PASSING_S,
    RULES,
    TYPE,
    TYPE_DOCUMENT,
    Breakdown,
)
from weft.cli.simulation.faults import Fault
from weft.cli.simulation.fleet import Fleet
from weft.config import Config, load_config
from weft.errors import ConfigurationError, Unavailable
from weft.model.alarm import WorkOrder, WorkOrderState
from weft.model.device import Field
from weft.observability.log import set_up_logging
from weft.registry.devices import NewDevice

DEMOS = ("factory",)
LABEL = "demonstration"  # of the credentials that the plant makes for itself
INTERVAL_S = 0.5
REPAIR_AFTER_S = 20.0
POLL_S = 2.0


def run_demo(
    name: str, folder: DataFolder, config: Path | None, assignments: Sequence[str]
) -> None:
    """Start the ERP stand-in and Weft, and let the plant run until Ctrl-C."""
    if name not in DEMOS:
        raise ConfigurationError(
            f"There is no demonstration {name!r}.", remedy=f"There is: {', '.join(DEMOS)}."
        )
    # What happens is shown in words; the log is for what goes wrong.
    settings = load_config(config, None, ("log.level=warning", *assignments))
    set_up_logging(settings.log.level, json=settings.log.json)
    folder.prepare()
    with ErpStandIn(folder.path) as erp:
        screen = DemoScreen(Console(stderr=True), erp.url)
        demo = FactoryDemo(screen)
        serve(_with_erp(settings, erp), folder, screen.started, demo.beside)


def _with_erp(settings: Config, erp: "ErpStandIn") -> Config:
    """Add the connector to the stand-in; the rest stays as configured."""
    table = {
        "kind": "tryton",
        "url": erp.url,
        "database": "demo",
        "key": f"file:{erp.key_file}",
        "allow": ["127.0.0.1/32"],
    }
    poll = msgspec.structs.replace(settings.work_orders, poll_interval_s=POLL_S)
    connectors = {**settings.connectors, CONNECTOR: table}
    return msgspec.structs.replace(settings, connectors=connectors, work_orders=poll)


class ErpStandIn:
    """The stand-in's process; it ends with the demonstration."""

    def __init__(self, folder: Path) -> None:
        self.key_file = folder / "erp-standin.key"
        self._tasks = folder / "erp-standin.json"
        self.url = ""

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            [
                sys.executable,
                "-m",
                "weft.connectors.standin",
                "--key-file",
                str(self.key_file),
                "--file",
                str(self._tasks),
                "--repair-after",
                str(REPAIR_AFTER_S),
            ],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; we end it when we are done
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            self.url = json.loads(line)["url"]
        except (ValueError, KeyError):
            self.__exit__()
            raise Unavailable(
                "The ERP stand-in of the demonstration did not start.",
                remedy="Run `python -m weft.connectors.standin --key-file key` to see why.",
            ) from None
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._errors.close()


class FactoryDemo:
    """The plant, as long as Weft serves."""

    def __init__(self, screen: DemoScreen) -> None:
        self._screen = screen
        self._fleet: Fleet

    @asynccontextmanager
    async def beside(self, weft: Weft) -> AsyncIterator[None]:
        """Set the plant up and run it beside the server."""
        credentials = [await self._machine(weft, name) for name in MACHINES]
        await self._rules(weft)
        host, _, port = weft.endpoints.mqtt.rpartition(":")
        telemetry = weft.identity.types.get(MAIN, TYPE).telemetry
        self._fleet = make_fleet((host, int(port)), credentials, telemetry)
        self._screen.show(self._fleet)
        weft.path.alarms.on_change(self._screen.alarm_changed)
        weft.business.work_orders.on_change(self._screen.order_changed)
        weft.business.work_orders.on_change(self._repaired)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._fleet.run()),
                tasks.create_task(self._break_down()),
                tasks.create_task(self._screen.run(weft)),
            ]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    async def _machine(self, weft: Weft, name: str) -> tuple[str, str]:
        """Make the machine, if it is not there from an earlier run, and a credential."""
        identity = weft.identity
        await identity.types.save(MACHINE, TYPE, TYPE_DOCUMENT, allow_breaking=True)
        device = identity.devices.find(MAIN, name)
        if device is None:
            new = NewDevice(device_id=name, type_name=TYPE, attributes={"site": "factory"})
            device = await identity.devices.create(MACHINE, new)
        for old in await identity.credentials.list_credentials(device):
            if old.label == LABEL and old.revoked_at is None:  # not what somebody added
                await identity.credentials.revoke(MACHINE, device, old.credential_id)
        issued = await identity.credentials.issue_secret(MACHINE, device, label=LABEL)
        return name, issued.token

    @staticmethod
    async def _rules(weft: Weft) -> None:
        known = {rule.rule_id for rule in await weft.path.rules.list(MAIN)}
        for document in RULES:
            if document["name"] not in known:
                await weft.path.rules.create(MACHINE, document)

    async def _break_down(self) -> None:
        """Break one machine after another, round after round."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for breakdown in BREAKDOWNS:
                    tasks.create_task(self._break(breakdown))
                await asyncio.sleep(EVERY_S)

    async def _break(self, breakdown: Breakdown) -> None:
        await asyncio.sleep(breakdown.after_s)
        self._fleet.break_with(breakdown.device_id, breakdown.fault)
        self._screen.tell(f"{breakdown.device_id}: {breakdown.fault} begins")
        if breakdown.fault in (Fault.SENSOR_LOSS, Fault.OUT_OF_RANGE):
            await asyncio.sleep(PASSING_S)
            self._fleet.break_with(breakdown.device_id, Fault.NONE)
            self._screen.tell(f"{breakdown.device_id}: {breakdown.fault} has passed")

    def _repaired(self, order: WorkOrder) -> None:
        """The technician has closed the task: the machine is whole again."""
        if order.state is WorkOrderState.CLOSED:
            with suppress(KeyError):
                self._fleet.break_with(order.device_id, Fault.NONE)


def make_fleet(
    address: tuple[str, int],
    credentials: Sequence[tuple[str, str]],
    telemetry: dict[str, Field],
) -> Fleet:
    """Return the plant's machines, ready to run."""
    return Fleet(address, credentials, telemetry, interval_s=INTERVAL_S)

"""`kill -9` at random moments under load, and after each what must still be true.

    scripts/soak kills --rounds 1000 [--connections 50] [--seed N] [--keep]

Fifty devices publish at QoS 1 and 2 over real sockets, some with their own time stamps and
some without; some drive values over a threshold and back. The server is killed, started
again on the same folder (sometimes killed while it recovers, or stops), and asked through its API.
The first broken promise ends the run with a non-zero code and the data folder kept.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from tests.soak import checks
from tests.soak.checks import Seen, Violation
from tests.soak.device import Device
from tests.soak.plant import RULES, Episodes, erp_settings, make_plant
from tests.soak.server import ServerProcess, standin
from tests.soak.warm import Warm

from weft.model.moments import to_rfc3339

TICK_S = 0.005
IN_FLIGHT = 20
DRIVERS = 4  # devices with episodes; of the typed ones
LOAD_S = (0.02, 0.3)  # beyond the time that the checks take
KILLED_WHILE_RECOVERING = 0.15
KILLED_WHILE_STOPPING = 0.1
DRAIN_S = 60.0
TWINS_PER_ROUND = 10
MANY_ALARMS = 1_000  # beyond, all of them are listed in every tenth round
TASKS_MAX = 9_000  # the stand-in holds 10,000
RESERVE_NS = 2_000_000_000


@dataclass
class Plan:
    """What to do."""

    rounds: int
    connections: int = 50
    seed: int = 0
    rate: float = 1_500.0  # messages a second over all connections
    warm: bool = False  # fork servers from one that has been imported: three times as many kills


@dataclass
class Tally:
    """What came of it."""

    kills: int = 0
    rounds: int = 0
    messages: int = 0
    resent: int = 0
    alarms: int = 0
    actions: int = 0
    seconds: float = 0.0
    round_marks: list[int] = field(default_factory=list)  # ns, when each round began

    def line(self) -> str:
        return (
            f"{self.rounds} rounds, {self.kills} kills, {self.messages} messages, "
            f"{self.resent} sent again, {self.alarms} alarms, {self.actions} work orders, "
            f"{self.seconds:.0f} s"
        )


class Soak:
    """One run."""

    def __init__(self, plan: Plan, server: ServerProcess, devices: list[Device], erp: str) -> None:
        self.plan = plan
        self.tally = Tally()
        self._server = server
        self._devices = devices
        self._erp = erp
        self._chance = random.Random(plan.seed)
        self._seen = Seen()
        self._serial = 0
        self._sending = False
        typed = devices[::2]
        self._episodes = {one.device_id: Episodes() for one in typed[:DRIVERS]}

    async def run(self) -> Tally:
        """Do all rounds, then let everything come to rest and compare exactly."""
        started = time.monotonic()
        await self._server.start()
        for rule in RULES:
            await self._server.post("/rules", rule)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one.keep_connected()) for one in self._devices]
            running.append(tasks.create_task(self._send()))
            for number in range(1, self.plan.rounds + 1):
                await self._round()
                self.tally.rounds = number
                self._count(started)
                print(f"round {number}: {self.tally.line()}", flush=True)
            await self._finish()
            for task in running:
                task.cancel()
        self._count(started)
        return self.tally

    def _count(self, started: float) -> None:
        self.tally.messages = sum(len(one.book.sent) for one in self._devices)
        self.tally.resent = sum(one.book.resent for one in self._devices)
        self.tally.seconds = time.monotonic() - started

    # --- load ---

    async def _send(self) -> None:
        """Publish at the rate while `_sending`; drivers always, as their episodes need it."""
        chance, owed = self._chance, 0.0
        before = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            owed = min(owed + (now - before) * self.plan.rate, self.plan.rate / 10)
            before = now
            while self._sending and owed >= 1:
                device = chance.choice(self._devices)
                burst = chance.choice((1, 1, 1, 2, 4))  # several in one packet of the network
                owed -= burst
                for _ in range(burst):
                    self._publish(device, now)

    def _publish(self, device: Device, now: float) -> None:
        if not device.ready or device.open >= IN_FLIGHT:
            return
        self._serial += 1
        episodes = self._episodes.get(device.device_id)
        level = 1.0
        if episodes is not None:
            level = episodes.level(self._serial, now, device.book.acknowledged, self._chance)
        device.publish(self._serial, level, self._chance.choice((1, 1, 2)))

    # --- one round ---

    async def _round(self) -> None:
        self.tally.round_marks.append(time.time_ns())
        self._sending = True
        await asyncio.sleep(self._chance.uniform(*LOAD_S))
        await self._kill()
        before = self._floors()
        await self._restart()
        await self._wait(lambda: sum(one.ready for one in self._devices) > len(self._devices) / 2)
        await self._check(*before)

    async def _kill(self) -> None:
        self._raise_if_refused()
        if self._chance.random() < KILLED_WHILE_STOPPING:
            self._server.interrupt()
            await asyncio.sleep(self._chance.uniform(0, 0.3))
        await self._server.kill()
        self.tally.kills += 1

    async def _restart(self) -> None:
        if self._chance.random() < KILLED_WHILE_RECOVERING:
            self._server.spawn()
            await asyncio.sleep(self._chance.uniform(0.2, 1.5))
            await self._kill()
        await self._server.start()

    def _floors(self) -> tuple[set[int], dict[str, int], dict[str, tuple[int, int]]]:
        """Return what the books say was acknowledged until now."""
        expected = set().union(*(one.book.acknowledged for one in self._devices))
        newest = {one.device_id: one.book.newest_acknowledged for one in self._devices}
        floors = {}
        for device in self._devices:
            known = self._episodes.get(device.device_id)
            if known is not None:
                begun = sum(serial in device.book.acknowledged for serial in known.began)
                floors[device.device_id] = (begun, known.ended - (not known.is_high))
        return expected, newest, {name: (a, max(b, 0)) for name, (a, b) in floors.items()}

    async def _check(
        self, expected: set[int], newest: dict[str, int], floors: dict[str, tuple[int, int]]
    ) -> None:
        marks = self.tally.round_marks
        since = to_rfc3339(marks[max(0, len(marks) - 3)] - RESERVE_NS)
        await checks.check_history(self._server, self._devices, self._seen, expected, since)
        some = self._chance.sample(self._devices, min(TWINS_PER_ROUND, len(self._devices)))
        await checks.check_twins(self._server, some, newest)
        if self.tally.alarms < MANY_ALARMS or not self.tally.rounds % 10:
            self.tally.alarms, self.tally.actions = await checks.check_alarms(
                self._server,
                self._episodes,
                floors,
                final=False,
                with_faults=self.tally.rounds % 10 == 0,
            )
            await checks.check_tasks(self._erp)
        if self.tally.alarms > TASKS_MAX:
            for known in self._episodes.values():
                known.hold()
        self._raise_if_refused()

    def _raise_if_refused(self) -> None:
        for device in self._devices:
            book = device.book
            if book.refused:
                raise Violation(f"{device.device_id} ({device.kind}): {book.refused[:3]}")
            if book.lost_sessions:
                raise Violation(f"{device.device_id} ({device.kind}): its session was gone")
            if device.refused_connect:
                raise Violation(f"{device.device_id}: CONNECT refused: {device.refused_connect:#x}")

    # --- the end ---

    async def _finish(self) -> None:
        for known in self._episodes.values():
            known.hold()
        await self._wait(lambda: not any(known.is_high for known in self._episodes.values()))
        self._sending = False
        await self._wait(lambda: all(one.ready and not one.open for one in self._devices))
        expected, newest, _ = self._floors()
        sent = set().union(*(one.book.sent for one in self._devices))
        if expected != sent:
            raise Violation(f"{len(sent - expected)} messages were never acknowledged")
        self._seen = Seen()
        since = to_rfc3339(self.tally.round_marks[0] - RESERVE_NS)
        await checks.check_history(self._server, self._devices, self._seen, expected, since)
        await checks.check_twins(self._server, self._devices, newest)
        floors = {name: (known.ended, known.ended) for name, known in self._episodes.items()}
        self.tally.alarms, self.tally.actions = await checks.check_alarms(
            self._server, self._episodes, floors, final=True
        )
        await self._wait_delivered()
        self._raise_if_refused()
        await self._server.stop()
        await checks.check_journal(self._server.data, self._devices)

    async def _wait_delivered(self) -> None:
        ends_at = time.monotonic() + DRAIN_S
        while await self._server.pages("/outbox", state="pending", limit=10):
            if time.monotonic() > ends_at:
                break
            await asyncio.sleep(0.2)
        await checks.check_delivered(self._server, self._erp)

    async def _wait(self, done: Callable[[], bool]) -> None:
        ends_at = time.monotonic() + DRAIN_S
        while not done():
            if time.monotonic() > ends_at:
                waiting = [one for one in self._devices if one.open or not one.ready]
                raise Violation(
                    f"No rest within {DRAIN_S:g} s: "
                    f"{[(one.device_id, one.ready, one.open) for one in waiting][:5]}"
                )
            await asyncio.sleep(0.01)


async def run_kills(folder: Path, plan: Plan) -> Tally:
    """Run all of it below `folder`; raise `Violation` at the first broken promise."""
    data = folder / "data"
    credentials = await make_plant(data, plan.connections)
    async with standin(folder, "--repair-after", "2") as (url, key_file):
        warm = Warm() if plan.warm else None
        server = ServerProcess(data, *erp_settings(url, key_file), warm=warm)
        devices = [
            Device(
                name, token, port=server.mqtt_port, five=bool(number & 2), stamped=bool(number & 4)
            )
            for number, (name, token) in enumerate(credentials)
        ]
        try:
            return await Soak(plan, server, devices, url).run()
        finally:
            if server.process is not None and server.process.poll() is None:
                await server.kill()
            if warm is not None:
                warm.close()


def first_violation(error: BaseException) -> BaseException:
    """Return what went wrong first, out of the group that a task group makes of it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place() -> Path:
    """Return a folder on the project's disk: /tmp may be memory, and memory is never slow."""
    place = Path(__file__).parents[2] / ".cache"
    place.mkdir(exist_ok=True)
    return place


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/soak kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--rate", type=float, default=1_500.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--warm", action="store_true", help="fork servers: quicker starts")
    parser.add_argument("--keep", action="store_true", help="keep the data folder in any case")
    options = parser.parse_args()
    plan = Plan(options.rounds, options.connections, options.seed, options.rate, options.warm)
    folder = Path(tempfile.mkdtemp(prefix="weft-soak-", dir=_place()))
    print(f"seed {plan.seed}, {plan.connections} connections, folder {folder}", flush=True)
    try:
        tally = uvloop.run(run_kills(folder, plan))
    except BaseException as error:
        found = first_violation(error)
        print(f"BROKEN with seed {plan.seed}: {type(found).__name__}: {found}", file=sys.stderr)
        print(f"kept: {folder}", file=sys.stderr)
        if not isinstance(found, Violation):
            raise
        return 1
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"all promises held: {tally.line()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

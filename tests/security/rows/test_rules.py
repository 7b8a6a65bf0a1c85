"""The rows of rules: loops are cut (RU-3), and a rule never does what its owner may not (AZ-5)."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.app.support import ADDRESS, add_pump, eventually, served

from weft.app.compose import MACHINE, MAIN, Weft
from weft.model.alarm import OutboxState
from weft.model.ids import DeviceId
from weft.rules.kinds import OUTBOX
from weft.twins.changes import Side, TwinChange

PUMP = DeviceId("pump-7")


def flipping(name: str, when: str, then: str) -> dict[str, Any]:
    return {
        "name": name,
        "selector": {"devices": ["pump-7"]},
        "when": f"twin.reported.mode == '{when}'",
        "actions": [{"desire": {"properties": {"mode": then}}}],
    }


async def report(weft: Weft, pump: Any, mode: str) -> None:
    await weft.path.ingest.submit(
        pump,
        "devices/pump-7/properties/reported",
        json.dumps({"mode": mode}).encode(),
        address=ADDRESS,
    )


async def test_ru_3_two_rules_that_undo_each_other_are_stopped_and_an_alarm_is_raised(
    tmp_path: Path,
) -> None:
    """RU-3: the pump does at once as it is told, and would go to and fro for ever."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, flipping("slow-down", "fast", "slow"))
        await weft.path.rules.create(MACHINE, flipping("speed-up", "slow", "fast"))
        wishes: asyncio.Queue[str] = asyncio.Queue(maxsize=1_000)
        written: list[str] = []

        def wished(change: TwinChange) -> None:
            if change.side is Side.DESIRED:
                for one in change.changes:
                    written.append(one.new)
                    wishes.put_nowait(one.new)

        weft.path.twins.on_properties(wished)

        async def obey() -> None:
            while True:
                await report(weft, pump, await wishes.get())

        async with asyncio.TaskGroup() as tasks:
            obeying = tasks.create_task(obey())
            began = asyncio.get_running_loop().time()
            await report(weft, pump, "fast")

            async def told() -> Any:
                found = await weft.path.alarms.list(MAIN)
                return [one for one in found if "was paused: loop" in one.message]

            (alarm,) = await eventually(told)
            took_s = asyncio.get_running_loop().time() - began
            obeying.cancel()

        rules = [await weft.path.rules.get(MAIN, name) for name in ("slow-down", "speed-up")]
        assert sorted(bool(rule.paused) for rule in rules) == [False, True]
        assert len(written) == 8
        assert alarm.severity == "major"
        print(f"RU-3: a loop of two rules was stopped within {took_s:.2f} s")


async def test_az_5_a_rule_does_not_write_what_its_owner_may_no_longer_write(
    tmp_path: Path,
) -> None:
    """AZ-5: the owner loses the right; the alarm is raised, the write denied and flagged."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, flipping("slow-down", "fast", "slow"))
        decide = weft.identity.policy.decide

        def without(principal: Any, action: str, target: str) -> Any:
            decision = decide(principal, action, target)
            if action != "twin.write":
                return decision
            return type(decision)(False, "the role was taken away", decision.version)

        weft.identity.policy.decide = without  # type: ignore[method-assign]
        await report(weft, pump, "fast")

        async def raised() -> Any:
            return await weft.path.alarms.list(MAIN)

        await eventually(raised)
        health = weft.path.engine.health(MAIN, "slow-down")
        assert (health.denied, health.last_denied) == (1, "the role was taken away")
        assert weft.path.twins.get(MAIN, PUMP).desired_version == 0
        entries = await weft.stores.records.read(lambda reader: reader.list(OUTBOX, MAIN))
        assert entries == []


async def test_az_5_what_was_asked_for_before_a_crash_is_done_once(tmp_path: Path) -> None:
    """The desire waits in the outbox over a restart, and is written one time."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, flipping("slow-down", "fast", "slow"))
        await report(weft, pump, "fast")

        async def written() -> bool:
            return weft.path.twins.get(MAIN, PUMP).desired == {"mode": "slow"}

        await eventually(written)
    async with served(tmp_path) as weft:

        async def delivered() -> Any:
            found = await weft.stores.records.read(lambda reader: reader.list(OUTBOX, MAIN))
            return [one for one in found if one.value.state is OutboxState.DELIVERED]

        assert len(await eventually(delivered)) == 1
        assert weft.path.twins.get(MAIN, PUMP).desired_version == 1

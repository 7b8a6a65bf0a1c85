"""The rows of rules: loops are cut (RU-3), and a rule never does what its owner may not (AZ-5)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.app.support import ADDRESS, HOT, add_pump, eventually, send, served

from weft.app import compose
from weft.app.compose import MACHINE, MAIN, Weft
from weft.groups.notification_policies import Channel, NotifyStep, PolicyBody
from weft.model.alarm import OutboxState
from weft.model.ids import DeviceId
from weft.model.moments import NS_PER_S
from weft.rules.kinds import OUTBOX
from weft.security.actions import Role
from weft.security.audit import AUDIT, AuditRecord
from weft.security.people import User
from weft.supervision import FakeClock, SystemClock
from weft.twins.changes import Side, TwinChange

PUMP = DeviceId("pump-7")
MAIL = (
    "connectors.mail.kind=email",
    "connectors.mail.url=smtp://127.0.0.1:1",
    "connectors.mail.sender=weft@example.com",
)


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RU-3: the pump does at once as it is told, and would go to and fro for ever.

    The clock stands still and the outbox looks at nothing unasked for an hour: so no step of
    it waits for time to pass, and it is over within the second in which it began.
    """
    clock = FakeClock(SystemClock().now())
    monkeypatch.setattr(compose, "SystemClock", lambda: clock)
    async with served(tmp_path, "outbox.scan_interval_s=3600.0") as weft:
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
            began_at = weft.clock.now()
            await report(weft, pump, "fast")

            async def told() -> Any:
                found = await weft.path.alarms.list(MAIN)
                return [one for one in found if "was paused: loop" in one.message]

            (alarm,) = await eventually(told)
            obeying.cancel()

        rules = [await weft.path.rules.get(MAIN, name) for name in ("slow-down", "speed-up")]
        assert sorted(bool(rule.paused) for rule in rules) == [False, True]
        assert len(written) == 8
        assert alarm.severity == "major"
        assert alarm.raised_at - began_at < NS_PER_S


async def owner_of(weft: Weft) -> User:
    """Sign up a person who may do everything in the tenant."""
    people = weft.identity.people
    invitation = await people.invite(MACHINE, (Role.TENANT_ADMIN,), tenant=MAIN)
    return await people.accept(invitation, "alice", "$argon2id$not-a-hash")


async def denials(weft: Weft, action: str) -> list[AuditRecord]:
    """Return what is on record of what an owner might not do."""
    found = await weft.stores.records.read(lambda reader: reader.list(AUDIT, MAIN, limit=1_000))
    return [r.value for r in found if (r.value.action, r.value.outcome) == (action, "denied")]


async def test_az_5_a_rule_does_not_write_what_its_owner_may_no_longer_write(
    tmp_path: Path,
) -> None:
    """AZ-5: the owner's role is taken away; the alarm is raised, the write denied and flagged."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        owner = await owner_of(weft)
        await weft.path.rules.create(owner.principal, flipping("slow-down", "fast", "slow"))
        await weft.identity.people.set_roles(MACHINE, "alice", [Role.VIEWER])
        await report(weft, pump, "fast")

        async def raised() -> Any:
            return await weft.path.alarms.list(MAIN)

        await eventually(raised)
        health = weft.path.engine.health(MAIN, "slow-down")
        assert (health.denied, health.last_denied) == (1, "no role or scope allows it")
        assert weft.path.twins.get(MAIN, PUMP).desired_version == 0
        entries = await weft.stores.records.read(lambda reader: reader.list(OUTBOX, MAIN))
        assert entries == []
        (denied,) = await denials(weft, "rule.act")
        assert denied.actor == "slow-down"


async def test_az_5_a_notification_policy_tells_nothing_its_owner_may_no_longer_read(
    tmp_path: Path,
) -> None:
    """AZ-5: with the role it would mail; without it, that it did not is on record and shown."""
    async with served(tmp_path, *MAIL) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, HOT)
        policies = weft.business.suppression.work.policies
        owner = await owner_of(weft)
        step = NotifyStep((Channel("mail", ("shift@example.com",)),))
        policy = await policies.save(owner.principal, "shift", PolicyBody((step,)))
        assert policies.denied(policy) == ""
        await weft.identity.people.set_roles(MACHINE, "alice", [Role.PLATFORM_ADMIN])
        await send(weft, pump, b'{"temperature": 95}')
        (denied,) = await eventually(lambda: denials(weft, "alarm.notify"))
        assert "may not alarm.read" in denied.reason
        assert "may not alarm.read" in policies.denied(policy)
        assert not await weft.stores.records.read(lambda reader: reader.list(OUTBOX, MAIN))


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

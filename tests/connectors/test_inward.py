"""Inward: what rules ask of Weft itself is done once, with the owner's rights, in one tenant."""

from typing import Any

import pytest
from msgspec import to_builtins
from tests.registry.support import ALICE, MAIN, Registry
from tests.rules.support import FakePolicy

from weft.connectors.base import Delivered, Situation
from weft.connectors.inward import Inward
from weft.errors import ConnectorError
from weft.model.alarm import Action, OutboxEntry, OutboxState
from weft.model.command import Command
from weft.model.ids import ActionId, AlarmId, DeviceId, TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.twins.twins import Twins

RULE = Principal(MAIN, PrincipalKind.RULE, "cooling", "u-rule")
FAN = DeviceId("fan-1")


class FakeCommands:
    """Keeps a command under its request id, once."""

    def __init__(self) -> None:
        self.kept: dict[str, Command] = {}

    async def send(
        self,
        actor: Principal,
        device_id: DeviceId,
        name: str,
        input: Any = None,  # noqa: A002  as the commands' own
        *,
        ttl_s: int | None = None,
        request_id: str | None = None,
    ) -> Command:
        assert request_id is not None
        made = Command(
            actor.tenant, device_id, "uid", request_id, name, input or {}, str(actor), 0, 0
        )
        return self.kept.setdefault(request_id, made)


class Inside:
    """A connector on real twins."""

    def __init__(self) -> None:
        registry = Registry()
        self.policy = FakePolicy()
        self.clock = registry.clock
        self.twins = Twins(registry.records, registry.audit, registry.clock)
        self.commands = FakeCommands()
        self.inward = Inward(self.policy, self.twins, self.commands)

    async def do(self, kind: str, owner: Principal = ALICE, **parameters: Any) -> Delivered:
        given = {"owner": to_builtins(owner), "rule": to_builtins(RULE), "device": FAN}
        action = Action(
            ActionId("a-1"), MAIN, "weft", kind, AlarmId("alarm"), {**given, **parameters}, 0
        )
        return await self.inward.deliver(OutboxEntry(action, OutboxState.PENDING), Situation())


async def test_a_property_that_is_desired_already_is_not_written_again() -> None:
    """RU-3: no write without a change; a crash between the act and its record repeats nothing."""
    inside = Inside()
    for _ in range(3):
        await inside.do("desire", properties={"speed": 900.0})

    twin = inside.twins.get(MAIN, FAN)
    assert (twin.desired, twin.desired_version) == ({"speed": 900.0}, 1)
    assert twin.desired_stamps["speed"].by == "rule:cooling"


async def test_what_a_person_desired_since_is_not_overwritten() -> None:
    """The rule's wish was written, Weft was killed, a person set it; then it is tried again."""
    inside = Inside()
    asked = {"properties": {"speed": 900.0, "mode": "fast"}, "seen": {"speed": 0, "mode": 0}}
    await inside.do("desire", **asked)
    inside.clock.turn(1)
    await inside.twins.desire(ALICE, FAN, {"speed": 500.0}, version=1)

    done = await inside.do("desire", **asked)

    twin = inside.twins.get(MAIN, FAN)
    assert (twin.desired, twin.desired_version) == ({"speed": 500.0, "mode": "fast"}, 2)
    assert done.remark.endswith("since the alarm: speed.")


async def test_a_wish_that_was_taken_back_since_stays_back() -> None:
    """A person wants nothing of it any more; the action was held for an hour."""
    inside = Inside()
    await inside.twins.desire(ALICE, FAN, {"speed": 500.0}, version=0)
    seen = {"speed": inside.twins.get(MAIN, FAN).desired_stamps["speed"].at}
    await inside.twins.desire(ALICE, FAN, {"speed": None}, version=1)

    done = await inside.do("desire", properties={"speed": 900.0}, seen=seen)

    assert inside.twins.get(MAIN, FAN).desired == {}
    assert done.remark


async def test_what_the_rule_has_seen_and_what_rules_wrote_gives_way() -> None:
    """A person's wish of before is what the rule acts upon; the newest of two rules counts."""
    inside = Inside()
    await inside.twins.desire(ALICE, FAN, {"speed": 500.0}, version=0)
    seen = {"speed": inside.twins.get(MAIN, FAN).desired_stamps["speed"].at}
    inside.clock.turn(1)

    for speed in (900.0, 1200.0):  # both saw the person's
        done = await inside.do("desire", properties={"speed": speed}, seen=seen)
        assert done == Delivered()
        assert inside.twins.get(MAIN, FAN).desired == {"speed": speed}


async def test_a_command_is_kept_once_however_often_it_is_tried() -> None:
    """The action's id is the request id."""
    inside = Inside()
    for _ in range(3):
        await inside.do("command", name="stop", input={"in_s": 5})

    (command,) = inside.commands.kept.values()
    assert (command.request_id, command.name, command.input) == ("a-1", "stop", {"in_s": 5})


async def test_the_owners_right_is_asked_at_the_moment_of_the_act() -> None:
    """AZ-5: it was there when the alarm was raised, and is gone when the action comes."""
    inside = Inside()
    inside.policy.denied.add(f"device:{FAN}")

    with pytest.raises(ConnectorError, match=r"may not twin\.write 'fan-1'") as refused:
        await inside.do("desire", properties={"speed": 900.0})
    assert refused.value.permanent
    assert inside.twins.get(MAIN, FAN).desired_version == 0


async def test_an_owner_of_another_tenant_acts_in_none() -> None:
    """AZ-5: a rule in one tenant cannot name what is another's."""
    inside = Inside()
    foreign = Principal(TenantId("other"), PrincipalKind.USER, "mallory", "u-mallory")

    with pytest.raises(ConnectorError, match="may not"):
        await inside.do("command", owner=foreign, name="stop")
    assert inside.commands.kept == {}


async def test_what_it_does_not_do_is_refused_and_what_it_would_do_is_told() -> None:
    """It has no work orders to poll or to note on."""
    inside = Inside()
    assert await inside.inward.poll([]) == {}
    assert "Weft itself" in await inside.inward.test()
    await inside.inward.close()
    assert inside.inward.name == "weft"

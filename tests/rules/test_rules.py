"""Rules as records: checked on save, versioned, owned, within the quota."""

import pytest
from tests.rules.support import ALICE, HOOK, MAIN, ORDER, Plant, device, hot

from weft.errors import AlreadyExists, Forbidden, Invalid, NotFound, QuotaExceeded, StaleVersion
from weft.model.ids import TenantId
from weft.model.principal import Principal, PrincipalKind
from weft.registry.tenants import Quotas
from weft.rules import rules as rules_module

BOB = Principal(MAIN, PrincipalKind.USER, "bob", "u-bob")


async def test_a_typing_mistake_is_refused_on_save() -> None:
    """The name of the key is checked against the device type, with a suggestion."""
    plant = Plant()
    with pytest.raises(Invalid, match="when: Column 1: 'temprature' is no telemetry") as caught:
        await plant.rules.create(ALICE, hot(when="temprature > 80"))
    assert caught.value.remedy == "Did you mean 'temperature'?"
    with pytest.raises(Invalid, match="clear: Column 5"):
        await plant.rules.create(ALICE, hot(clear="rpm + mode > 3"))
    with pytest.raises(Invalid, match=r"message: \{temp\} at column 1 names nothing"):
        await plant.rules.create(ALICE, hot(message="{temp}"))
    with pytest.raises(Invalid, match=r"actions\[0\].webhook.text: {temp}"):
        await plant.rules.create(
            ALICE, hot(actions=[{"webhook": {"connector": "a", "text": "{temp}"}}])
        )
    with pytest.raises(NotFound, match="no device type 'pump'"):
        await plant.rules.create(ALICE, hot(selector={"type": "pump"}))


async def test_rules_for_named_devices_are_checked_against_their_types() -> None:
    """A list of devices has a type too; a device without one may say anything."""
    plant = Plant(device(), device("free", type_name=None))
    with pytest.raises(Invalid, match="'air' is no telemetry key"):
        await plant.rules.create(ALICE, hot(when="air > 1", selector={"devices": ["pump-7"]}))
    await plant.rules.create(ALICE, hot(when="air > 1", selector={"devices": ["free"]}))


async def test_every_change_is_a_version_and_none_is_lost() -> None:
    """Even a deleted rule's namesake goes on counting, so no alarm's id comes twice."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.rules.update(BOB, "overheating", hot(when="temperature > 85"), version=1)
    await plant.rules.delete(ALICE, "overheating", version=2)
    third = await plant.rules.create(ALICE, hot())
    assert third.version == 3
    kept = await plant.rules.versions(MAIN, "overheating")
    assert [(one.version, one.owner.id) for one in kept] == [(1, "alice"), (2, "bob"), (3, "alice")]
    old = await plant.rules.get(MAIN, "overheating", 2)
    assert old.document.when == "temperature > 85"
    assert [one.rule_id for one in await plant.rules.list(MAIN)] == ["overheating"]
    actions = await plant.audited()
    assert actions == ["rule.create", "rule.update", "rule.delete", "rule.create"]


async def test_names_and_versions_are_held() -> None:
    """A name is taken once, kept for ever, and a stale editor is told."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    with pytest.raises(AlreadyExists):
        await plant.rules.create(ALICE, hot())
    with pytest.raises(Invalid, match="not 'overheating'"):
        await plant.rules.update(ALICE, "overheating", hot(name="other"))
    with pytest.raises(StaleVersion):
        await plant.rules.update(ALICE, "overheating", hot(), version=7)
    with pytest.raises(NotFound):
        await plant.rules.get(MAIN, "nothing")


async def test_az_5_saving_asks_for_the_owners_rights() -> None:
    """Bob may not use the ERP, so no rule of his may; enabling asks again."""
    plant = Plant()
    await plant.rules.create(ALICE, hot(actions=[ORDER, HOOK]))
    await plant.rules.set_enabled(ALICE, "overheating", enabled=False)
    plant.policy.denied.add("connector:erp")
    with pytest.raises(Forbidden):
        await plant.rules.update(BOB, "overheating", hot(actions=[ORDER]))
    with pytest.raises(Forbidden):
        await plant.rules.set_enabled(BOB, "overheating", enabled=True)


async def test_a_quota_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenant may have one rule; the second is told so."""
    plant = Plant()
    monkeypatch.setattr(rules_module, "quotas_of", lambda _reader, _tenant: Quotas(rules=1))
    await plant.rules.create(ALICE, hot())
    with pytest.raises(QuotaExceeded, match="has 1 rules"):
        await plant.rules.create(ALICE, hot(name="second"))


async def test_enabling_what_runs_changes_nothing() -> None:
    """No entry, no version, no message to anyone."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    changes: list[object] = []
    plant.rules.on_change(changes.append)
    await plant.rules.set_enabled(ALICE, "overheating", enabled=True)
    assert not changes
    await plant.rules.set_enabled(ALICE, "overheating", enabled=False)
    assert len(changes) == 1


async def test_a_new_version_starts_nothing_that_was_stopped() -> None:
    """Unless it says so: who corrects a message does not mean to switch the rule on."""
    plant = Plant()
    await plant.rules.create(ALICE, hot())
    await plant.rules.set_enabled(ALICE, "overheating", enabled=False)
    assert not (await plant.rules.update(ALICE, "overheating", hot(message="hot"))).enabled
    assert (await plant.rules.update(ALICE, "overheating", hot(enabled=True))).enabled
    assert not (await plant.rules.update(ALICE, "overheating", hot(enabled=False))).enabled
    await plant.rules.set_enabled(ALICE, "overheating", enabled=True)
    assert (await plant.rules.update(ALICE, "overheating", hot())).enabled


async def test_a_rule_that_names_no_connector_there_is_is_refused_on_save() -> None:
    """Found out when the work order was due, it would be too late."""
    plant = Plant()

    def require(_tenant: TenantId, connector: str, _kind: str) -> None:
        raise Invalid(f"No connector is named {connector!r}.", remedy="Configured are: erp.")

    plant.rules.check_actions_with(require)
    with pytest.raises(Invalid, match="'epr'"):
        await plant.rules.create(ALICE, hot(actions=[{"webhook": {"connector": "epr"}}]))

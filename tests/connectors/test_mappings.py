"""Mappings that tenants save: checked over the connector's own fields, one tenant's alone."""

import pytest
from tests.connectors.support import ALICE, MAIN, FakeConnector, Plant, alarm, entry
from tests.groups.support import Plant as Registered

from weft.connectors.base import Situation
from weft.connectors.fields import Field
from weft.connectors.mappings import MAPPINGS, Mappings, MappingsGiven, SavedMapping, compiled
from weft.errors import ConfigurationError, ConnectorError, Invalid, NotFound, StaleVersion
from weft.model.alarm import OutboxState
from weft.model.ids import TenantId

FIELDS = {"name": Field("title"), "priority": Field("alarm.severity")}


async def kept() -> tuple[Mappings, Plant, FakeConnector]:
    around = (await Registered().built()).around
    erp = FakeConnector(fields=dict(FIELDS))
    plant = Plant(erp)
    mappings = Mappings(MappingsGiven(plant.records, plant.audit, plant.clock, around))
    plant.connectors.mappings = mappings
    return mappings, plant, erp


async def test_a_saved_mapping_fills_the_next_delivery() -> None:
    """Over the settings, which are over the kind's defaults."""
    mappings, plant, erp = await kept()
    layers = [{"priority": "'settings'", "name": "'settings'"}, {"name": "'saved ' + title"}]
    saved = await mappings.save(ALICE, erp, layers)
    assert (saved.value.version, saved.value.fields) == (1, layers[-1])
    item = entry()
    filled = await mappings.filled(erp, layers[0], item, Situation(alarm()))
    assert filled.values == {"name": "saved Check the bearing of pump-7", "priority": "settings"}
    await plant.put(item, raised=alarm())
    await plant.outbox.deliver_due()
    fields = erp.made[item.action.action_id].fields
    assert fields == {"name": "saved Check the bearing of pump-7", "priority": "critical"}


async def test_a_mapping_that_was_changed_is_the_one_of_the_next_delivery() -> None:
    """It is compiled once, and again when it is saved anew or deleted."""
    mappings, _, erp = await kept()

    async def name() -> str:
        filled = await mappings.filled(erp, {}, entry(), Situation(alarm()))
        return str(filled.values["name"])

    assert [await name(), await name()] == ["Check the bearing of pump-7"] * 2
    await mappings.save(ALICE, erp, [{"name": "'one'"}])
    assert await name() == "one"
    await mappings.save(ALICE, erp, [{"name": "'two'"}])
    assert await name() == "two"
    await mappings.delete(ALICE, "erp")
    assert await name() == "Check the bearing of pump-7"


async def test_what_does_not_fit_is_not_saved() -> None:
    """The old one stays in force, and nothing is on record."""
    mappings, _, erp = await kept()
    with pytest.raises(Invalid, match="Column 1"):
        await mappings.save(ALICE, erp, [{"name": "devise.id"}])
    assert await mappings.find(MAIN, "erp") is None


async def test_saving_is_on_record_and_sees_what_others_saved() -> None:
    """Two people write one mapping; the slower one is told."""
    mappings, plant, erp = await kept()
    await mappings.save(ALICE, erp, [{"name": "title"}])
    await mappings.save(ALICE, erp, [{"name": "text"}], version=1)
    with pytest.raises(StaleVersion):
        await mappings.save(ALICE, erp, [{"name": "key"}], version=1)
    written = [one.value for one in await plant.audit.list_records(MAIN)]
    assert [one.action for one in written] == ["connector.write"] * 2


async def test_deleting_goes_back_to_the_defaults() -> None:
    """And there is nothing to delete twice."""
    mappings, _, erp = await kept()
    await mappings.save(ALICE, erp, [{"name": "'x'"}])
    await mappings.delete(ALICE, "erp")
    filled = await mappings.filled(erp, {}, entry(), Situation(alarm()))
    assert filled.values["name"] == "Check the bearing of pump-7"
    with pytest.raises(NotFound):
        await mappings.delete(ALICE, "erp")


async def test_another_tenants_mapping_changes_nothing() -> None:
    """Two tenants share one connector; each has its own fields (TN-2)."""
    mappings, _, erp = await kept()
    await mappings.save(ALICE, erp, [{"name": "'ours'"}])
    theirs = entry(tenant=TenantId("other"))
    filled = await mappings.filled(erp, {}, theirs, Situation(alarm()))
    assert filled.values["name"] == "Check the bearing of pump-7"


async def test_a_mapping_of_another_kind_makes_actions_wait() -> None:
    """The connector became another system; nothing is sent with fields that nobody meant."""
    mappings, plant, erp = await kept()
    old = SavedMapping("erp", {"gone": "title"}, 1, "alice")
    await plant.records.write(lambda w: w.put(MAPPINGS, MAIN, "erp", old))
    erp.more_fields = False
    with pytest.raises(ConnectorError, match="does not fit"):
        await mappings.filled(erp, {}, entry(), Situation(alarm()))
    await plant.put(entry(), raised=alarm())
    await plant.outbox.deliver_due()
    assert (await plant.entry(entry())).state is OutboxState.PENDING
    assert erp.made == {}


async def test_without_records_there_are_the_defaults() -> None:
    """Nothing can be saved then, and it is said."""
    erp = FakeConnector(fields=dict(FIELDS))
    mappings = Mappings()
    assert "name" in compiled(erp).expressions
    assert (await mappings.filled(erp, {}, entry(), Situation())).values["name"]
    with pytest.raises(ConfigurationError):
        await mappings.save(ALICE, erp, [{}])


async def test_one_of_another_kind_under_the_same_name_fills_its_own_fields() -> None:
    """A tenant deletes its connector and sets up another system: nothing of the first is kept."""
    mappings, plant, first = await kept()
    second = FakeConnector(kind="other", fields={"subject": Field("title")})
    around = (entry(), Situation(alarm()))
    assert set((await mappings.filled(first, {}, *around)).values) == set(FIELDS)
    assert set((await mappings.filled(second, {}, *around)).values) == {"subject"}
    assert set((await mappings.filled(first, {}, *around)).values) == set(FIELDS)
    assert list(mappings._held) == [(MAIN, "erp")]
    await plant.connectors.put_own(MAIN, "erp", None)
    assert mappings._held == {}

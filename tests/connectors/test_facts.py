"""Facts: what a mapping may read, of the action's tenant and of nobody else's."""

from tests.connectors.support import OTHER, alarm, entry, order_of
from tests.groups.support import Plant
from tests.registry.support import MALLORY

from weft.connectors.base import Situation
from weft.connectors.facts import facts_of
from weft.connectors.fields import FACTS
from weft.model.ids import DeviceId
from weft.registry.devices import NewDevice


def test_every_fact_has_a_name_that_mappings_know() -> None:
    """A fact that no expression can name would be of no use."""
    item = entry(parameters={"title": "T", "team": 3})
    facts = facts_of(item.action, Situation(alarm(), order_of(item)), None)
    for source, key in facts:
        known = source in FACTS.open.values() or FACTS.type_of((source, key)) is not None
        assert known, (source, key)
    assert facts["parameters", "team"] == 3.0
    assert facts["evidence", "vibration"] == 9.5
    assert facts["alarm", "raised_at_ms"] == alarm().raised_at // 10**6


def test_an_action_without_an_alarm_still_has_its_words() -> None:
    """Whatever happened to the alarm, the work order is made."""
    facts = facts_of(entry().action, Situation(), None)
    assert facts["", "title"] == "Check the bearing of pump-7"
    assert ("alarm", "id") not in facts


async def test_device_and_asset_are_those_of_the_actions_tenant() -> None:
    """A namesake in another tenant lends nothing (TN-2)."""
    plant = await Plant().built()
    stranger = NewDevice("pump-2", attributes={"secret": "x"})
    await plant.registry.devices.create(MALLORY, stranger)
    ours = alarm(device_id=DeviceId("pump-2"))
    facts = facts_of(entry().action, Situation(ours), plant.around)
    assert facts["device_attributes", "power"] == 7.5
    assert ("device_attributes", "secret") not in facts
    assert (facts["asset", "id"], facts["asset", "kind"]) == ("line-2", "line")
    assert facts["asset", "path"] == "/north/hall-2/line-2"
    assert facts["asset_attributes", "floor"] == 1.0
    theirs = facts_of(entry(tenant=OTHER).action, Situation(ours), plant.around)
    assert theirs["device_attributes", "secret"] == "x"
    assert ("asset", "id") not in theirs

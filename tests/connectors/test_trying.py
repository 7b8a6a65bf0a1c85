"""Trying a mapping: what would be sent is what is sent, and who tries sees only what they may."""

from pathlib import Path

import msgspec
import pytest
from tests.connectors.contract import scene
from tests.connectors.support import ALICE, MAIN, OTHER, FakeConnector, alarm, entry

from weft.connectors.fields import read_mapping
from weft.connectors.mappings import Mappings, MappingsGiven
from weft.connectors.trying import asked_by, find_entry, rights_of
from weft.errors import Invalid, NotFound
from weft.model.alarm import Alarm
from weft.model.ids import AlarmId
from weft.ports import Reader


async def test_an_alarm_that_was_delivered_gives_the_request_that_was_sent(
    tmp_path: Path,
) -> None:
    """By its id, with its own action; nothing is sent for it."""
    async with scene("odoo", tmp_path) as here:
        plant = here.plant
        plant.connectors.mappings = Mappings(
            MappingsGiven(plant.records, plant.audit, plant.clock, None)  # type: ignore[arg-type]  # alarms alone
        )
        await here.deliver()
        sent = here.side.asked[-1].json()
        count = here.far.seen
        told = await plant.connectors.try_mapping(MAIN, "erp", None, alarm().alarm_id)
        assert here.far.seen == count
        body = msgspec.json.decode(told.planned.body)
        assert [one for one in body["data"][0] if "(id of" not in one] == sent["data"][0][:-1]
        changed = await plant.connectors.try_mapping(
            MAIN, "erp", {"priority": "'Low'", "x": "asset.id"}, alarm().alarm_id
        )
        assert changed.fields["priority"] == "Low"
        assert [one.field for one in changed.left_out] == ["x"]
        with pytest.raises(Invalid, match="Column 1"):
            await plant.connectors.try_mapping(MAIN, "erp", {"x": "devise"}, alarm())
        with pytest.raises(NotFound):
            await plant.connectors.try_mapping(MAIN, "erp", None, AlarmId("none"))
        with pytest.raises(NotFound):
            await plant.connectors.try_mapping(OTHER, "erp", None, alarm())
        await plant.connectors.save_mapping(ALICE, "erp", {"priority": "'High'"})
        name, defaults, saved = await plant.connectors.get_mapping(MAIN, "erp")
        assert (name, saved.fields if saved else None) == ("erp", {"priority": "'High'"})
        assert defaults["name"] == "title"
        await plant.connectors.delete_mapping(ALICE, "erp")
        assert (await plant.connectors.get_mapping(MAIN, "erp"))[2] is None


async def test_an_alarm_that_asked_nothing_is_tried_as_if_it_had(tmp_path: Path) -> None:
    """The rule has no action yet; the mapping is written first."""
    async with scene("sap", tmp_path) as here:
        await here.plant.put(entry(2), raised=alarm(1))

        def look(reader: Reader) -> Alarm | None:
            found, around = find_entry(reader, MAIN, alarm(1).alarm_id, here.plant.erp)
            assert found.action.parameters["title"] == alarm(1).message
            return around.alarm

        assert await here.plant.records.read(look) == alarm(1)


def test_what_a_mapping_reads_needs_the_right_to_read_it() -> None:
    """Else trying would be a way around."""

    def rights(text: str, *, real: bool = False) -> set[str]:
        mapping = read_mapping({"x": text}, {}, more=True)
        return set(rights_of(mapping, AlarmId("a") if real else None))

    assert rights("title") == set()
    assert rights("device.id") == set()
    assert rights("title", real=True) == {"alarm.read", "outbox.read"}
    assert rights("device.attributes.x") == {"device.read"}
    assert rights("device.label") == {"device.read"}
    assert rights("asset.id + device.label") == {"asset.read", "device.read"}
    assert rights("has(asset.attributes.x) ? 'a' : 'b'") == {"asset.read"}


def test_a_connector_that_makes_no_work_orders_is_tried_with_what_it_makes() -> None:
    """A webhook's event, for one."""
    only = FakeConnector(actions=frozenset({"webhook"}))
    made, around = asked_by(alarm(), only)
    assert made.action.kind == "webhook"
    assert around.work_order is not None

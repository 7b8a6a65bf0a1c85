"""What is Odoo's own: external ids, serial numbers, stages, HTML; the rest is the contract."""

from pathlib import Path

import pytest
from tests.connectors.contract import scene
from tests.connectors.farside import as_json
from tests.connectors.support import alarm, entry, order_of
from tests.connectors.test_tryton import instead

from weft.connectors.base import Situation
from weft.connectors.odoo import as_html, external_id
from weft.model.alarm import OutboxState, Severity, WorkOrderState
from weft.model.ids import derived_id


async def test_a_request_says_what_a_technician_needs(tmp_path: Path) -> None:
    """Labels for selections, HTML that is escaped, our key in its last line."""
    async with scene("odoo", tmp_path) as here:
        stored = await here.deliver()
        [values] = [order.values for order in here.far.orders()]
    assert values["id"] == external_id(here.item.action.action_id)
    assert (values["priority"], values["maintenance_type"]) == ("High", "Corrective")
    assert values["name"] == "Check the bearing of pump-7"
    assert "<br/>Device: pump-7<br/>" in values["description"]
    assert values["description"].endswith(f"{here.item.action.action_id}</p>")
    asked = here.side.asked[-1]
    assert asked.headers["x-odoo-database"] == "demo"
    assert asked.json()["context"] == {"lang": "en_US"}
    assert stored.remote_id == "1"


@pytest.mark.parametrize(("found", "column"), [([{"id": 9}], "9"), ([], None)])
async def test_equipment_is_found_by_its_serial_number(
    found: list[dict[str, int]], column: str | None, tmp_path: Path
) -> None:
    """Exactly one is taken; a request without one is made all the same."""
    async with scene("odoo", tmp_path) as here:
        here.far.faults[0] = instead(as_json(found))
        await here.deliver()
        [values] = [order.values for order in here.far.orders()]
        domain = here.side.asked[0].json()["domain"]
    assert domain == [["serial_no", "=", "pump-7"]]
    assert values.get("equipment_id/.id") == column
    assert "equipment" not in values


@pytest.mark.parametrize(
    ("severity", "label"), list(zip(Severity, ("Very Low", "Low", "Normal", "High"), strict=True))
)
async def test_every_severity_has_a_priority(
    severity: Severity, label: str, tmp_path: Path
) -> None:
    """`load` takes labels; codes would be refused."""
    async with scene("odoo", tmp_path) as here:
        [found] = list(here.plant.connectors)
        around = Situation(alarm(severity=severity))
        prepared = await here.plant.connectors.prepared(found, here.item, around)
    assert prepared.fields["priority"] == label


async def test_a_refusal_of_load_is_given_up_without_its_words(tmp_path: Path) -> None:
    """Odoo answers 200 and tells in `messages`; a person compares the fields."""
    refused = as_json({"ids": False, "messages": [{"message": "secret"}]})
    async with scene("odoo", tmp_path) as here:
        here.far.faults[1] = instead(refused)
        stored = await here.deliver()
    assert stored.state is OutboxState.DEAD
    assert "secret" not in stored.last_error
    assert "weft connector try" in stored.last_error


async def test_only_what_was_written_to_is_read_again(tmp_path: Path) -> None:
    """Polls of a quiet day ask for the dates alone."""
    async with scene("odoo", tmp_path) as here:
        stored = await here.deliver()
        order = order_of(here.item, remote_id=stored.remote_id)
        for count in (3, 1, 1):
            before = here.far.seen
            await here.plant.erp.poll([order])
            assert here.far.seen - before == count
        here.far.move(1, 2)
        [state] = (await here.plant.erp.poll([order])).values()
    assert (state.state, state.text) == (WorkOrderState.CLOSED, "Repaired")


async def test_a_request_that_was_archived_is_cancelled(tmp_path: Path) -> None:
    """Nobody will work on it."""
    async with scene("odoo", tmp_path) as here:
        await here.deliver()
        order = order_of(here.item, remote_id="1")
        row = {"id": 1, "stage_id": False, "archive": True}
        here.far.faults[here.far.seen + 1] = instead(as_json([row]))
        [state] = (await here.plant.erp.poll([order])).values()
    assert (state.state, state.text) == (WorkOrderState.CANCELLED, "archived")


def test_external_ids_are_odoos_and_never_the_same() -> None:
    """One dot, between module and name; one for each action."""
    made = {external_id(derived_id("action", str(number))) for number in range(1000)}
    assert len(made) == 1000
    assert all(one.count(".") == 1 and one.startswith("weft.wo_") for one in made)
    assert as_html("a<b>\nc") == "<p>a&lt;b&gt;<br/>c</p>"
    assert entry().action.action_id.replace("-", "") in external_id(entry().action.action_id)


async def test_a_stage_of_any_name_is_begun_and_the_first_is_not(tmp_path: Path) -> None:
    """Companies rename their stages; Odoo lists them in their order."""
    stages = [{"id": 8, "name": "Eingang"}, {"id": 9, "name": "Werkstatt"}]
    for stage, state in ((8, WorkOrderState.OPEN), (9, WorkOrderState.IN_PROGRESS)):
        async with scene("odoo", tmp_path) as here:
            await here.deliver()
            seen = here.far.seen
            row = {"id": 1, "stage_id": [stage, "x"], "archive": False}
            here.far.faults = {
                seen + 1: instead(as_json([row])),
                seen + 2: instead(as_json(stages)),
            }
            [told] = (await here.plant.erp.poll([order_of(here.item, remote_id="1")])).values()
        assert told.state is state


async def test_as_many_requests_are_read_as_are_asked_for(tmp_path: Path) -> None:
    """A limit below the number of orders would make the rest look deleted."""
    async with scene("odoo", tmp_path) as here:
        orders = [order_of(entry(n), remote_id=str(n)) for n in range(1, 501)]
        await here.plant.erp.poll(orders)
        assert here.side.asked[0].json()["limit"] == 500

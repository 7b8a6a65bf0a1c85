"""What is Salesforce's own: upserts, 300, categories, comments; the rest is the contract."""

from pathlib import Path
from typing import Any

import pytest
from tests.connectors.contract import scene
from tests.connectors.farside import Reply, as_json
from tests.connectors.support import entry, order_of, tools
from tests.connectors.test_tryton import instead

from weft.connectors.salesforce import SalesforceConnector, SalesforceSettings
from weft.errors import ConfigurationError, ConnectorError
from weft.model.alarm import OutboxState, WorkOrderState

ID = "0WO000000000001AAA"


async def test_a_record_is_upserted_under_our_key(tmp_path: Path) -> None:
    """The key stands in the address; a second time Salesforce says 204, and the id is read."""
    async with scene("salesforce", tmp_path) as here:
        first = await here.deliver()
        again = await here.deliver()
        [order] = here.far.orders()
        page = (await here.plant.order(here.item)).remote_url
    assert (first.remote_id, again.remote_id) == (ID, ID)
    assert order.values["Priority"] == "High"
    assert "Weft_Key__c" not in order.values
    assert order.values["Description"].endswith(order.key)
    assert page == f"{here.side.url}/{ID}"
    methods = [asked.method for asked in here.side.asked]
    assert methods == ["POST", "PATCH", "PATCH", "GET"]


async def test_a_key_that_is_not_unique_is_given_up_and_nothing_guessed(tmp_path: Path) -> None:
    """300: somebody made a second record by hand; a person merges them."""
    async with scene("salesforce", tmp_path) as here:
        here.far.faults[1] = instead(as_json(["/a", "/b"], status=300))
        stored = await here.deliver()
    assert stored.state is OutboxState.DEAD
    assert "Several records" in stored.last_error
    assert "unique" in stored.last_error


@pytest.mark.parametrize(
    ("row", "state"),
    [
        ({"Status": "New"}, WorkOrderState.OPEN),
        ({}, WorkOrderState.OPEN),
        ({"Status": "Working"}, WorkOrderState.IN_PROGRESS),
        ({"Status": "Closed", "IsClosed": True}, WorkOrderState.CLOSED),
        ({"Status": "Neu", "StatusCategory": "None"}, WorkOrderState.OPEN),
        ({"Status": "x", "StatusCategory": "OnHold"}, WorkOrderState.IN_PROGRESS),
        ({"Status": "x", "StatusCategory": "Completed"}, WorkOrderState.CLOSED),
        ({"Status": "x", "StatusCategory": "Canceled", "IsClosed": True}, WorkOrderState.CANCELLED),
    ],
)
async def test_states_are_read_by_category_where_there_is_one(
    row: dict[str, Any], state: WorkOrderState, tmp_path: Path
) -> None:
    """A status may have any name in any language; its category may not."""
    async with scene("salesforce", tmp_path) as here:
        here.far.faults[1] = instead(as_json({"records": [{"Id": ID, **row}]}))
        [told] = (await here.plant.erp.poll([order_of(entry(), remote_id=ID)])).values()
    assert told.state is state


async def test_an_id_that_is_none_is_not_taken(tmp_path: Path) -> None:
    """It would stand in a query; the record is looked for again later."""
    odd = as_json({"id": "x' OR Name != '", "success": True}, status=201)
    async with scene("salesforce", tmp_path) as here:
        here.far.faults[1] = instead(odd)
        stored = await here.deliver()
        assert stored.state is OutboxState.PENDING
        with pytest.raises(ConnectorError):
            await here.plant.erp.note(order_of(here.item, remote_id="x' OR"), "x")
        assert (await here.deliver(2)).state is OutboxState.DELIVERED


async def test_a_case_has_comments_and_no_category(tmp_path: Path) -> None:
    """The other object: CaseComment in place of the feed."""
    async with scene("salesforce", tmp_path) as here:
        here.plant.erp._settings = SalesforceSettings(
            url=here.side.url, client_id="weft", client_secret="env:X", object="Case"
        )
        stored = await here.deliver()
        order = order_of(here.item, remote_id=stored.remote_id)
        await here.plant.erp.note(order, "Cleared.")
        await here.plant.erp.poll([order])
        asked = [one.target for one in here.side.asked]
    assert any("/sobjects/Case/Weft_Key__c/" in one for one in asked)
    assert any(one.endswith("/sobjects/CaseComment") for one in asked)
    assert not any("StatusCategory" in one for one in asked)
    assert here.far.notes(1) == ["Cleared."]


@pytest.mark.parametrize(
    "wrong", [{"external_id": "a b"}, {"external_id": "../x"}, {"api_version": "62"}]
)
def test_names_that_cannot_be_salesforces_stop_the_start(
    wrong: dict[str, str], tmp_path: Path
) -> None:
    """They stand in addresses."""
    made, reference = tools(tmp_path)
    settings = SalesforceSettings(url="https://x", client_id="a", client_secret=reference, **wrong)
    with pytest.raises(ConfigurationError, match="external_id or api_version"):
        SalesforceConnector("crm", settings, made)


async def test_a_test_tells_the_version(tmp_path: Path) -> None:
    """And needs a token, the object and the right to read it."""
    async with scene("salesforce", tmp_path) as here:
        assert "62.0" in await here.plant.erp.test()
        here.far.faults[here.far.seen + 1] = instead(Reply(400, b"", {}))
        with pytest.raises(ConnectorError):
            await here.plant.erp.test()


async def test_many_records_are_asked_for_in_parts(tmp_path: Path) -> None:
    """A query stands in the address, and addresses have an end."""
    async with scene("salesforce", tmp_path) as here:
        orders = [order_of(entry(n), remote_id=f"0WO{n:012}AAA") for n in range(250)]
        told = await here.plant.erp.poll(orders)
        assert (len(told), here.far.seen) == (250, 1 + 3)
        assert all(len(asked.target) < 6_000 for asked in here.side.asked)

"""What is SAP's own: lengths, references, sessions, versions; the rest is the contract."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.connectors.contract import SECRET, far_of, scene
from tests.connectors.farside import Asked, Reply, as_json, far_side
from tests.connectors.support import alarm, entry, order_of, tools
from tests.connectors.test_tryton import instead

from weft.connectors.base import Situation
from weft.connectors.sap import SapConnector, SapSettings, address_of, reference_of
from weft.errors import ConnectorError
from weft.model.alarm import OutboxState, WorkOrderState
from weft.model.ids import derived_id


async def test_a_notification_says_what_a_planner_needs(tmp_path: Path) -> None:
    """Every value within SAP's lengths; the moment of the fault, not of the delivery."""
    long = {"title": "A bearing that vibrates far above what anybody would call normal"}
    async with scene("sap", tmp_path, parameters=long) as here:
        stored = await here.deliver()
        [values] = [order.values for order in here.far.orders()]
    assert len(values["NotificationText"]) == 40
    assert values["MaintPriority"] == "1"
    assert values["NotificationType"] == "M2"
    assert values["MalfunctionStartDate"] == "/Date(1772323200000)/"
    assert values["MalfunctionStartTime"].startswith("PT12H")
    assert values["MaintNotifExtReferenceNumber"] == reference_of(here.item.action.action_id)
    assert values["MaintNotifLongTextForEdit"].endswith(here.item.action.action_id)
    assert "TechObjIsEquipOrFuncnlLoc" not in values  # nothing is known of its equipment
    assert stored.remote_id == "10000001"


async def test_a_long_text_is_cut_and_keeps_our_key(tmp_path: Path) -> None:
    """1,333 characters hold the fault's beginning and the line by which we know it."""
    async with scene(
        "sap", tmp_path, parameters={"title": "x", "description": "y" * 5_000}
    ) as here:
        assert (await here.deliver()).state is OutboxState.DELIVERED
        text = here.far.orders()[0].values["MaintNotifLongTextForEdit"]
    assert len(text) <= 1333
    assert text.endswith(here.item.action.action_id)


def test_references_are_twenty_characters_and_never_the_same() -> None:
    """Letters and digits that stay apart without regard to case; as many as we could make."""
    made = {reference_of(derived_id("action", str(number))) for number in range(100_000)}
    assert len({one.lower() for one in made}) == 100_000
    assert all(len(one) == 20 and one.isalnum() and one.isascii() for one in made)
    assert reference_of("a") == reference_of("a")


async def test_a_forgotten_session_is_begun_anew_once(tmp_path: Path) -> None:
    """403 with `Required` before anything was done: the entry does not even wait."""
    async with scene("sap", tmp_path) as here:
        await here.deliver()
        assert here.far.expire is not None
        here.far.expire()
        here.item = entry(2)
        assert (await here.deliver()).state is OutboxState.DELIVERED
        told = [asked.headers.get("x-csrf-token") for asked in here.side.asked]
    assert told.count("Fetch") == 2
    assert len(here.far.keys()) == 2


async def test_a_session_that_is_never_accepted_is_given_back_to_the_outbox(
    tmp_path: Path,
) -> None:
    """Two tries, not an endless loop; 403 is tried again later."""
    refused = Reply(403, b"", {"X-CSRF-Token": "Required"})
    async with scene("sap", tmp_path) as here:
        here.far.faults = {2: instead(refused), 4: instead(refused)}
        stored = await here.deliver()
        assert (stored.state, here.far.seen) == (OutboxState.PENDING, 5)
        assert (await here.deliver(2)).state is OutboxState.DELIVERED
    assert len(here.far.keys()) == 1


async def test_a_text_that_was_changed_between_is_read_again(tmp_path: Path) -> None:
    """412: a planner wrote between our read and our write; both texts stand there after."""
    async with scene("sap", tmp_path) as here:
        stored = await here.deliver()
        order = order_of(here.item, remote_id=stored.remote_id)
        here.far.orders()[0].values["MaintNotifLongTextForEdit"] = "The planner's words"
        here.far.faults[here.far.seen + 1] = instead(Reply(412, b"", {}))
        await here.plant.erp.note(order, "Cleared.")
        text = here.far.orders()[0].values["MaintNotifLongTextForEdit"]
        assert text == "Cleared.\n\nThe planner's words"
        assert here.side.asked[-1].headers["if-match"].startswith("W/")


@pytest.mark.parametrize(
    ("phase", "order", "state"),
    [
        ("1", "", WorkOrderState.OPEN),
        ("2", "", WorkOrderState.OPEN),
        ("1", "4000012", WorkOrderState.IN_PROGRESS),
        ("3", "", WorkOrderState.IN_PROGRESS),
        ("4", "4000012", WorkOrderState.CLOSED),
        ("5", "", WorkOrderState.CANCELLED),
        ("9", "", WorkOrderState.OPEN),
    ],
)
async def test_phases_are_states(
    phase: str, order: str, state: WorkOrderState, tmp_path: Path
) -> None:
    """Planned with an order of its own is in progress; a phase that is new is open."""
    row = {
        "MaintenanceNotification": "1",
        "NotifProcessingPhase": phase,
        "MaintenanceOrder": order,
    }
    async with scene("sap", tmp_path) as here:
        here.far.faults[0] = instead(as_json({"d": {"results": [row]}}))
        [told] = (await here.plant.erp.poll([order_of(here.item, remote_id="1")])).values()
    assert told.state is state
    assert order in told.text


async def test_many_notifications_are_asked_for_in_parts(tmp_path: Path) -> None:
    """Gateways cut long addresses; 45 orders are three requests."""
    async with scene("sap", tmp_path) as here:
        orders = [order_of(entry(n), remote_id=str(n)) for n in range(45)]
        told = await here.plant.erp.poll(orders)
        assert (len(told), here.far.seen) == (45, 3)


async def test_in_the_cloud_a_token_is_fetched(tmp_path: Path) -> None:
    """OAuth2 client credentials, the client of the system in every address."""
    inner = far_of("sap", tmp_path / "secret")
    (tmp_path / "secret").write_text(SECRET)
    made, reference = tools(tmp_path, SECRET)

    def answer(asked: Asked) -> Reply:
        if asked.path == "/oauth/token":
            return as_json({"access_token": "t", "expires_in": 60})
        assert asked.headers["authorization"] == "Bearer t"
        assert asked.query["sap-client"] == ["100"]
        pair = base64.b64encode(f"weft:{SECRET}".encode()).decode()
        asked.headers["authorization"] = f"Basic {pair}"
        return inner.answer(asked)

    async with far_side(answer) as side:
        auth = {
            "kind": "oauth2",
            "token_url": side.url + "/oauth/token",
            "client_id": "weft",
            "client_secret": reference,
        }
        table: dict[str, Any] = {"url": side.url, "auth": auth, "client": "100"}
        connector = SapConnector("erp", msgspec.convert(table, SapSettings), made)
        delivered = await connector.deliver(
            entry(), Situation(alarm(), None, {"NotificationType": "M1"})
        )
        assert "can be written" in await connector.test()
        await connector.close()
    assert delivered.remote_id == "10000001"


def test_a_number_that_is_none_reaches_no_address() -> None:
    """A far side's answer cannot choose what we write to."""
    assert address_of("https://x/s?sap-client=1", "7") == (
        "https://x/s/MaintenanceNotification('7')?sap-client=1"
    )
    with pytest.raises(ConnectorError):
        address_of("https://x/s", "7')/../x('")

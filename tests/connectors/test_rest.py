"""Any REST system: what settings must say, and answers that are not as they say."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.connectors.contract import scene
from tests.connectors.farside import Asked, Reply, as_json, far_side
from tests.connectors.support import alarm, entry, order_of, tools
from tests.connectors.test_tryton import instead

from weft.connectors.base import Situation
from weft.connectors.rest import RestConnector, RestSettings
from weft.errors import ConfigurationError, ConnectorError
from weft.model.alarm import OutboxState, WorkOrderState

UPSERT: dict[str, Any] = {
    "url": "https://x",
    "create": {
        "method": "PATCH",
        "path": "/orders(weft_key='{key}')",
        "headers": {"Prefer": "return=representation", "X-Device": "{device}"},
        "body": {"data": {"taxable": False}},
        "fields_at": "data",
        "once": True,
        "id": "id",
    },
}


def made(table: dict[str, Any], folder: Path) -> RestConnector:
    return RestConnector("erp", msgspec.convert(table, RestSettings), tools(folder)[0])


async def test_a_far_side_that_upserts_needs_no_look_up(tmp_path: Path) -> None:
    """The key in the address, the fields in their table, the rest as the settings say."""
    async with far_side(lambda _asked: as_json({"id": 7})) as side:
        connector = made({**UPSERT, "url": side.url, "page": "https://x/{remote_id}"}, tmp_path)
        around = Situation(alarm(), None, {"name": "N", "taxable": True})
        delivered = await connector.deliver(entry(), around)
    [asked] = side.asked
    assert asked.json() == {"data": {"taxable": False, "name": "N"}}
    assert asked.path.startswith("/orders(weft_key='1831578f-")
    assert asked.headers["x-device"] == "pump-7"
    assert (delivered.remote_id, delivered.url) == ("7", "https://x/7")
    assert connector.follows is False
    assert await connector.poll([order_of(entry(), remote_id="7")]) == {}
    await connector.note(order_of(entry(), remote_id="7"), "nobody is told")


async def test_a_filter_that_is_ignored_lends_us_no_strangers_record(tmp_path: Path) -> None:
    """ServiceNow lists everything for a field that it does not know: none of it is ours."""
    strangers = [{"sys_id": str(n), "correlation_id": "another"} for n in (1, 2)]
    async with scene("servicenow", tmp_path) as here:
        here.far.faults[0] = instead(as_json({"result": strangers}))
        stored = await here.deliver()
    assert stored.state is OutboxState.DELIVERED
    assert len(here.far.keys()) == 1
    assert stored.remote_id == f"{1:032x}"


@pytest.mark.parametrize("odd", [{}, {"result": {}}, {"result": [{"correlation_id": "KEY"}]}, []])
async def test_an_answer_of_another_shape_is_not_taken_for_nothing_found(
    odd: Any, tmp_path: Path
) -> None:
    """`{}` is not an empty list: making a record on it might make the second one."""
    key = entry().action.action_id
    said = msgspec.json.decode(msgspec.json.encode(odd).replace(b"KEY", key.encode()))
    async with scene("servicenow", tmp_path) as here:
        here.far.faults[0] = instead(as_json(said))
        stored = await here.deliver()
        assert stored.state is OutboxState.PENDING
        assert here.far.keys() == []
        assert (await here.deliver(2)).state is OutboxState.DELIVERED


async def test_a_create_that_says_nothing_is_followed_by_a_look(tmp_path: Path) -> None:
    """204 without a body: the id is found by the key."""
    async with scene("servicenow", tmp_path) as here:
        table = here.far.settings(here.side.url, f"file:{here.secret}")
        table["create"] = {**table["create"], "id": ""}
        table.pop("kind")
        connector = made(table, tmp_path)
        (tmp_path / "secret").write_text("s3cret-key-of-the-far-side-0123456789")
        delivered = await connector.deliver(entry(), Situation(alarm()))
    assert delivered.remote_id == f"{1:032x}"


@pytest.mark.parametrize(
    ("status", "state"), [(404, WorkOrderState.CANCELLED), (410, WorkOrderState.CANCELLED)]
)
async def test_a_record_that_is_gone_is_cancelled(
    status: int, state: WorkOrderState, tmp_path: Path
) -> None:
    """And an answer without a state is an error, not a state."""
    async with scene("servicenow", tmp_path) as here:
        order = order_of(entry(), remote_id="a" * 32)
        here.far.faults[0] = instead(Reply(status, b"", {}))
        [told] = (await here.plant.erp.poll([order])).values()
        assert told.state is state
        here.far.faults[1] = instead(as_json({"result": {}}))
        with pytest.raises(ConnectorError, match="does not have what the settings say"):
            await here.plant.erp.poll([order])


@pytest.mark.parametrize("remote", ["..", ".", "a/../../admin", "x?y=1"])
async def test_an_id_of_the_far_side_chooses_no_address(remote: str, tmp_path: Path) -> None:
    """It stands in the path as one segment, or not at all."""
    seen: list[Asked] = []

    def answer(asked: Asked) -> Reply:
        seen.append(asked)
        return as_json({"result": {"state": "1"}})

    async with far_side(answer) as side:
        table = {
            **UPSERT,
            "url": side.url,
            "status": {"path": "/t/{remote_id}", "state": "result.state"},
        }
        connector = made(table, tmp_path)
        order = order_of(entry(), remote_id=remote)
        if remote in {".", ".."}:
            with pytest.raises(ConnectorError):
                await connector.poll([order])
        else:
            await connector.poll([order])
    assert all(asked.target.count("/") == 2 and "?" not in asked.target for asked in seen)


def _without(table: dict[str, Any], *path: str) -> dict[str, Any]:
    inner = dict(table)
    if len(path) == 1:
        inner.pop(path[0])
    else:
        inner[path[0]] = _without(inner[path[0]], *path[1:])
    return inner


def _with(**create: Any) -> dict[str, Any]:
    return {**UPSERT, "create": {**UPSERT["create"], **create}}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (_with(once=False), "would make a second"),
        (_with(path="/orders"), "does not carry"),
        (_with(id=""), "create.id"),
        (_with(path="/a?{key}"), "cannot be a path"),
        (_with(body={"a": "{kee}"}), "names nothing"),
        (_with(id="a..b"), "Column 2"),
        ({**UPSERT, "page": "{key}"}, "names nothing"),
        ({**UPSERT, "note": {"path": "/n", "body": {"t": "{text}"}}}, "names nothing"),
        ({**UPSERT, "auth": {"kind": "basic", "user": "a", "password": "x"}}, "not a reference"),
    ],
)
def test_settings_that_could_make_two_records_stop_the_start(
    table: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """So do names and paths that are none."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        made(table, tmp_path)
    assert caught.value.remedy


async def test_a_place_for_fields_that_is_no_table_is_said(tmp_path: Path) -> None:
    """When it is first used; nothing is sent."""
    connector = made(_with(fields_at="data.taxable"), tmp_path)
    with pytest.raises(ConnectorError, match="no table"):
        connector.plan(entry(), Situation(alarm(), None, {"a": 1}))


async def test_a_test_needs_a_request_that_changes_nothing(tmp_path: Path) -> None:
    """Settings that only upsert name one."""
    async with far_side(lambda _asked: as_json({})) as side:
        with pytest.raises(ConnectorError, match="changes nothing"):
            await made({**UPSERT, "url": side.url}, tmp_path).test()
        table = {**UPSERT, "url": side.url, "probe": {"path": "/about"}}
        connector = made(table, tmp_path)
        assert await connector.test()
        await connector.close()
    assert [asked.path for asked in side.asked] == ["/about"]

"""Odoo 19 (JSON-2): work orders as maintenance requests of the module `maintenance`.

The request is made with `load` under an external id derived from our work order's id, so
making it twice gives the same one; Odoo itself keeps the promise. The equipment is found by
its serial number. Notes go to the request's chatter, as escaped text. An error of Odoo holds
a whole traceback in `debug`: of it only the status is ever read, logged or shown.
"""

import html
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from weft.connectors.authentication import Key, proof_of
from weft.connectors.base import (
    GONE,
    WORK_ORDER,
    ConnectorSettings,
    Delivered,
    Planned,
    Quality,
    RemoteState,
    Situation,
    Tools,
    by_number,
)
from weft.connectors.calls import JSON, Calls
from weft.connectors.credentials import Reference
from weft.connectors.fields import Field
from weft.connectors.mapping import text_of, title_of, with_key
from weft.errors import ConnectorError
from weft.model.alarm import OutboxEntry, WorkOrder, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.rules.language.syntax import Type
from weft.security.outbound import url_of

_REQUEST = "maintenance.request"
_KNOWN_MAX = 10_000  # requests whose state is remembered between polls
_PRIORITY = (
    "alarm.severity == 'critical' ? 'High' : alarm.severity == 'major' ? 'Normal' : "
    "alarm.severity == 'warning' ? 'Low' : 'Very Low'"
)
_SERIAL = "has(device.attributes.serial_no) ? string(device.attributes.serial_no) : device.id"
# Labels of selections and stages are compared, so they are asked for in one language.
_CONTEXT = {"lang": "en_US"}


class OdooSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "odoo"`: an Odoo 19 database."""

    place: ClassVar[tuple[str, ...]] = ("database",)

    key: Reference  # reference to an API key of a user with access to Maintenance
    database: str = ""  # where the server has several


class _Loaded(Struct):
    ids: list[int] | bool  # false: refused


class _Id(Struct):
    id: int


class _Changed(Struct):
    id: int
    write_date: str = ""


class _Stage(Struct):
    id: int
    name: str = ""
    done: bool = False


class _Request(Struct):
    id: int
    stage_id: tuple[int, str] | bool = False
    kanban_state: str | bool = ""
    archive: bool = False


class OdooConnector:
    """Makes and follows maintenance requests in one Odoo database."""

    kind = "odoo"
    actions = frozenset({WORK_ORDER})
    follows = True
    fields: ClassVar[Mapping[str, Field]] = {
        "name": Field("title", characters=120),
        "description": Field("text"),
        "equipment": Field(_SERIAL, characters=100),  # the serial number, looked up
        "maintenance_type": Field("'Corrective'", characters=40),
        "priority": Field(_PRIORITY, characters=40),
        "schedule_date": Field(),
        "duration": Field(type=Type.DOUBLE),
    }
    more_fields = True
    quality = Quality.GOLD
    page = "connect-odoo"

    def __init__(self, name: str, settings: OdooSettings, tools: Tools) -> None:
        self.name = name
        self._settings = settings
        proof = proof_of(Key(key=settings.key), tools, f"[connectors.{name}]", settings.timeout_s)
        self._calls = Calls(tools, proof, settings.timeout_s)
        self._told: OrderedDict[int, tuple[str, RemoteState]] = OrderedDict()

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Load the request under its external id; a second time it is the same one."""
        serial = situation.fields.get("equipment")
        equipment = await self._find_equipment(str(serial)) if serial else None
        planned = self._planned(entry, situation, "" if equipment is None else str(equipment))
        answer = await self._calls.send(planned)
        loaded = answer.require_success("Load the request").decode(_Loaded, "Load the request")
        if not isinstance(loaded.ids, list) or len(loaded.ids) != 1:
            raise ConnectorError(
                "Load the request: Odoo took none of it.",
                permanent=True,
                remedy="Compare the fields with `weft connector try`; selections take labels.",
            )
        remote_id = str(loaded.ids[0])
        return Delivered(remote_id, "New Request", self._page_of(remote_id))

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the request to `load`; the equipment's id is looked up when it is sent."""
        serial = situation.fields.get("equipment")
        return self._planned(entry, situation, f"(id of equipment {serial})" if serial else "")

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:
        """Return how the requests stand; only those written to since the last time are read."""
        ids = by_number(orders)
        if not ids:
            return {}
        domain = [["id", "in", sorted(ids)]]
        found = await self._read(_REQUEST, domain, ["write_date"], list[_Changed], limit=len(ids))
        dates = {one.id: one.write_date for one in found if one.id in ids}
        changed = [one for one, at in dates.items() if self._told.get(one, ("",))[0] != at]
        if changed:
            await self._learn(changed, dates)
        return {
            order_id: self._told[one][1] if one in dates else GONE
            for one, order_id in ids.items()
            if one not in dates or one in self._told
        }

    async def note(self, order: WorkOrder, text: str) -> None:
        """Write into the request's chatter, unless the same words stand there."""
        remote_id = int(order.remote_id or 0)
        said = [["model", "=", _REQUEST], ["res_id", "=", remote_id], ["body", "ilike", text]]
        if await self._read("mail.message", said, ["id"], list[_Id], limit=1):
            return
        body = {"ids": [remote_id], "body": text}  # Odoo escapes a plain text
        await self._call(_REQUEST, "message_post", body, what="Write the note")

    async def test(self) -> str:
        """Read the stages, which needs the key, the module and read access."""
        stages = await self._read("maintenance.stage", [], ["name", "done"], list[_Stage])
        return f"Odoo answers; {len(stages)} stages of maintenance."

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _planned(self, entry: OutboxEntry, situation: Situation, equipment: str) -> Planned:
        action, values = entry.action, dict(situation.fields)
        serial = values.pop("equipment", None)
        values["name"] = values.get("name") or title_of(action, situation)
        text = values.get("description") or text_of(action, situation)
        values["description"] = as_html(with_key(str(text), action.action_id))
        if equipment:
            values["equipment_id/.id"] = equipment
        columns = {"id": external_id(action.action_id), **values}
        body = {
            "fields": list(columns),
            "data": [[_cell(value) for value in columns.values()]],
            "context": _CONTEXT,
        }
        return Planned(
            "POST",
            url_of(self._settings.url, "json", "2", _REQUEST, "load"),
            msgspec.json.encode(body),
            self._headers(),
            f"The equipment with serial number {serial} is looked up." if serial else "",
        )

    async def _find_equipment(self, serial: str) -> int | None:
        domain = [["serial_no", "=", serial]]
        found = await self._read("maintenance.equipment", domain, ["id"], list[_Id], limit=2)
        return found[0].id if len(found) == 1 else None

    async def _learn(self, ids: Sequence[int], dates: Mapping[int, str]) -> None:
        fields = ["stage_id", "kanban_state", "archive"]
        requests = await self._read(
            _REQUEST, [["id", "in", sorted(ids)]], fields, list[_Request], limit=len(ids)
        )
        stages = await self._read("maintenance.stage", [], ["name", "done"], list[_Stage])
        done = {stage.id for stage in stages if stage.done}
        first = stages[0].id if stages else 0  # Odoo lists them in their order
        for one in requests:
            if one.id in dates:
                self._told[one.id] = (dates[one.id], _state_of(one, first, done))
                self._told.move_to_end(one.id)
        while len(self._told) > _KNOWN_MAX:
            self._told.popitem(last=False)

    async def _read(
        self, model: str, domain: list[Any], fields: list[str], type_: Any, *, limit: int = 200
    ) -> Any:
        body = {"domain": domain, "fields": fields, "limit": limit, "context": _CONTEXT}
        return (await self._call(model, "search_read", body, what="Read")).decode(type_, "Read")

    async def _call(self, model: str, method: str, body: Mapping[str, Any], *, what: str) -> Any:
        url = url_of(self._settings.url, "json", "2", model, method)
        return await self._calls.ask_json(
            "POST", url, what=what, headers=self._headers(), json=body
        )

    def _headers(self) -> dict[str, str]:
        database = self._settings.database
        return {"Content-Type": JSON, **({"X-Odoo-Database": database} if database else {})}

    def _page_of(self, remote_id: str) -> str:
        return url_of(self._settings.url, "odoo", _REQUEST, remote_id)


def external_id(action_id: str) -> str:
    """Return the name under which Odoo knows our request: made once, loaded as often."""
    return f"weft.wo_{action_id.replace('-', '')}"


def as_html(text: str) -> str:
    """Return a text for a field of HTML: what a device wrote stays text there."""
    return "<p>" + "<br/>".join(html.escape(line) for line in text.split("\n")) + "</p>"


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _state_of(request: _Request, first: int, done: set[int]) -> RemoteState:
    number, name = request.stage_id if isinstance(request.stage_id, tuple) else (0, "")
    if request.archive:
        return RemoteState(WorkOrderState.CANCELLED, "archived")
    if number in done:
        return RemoteState(WorkOrderState.CLOSED, name[:80])
    begun = number not in {0, first}
    return RemoteState(WorkOrderState.IN_PROGRESS if begun else WorkOrderState.OPEN, name[:80])

"""Salesforce: work orders as cases (CRM) or work orders (Field Service).

A record is upserted under an external id that holds our work order's id: Salesforce itself
makes it once. The field must be marked unique there; where it is not, Salesforce answers 300
and nothing is guessed. Tokens come from the client credentials flow of a connected app.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct, field

from weft.connectors.authentication import OAuth2, proof_of
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
    by_remote_id,
)
from weft.connectors.calls import JSON, Calls, query_of
from weft.connectors.credentials import Reference
from weft.connectors.fields import Field, plain_lines
from weft.connectors.mapping import text_of, title_of, with_key
from weft.errors import ConfigurationError, ConnectorError
from weft.model.alarm import OutboxEntry, WorkOrder, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.security.outbound import url_of

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_VERSION = re.compile(r"v[1-9][0-9]{1,2}\.0")
_IN_ONE_QUERY = 100  # ids; the query stands in the address
_NOTES_MAX = 200  # of one record, the newest: ours is among them
_BEGUN = {"InProgress", "OnHold", "CannotComplete"}
_ENDED = {"Completed", "Closed"}
_PRIORITY = (
    "alarm.severity == 'critical' || alarm.severity == 'major' ? 'High' : "
    "alarm.severity == 'warning' ? 'Medium' : 'Low'"
)


class SalesforceSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "salesforce"`: a Salesforce org."""

    place: ClassVar[tuple[str, ...]] = ("object",)

    client_id: str  # of a connected app with the client credentials flow
    client_secret: Reference  # reference to the secret of that app
    object: Literal["Case", "WorkOrder"] = "WorkOrder"  # WorkOrder needs Field Service
    external_id: str = "Weft_Key__c"  # a text field of the object: external id, unique
    api_version: str = "v62.0"  # of the REST interface


class _Upserted(Struct):
    id: str


class _Record(Struct):
    id: str = field(name="Id")
    status: str | None = field(name="Status", default=None)
    closed: bool = field(name="IsClosed", default=False)
    category: str | None = field(name="StatusCategory", default=None)


class _Records(Struct):
    records: list[_Record]


class _Said(Struct):
    text: str | None = field(name="CommentBody", default=None)
    body: str | None = field(name="Body", default=None)


class _Notes(Struct):
    records: list[_Said]


class _Version(Struct):
    version: str


class SalesforceConnector:
    """Upserts and follows records of one object in one org."""

    kind = "salesforce"
    actions = frozenset({WORK_ORDER})
    follows = True
    fields: ClassVar[Mapping[str, Field]] = {
        "Subject": Field("title", characters=255),
        "Description": Field("text"),
        "Priority": Field(_PRIORITY, characters=40),
        "AssetId": Field("string(asset.attributes.salesforce_id)", characters=18),
    }
    more_fields = True
    quality = Quality.GOLD
    page = "connect-salesforce"

    def __init__(self, name: str, settings: SalesforceSettings, tools: Tools) -> None:
        self.name = name
        self._settings = settings
        setting = f"[connectors.{name}]"
        if not _NAME.fullmatch(settings.external_id) or not _VERSION.fullmatch(
            settings.api_version
        ):
            raise ConfigurationError(
                f"{setting}: external_id or api_version cannot be one of Salesforce's.",
                remedy='Write external_id = "Weft_Key__c" and api_version = "v62.0".',
            )
        auth = OAuth2(
            token_url=url_of(settings.url, "services", "oauth2", "token"),
            client_id=settings.client_id,
            client_secret=settings.client_secret,
        )
        self._calls = Calls(
            tools, proof_of(auth, tools, setting, settings.timeout_s), settings.timeout_s
        )

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Upsert the record under its external id."""
        planned = self.plan(entry, situation)
        answer = await self._calls.send(planned)
        if answer.status == 300:
            raise ConnectorError(
                f"Several records have the external id of {entry.action.action_id}.",
                permanent=True,
                remedy=f"Mark {self._settings.external_id} unique, merge them, then redrive.",
            )
        answer.require_success("Upsert the record")
        if answer.status == 204:  # changed, and before v46 nothing is said of it
            answer = await self._calls.ask_json("GET", planned.url, what="Read the record")
            remote_id = answer.decode(_Record, "Read the record").id
        else:
            remote_id = answer.decode(_Upserted, "Upsert the record").id
        page = url_of(self._settings.url, _require_id(remote_id))
        return Delivered(remote_id, "New", page)

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the upsert."""
        action, values = entry.action, dict(situation.fields)
        values["Subject"] = values.get("Subject") or title_of(action, situation)
        text = str(values.get("Description") or text_of(action, situation))
        values["Description"] = with_key(text, action.action_id)
        values.pop(self._settings.external_id, None)  # it stands in the address
        path = ("sobjects", self._settings.object, self._settings.external_id, action.action_id)
        body = msgspec.json.encode(values)
        return Planned("PATCH", self._url(*path), body, {"Content-Type": JSON})

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:
        """Return how the records stand; one that is gone is cancelled."""
        ids = by_remote_id(orders, _ID.fullmatch)
        found: dict[str, _Record] = {}
        known = sorted(ids)
        for start in range(0, len(known), _IN_ONE_QUERY):
            rows = await self._states(known[start : start + _IN_ONE_QUERY])
            found |= {row.id: row for row in rows}
        return {
            order_id: _state_of(found[one]) if one in found else GONE
            for one, order_id in ids.items()
        }

    async def _states(self, ids: Sequence[str]) -> list[_Record]:
        category = ", StatusCategory" if self._settings.object == "WorkOrder" else ""
        listed = ", ".join(f"'{one}'" for one in ids)
        rows: list[_Record] = (
            await self._query(
                f"SELECT Id, Status, IsClosed{category} FROM {self._settings.object} "  # noqa: S608  ids are letters and digits
                f"WHERE Id IN ({listed})",
                _Records,
            )
        ).records
        return rows

    async def note(self, order: WorkOrder, text: str) -> None:
        """Comment on the case, or post to the work order's feed, unless it stands there."""
        remote_id = _require_id(order.remote_id or "")
        comment = self._settings.object == "Case"
        name, body = ("CaseComment", "CommentBody") if comment else ("FeedItem", "Body")
        said: _Notes = await self._query(
            f"SELECT {body} FROM {name} WHERE ParentId = '{remote_id}' "  # noqa: S608  as above
            f"ORDER BY CreatedDate DESC LIMIT {_NOTES_MAX}",
            _Notes,
        )
        if any(text in ((one.text if comment else one.body) or "") for one in said.records):
            return
        values = {"ParentId": remote_id, body: text}
        url = self._url("sobjects", name)
        await self._calls.ask_json("POST", url, what="Write the note", json=values)

    async def test(self) -> str:
        """Fetch a token and read the versions, which changes nothing."""
        url = url_of(self._settings.url, "services", "data")
        answer = await self._calls.ask_json("GET", url, what="Test")
        await self._query(f"SELECT Id FROM {self._settings.object} LIMIT 1", _Records)  # noqa: S608  a literal
        newest = answer.decode(list[_Version], "Test")[-1:]
        shown = plain_lines(newest[0].version)[:10] if newest else "?"
        return f"Salesforce answers; its newest API version is {shown}."

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _query(self, text: str, type_: Any) -> Any:
        url = f"{self._url('query')}?{query_of({'q': text})}"
        return (await self._calls.ask_json("GET", url, what="Query")).decode(type_, "Query")

    def _url(self, *segments: str) -> str:
        return url_of(self._settings.url, "services", "data", self._settings.api_version, *segments)


def _require_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ConnectorError("The record's id is none of Salesforce's.")
    return text


def _state_of(record: _Record) -> RemoteState:
    text = plain_lines(record.status or "")[:80]
    if record.category == "Canceled":
        return RemoteState(WorkOrderState.CANCELLED, text)
    if record.closed or record.category in _ENDED:
        return RemoteState(WorkOrderState.CLOSED, text)
    begun = record.category in _BEGUN if record.category else (record.status or "New") != "New"
    return RemoteState(WorkOrderState.IN_PROGRESS if begun else WorkOrderState.OPEN, text)

"""SAP S/4HANA: work orders as maintenance notifications (OData V2, API_MAINTNOTIFICATION).

A notification carries a reference number derived from our work order's id and is looked for
by it before it is made; SAP plans the order by itself. Writing needs a token against forged
requests and the session's cookies: both are fetched once and again when SAP has forgotten
them. A change names the version it has read (ETag), so no planner's text is overwritten.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

import msgspec
from msgspec import Struct, field

from weft.connectors.authentication import Authentication, proof_of
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
from weft.connectors.calls import JSON, Calls, after_settling, query_of
from weft.connectors.fields import Field, cut
from weft.connectors.mapping import text_of, title_of, with_key
from weft.connectors.sessions import Session
from weft.errors import ConnectorError
from weft.model.alarm import OutboxEntry, WorkOrder, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.model.moments import NS_PER_S
from weft.observability.log import get_logger
from weft.rules.language.syntax import Type
from weft.security.outbound import Answer, url_of

log = get_logger(__name__)

_SERVICE = ("sap", "opu", "odata", "sap", "API_MAINTNOTIFICATION")
_SET = "MaintenanceNotification"
_REFERENCE = "MaintNotifExtReferenceNumber"
_TEXT = "MaintNotifLongTextForEdit"
_TEXT_CHARACTERS = 1333
_IN_ONE_FILTER = 20  # numbers; longer addresses are cut by gateways
_PRIORITY = (
    "alarm.severity == 'critical' ? '1' : alarm.severity == 'major' ? '2' : "
    "alarm.severity == 'warning' ? '3' : '4'"
)
_OBJECT = (
    "has(device.attributes.sap_equipment) ? string(device.attributes.sap_equipment) : "
    "string(asset.attributes.sap_equipment)"
)
_PHASES = {
    "1": (WorkOrderState.OPEN, "outstanding"),
    "2": (WorkOrderState.OPEN, "postponed"),
    "3": (WorkOrderState.IN_PROGRESS, "in process"),
    "4": (WorkOrderState.CLOSED, "completed"),
    "5": (WorkOrderState.CANCELLED, "marked for deletion"),
}


class SapSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "sap"`: an SAP S/4HANA system."""

    place: ClassVar[tuple[str, ...]] = ("client",)

    auth: Authentication  # basic on premise, oauth2 in the cloud
    client: str = ""  # `sap-client`, where it is not the system's default
    settle_s: float = 15.0  # longer than SAP takes to end a request that we gave up on


class _Notification(Struct):
    number: str = field(name="MaintenanceNotification")
    phase: str = field(name="NotifProcessingPhase", default="")
    order: str = field(name="MaintenanceOrder", default="")
    reference: str = field(name=_REFERENCE, default="")
    text: str = field(name=_TEXT, default="")


class _Results(Struct):
    results: list[_Notification]


class _Found(Struct):
    d: _Results


class _One(Struct):
    d: _Notification


class SapConnector:
    """Makes and follows notifications in one SAP system."""

    kind = "sap"
    actions = frozenset({WORK_ORDER})
    follows = True
    fields: ClassVar[Mapping[str, Field]] = {
        "NotificationType": Field("'M2'", characters=2),
        "NotificationText": Field("title", characters=40),
        "MaintPriority": Field(_PRIORITY, characters=1),
        "TechnicalObject": Field(_OBJECT, characters=40),
        "TechObjIsEquipOrFuncnlLoc": Field("'EAMS_EQUI'", characters=20),
        "MaintenancePlanningPlant": Field(characters=4),
        "MaintenanceObjectIsDown": Field(type=Type.BOOL),
        _TEXT: Field("text"),
    }
    more_fields = True
    quality = Quality.GOLD
    page = "connect-sap"

    def __init__(self, name: str, settings: SapSettings, tools: Tools) -> None:
        self.name = name
        self._settings = settings
        proof = proof_of(settings.auth, tools, f"[connectors.{name}]", settings.timeout_s)
        self._calls = Calls(tools, proof, settings.timeout_s)
        self._session = Session(self._calls, self._url())

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Make the notification unless it is there; either way, there is one afterwards."""
        found = await self._find(reference_of(entry.action.action_id))
        if found is None:
            found = await self._create(self.plan(entry, situation))
        return Delivered(found.number, _state_of(found).text)

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the request that makes the notification."""
        action, values = entry.action, dict(situation.fields)
        values["NotificationText"] = values.get("NotificationText") or cut(
            title_of(action, situation), 40
        )
        text = str(values.get(_TEXT) or text_of(action, situation))
        values[_TEXT] = with_key(text, action.action_id, _TEXT_CHARACTERS)
        if not values.get("TechnicalObject"):
            values.pop("TechObjIsEquipOrFuncnlLoc", None)
        raised_at = situation.alarm.raised_at if situation.alarm else action.created_at
        moment = datetime.fromtimestamp(raised_at // NS_PER_S, UTC)
        midnight = moment.replace(hour=0, minute=0, second=0)
        reference = reference_of(action.action_id)
        body = {
            **values,
            "MalfunctionStartDate": f"/Date({round(midnight.timestamp()) * 1000})/",
            "MalfunctionStartTime": f"PT{moment:%H}H{moment:%M}M{moment:%S}S",
            _REFERENCE: reference,
        }
        first = f"A notification with {_REFERENCE} {reference} is looked for."
        headers = {"Content-Type": JSON}
        return Planned("POST", self._url(_SET), msgspec.json.encode(body), headers, first)

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:
        """Return how the notifications stand; one that is gone is cancelled."""
        ids = by_remote_id(orders, _is_number)
        told: dict[WorkOrderId, RemoteState] = {}
        numbers = sorted(ids)
        for start in range(0, len(numbers), _IN_ONE_FILTER):
            part = numbers[start : start + _IN_ONE_FILTER]
            text = " or ".join(f"{_SET} eq '{number}'" for number in part)
            found = {one.number: one for one in await self._search(text)}
            for number in part:
                told[ids[number]] = _state_of(found[number]) if number in found else GONE
        return told

    async def note(self, order: WorkOrder, text: str) -> None:
        """Put a line in front of the long text, unless it stands there."""
        for last in (False, True):
            answer = await self._read_one(order.remote_id or "")
            said = answer.decode(_One, "Read the notification").d.text
            if text in said:
                return
            body = {_TEXT: cut(f"{text}\n\n{said}".rstrip(), _TEXT_CHARACTERS)}
            tag = answer.headers.get("etag", "*")
            written = await self._session.write(
                "PATCH", address_of(self._url(), order.remote_id or ""), body, {"If-Match": tag}
            )
            if written.status != 412 or last:  # 412: somebody wrote between; read theirs
                written.require_success("Write the note")
                return

    async def test(self) -> str:
        """Fetch a token against forged requests, which needs the user and the service."""
        await self._session.begin()
        return "SAP answers; its maintenance notifications can be written."

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _find(self, reference: str) -> _Notification | None:
        found = await self._search(f"{_REFERENCE} eq '{reference}'")
        ours = sorted(
            (one for one in found if one.reference == reference), key=lambda one: one.number
        )
        if len(ours) > 1:
            numbers = [one.number for one in ours]
            log.warning("sap_notification_twice", connector=self.name, notifications=numbers)
        return ours[0] if ours else None

    async def _search(self, text: str) -> list[_Notification]:
        fields = ("MaintenanceNotification", "NotifProcessingPhase", "MaintenanceOrder", _REFERENCE)
        query = {"$filter": text, "$select": ",".join(fields), "$format": "json"}
        answer = await self._calls.ask_json("GET", self._url(_SET, **query), what="Read")
        return answer.decode(_Found, "Read").d.results

    async def _read_one(self, number: str) -> Answer:
        url = address_of(self._url(), number)
        return await self._calls.ask_json("GET", url, what="Read the notification")

    async def _create(self, planned: Planned) -> _Notification:
        what = "Make the notification"
        try:
            answer = await self._session.send(planned)
            return answer.require_success(what).decode(_One, what).d
        except ConnectorError as error:
            raise after_settling(error, self._settings.settle_s) from error

    def _url(self, *segments: str, **query: str) -> str:
        if self._settings.client:
            query["sap-client"] = self._settings.client
        path = url_of(self._settings.url, *_SERVICE, *segments)
        return f"{path}?{query_of(query)}" if query else path


def address_of(service: str, number: str) -> str:
    """Return the address of one notification; only letters and digits stand in its number."""
    if not _is_number(number):
        raise ConnectorError("The notification's number is none of SAP's.", permanent=True)
    path, mark, query = service.partition("?")
    return f"{path}/{_SET}('{number}'){mark}{query}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isalnum()


def reference_of(action_id: str) -> str:
    """Return 20 letters and digits for an action: 100 bits of SHA-256.

    SAP compares without regard to case, so base 32 is the most that 20 characters hold. Two
    of a billion work orders share one with a probability below 10^-12.
    """
    digest = hashlib.sha256(action_id.encode()).digest()
    return base64.b32encode(digest).decode()[:20]


def _state_of(notification: _Notification) -> RemoteState:
    state, text = _PHASES.get(notification.phase, (WorkOrderState.OPEN, ""))
    if notification.order.isalnum():
        text = f"{text}, order {notification.order}".lstrip(", ")
        if state is WorkOrderState.OPEN:
            state = WorkOrderState.IN_PROGRESS  # planned
    return RemoteState(state, text[:80])

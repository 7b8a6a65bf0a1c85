"""Any REST interface, described in the settings: requests as templates, answers as paths.

One record for one work order is kept in one of two ways. Where the far side can be searched,
`find` looks for our key before `create` is sent, and takes only an item that really holds
it: a server that ignores a filter it does not know would otherwise lend us a stranger's
record. Where it upserts by a key in the request, `create.once` says so. Settings that say
neither are refused at start.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

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
)
from weft.connectors.calls import JSON, Calls, after_settling, query_of
from weft.connectors.extraction import Steps, find_at, find_id, find_state, read_path
from weft.connectors.fields import Field
from weft.connectors.mapping import text_of, title_of, with_key
from weft.connectors.templates import (
    fill_path,
    fill_query,
    fill_text,
    fill_value,
    names_in,
    require_path,
    require_template,
)
from weft.errors import ConfigurationError, ConnectorError, Invalid
from weft.model.alarm import OutboxEntry, WorkOrder, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.observability.log import get_logger
from weft.security.outbound import Answer

log = get_logger(__name__)

_FOUND = ("key",)
_MADE = ("key", "title", "text", "device", "alarm", "severity", "rule", "tenant")
_KNOWN = ("key", "remote_id")
_NOTED = ("key", "remote_id", "note")


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request has: `{key}` and others stand for values."""

    path: str  # behind url, from its first / on
    query: dict[str, Any] = {}  # what stands behind the ? of the address
    headers: dict[str, str] = {}  # beside those of the authentication


class Find(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`find`: the request that looks for our record."""

    items: str = ""  # where the list stands in the answer; the answer itself where empty
    match: str  # where our key stands in an item; one that does not hold it is not ours
    id: str  # where the id stands in an item
    state: str = ""  # where the state stands in an item


class Create(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`create`: the request that makes it."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"  # as the far side wants it
    body: dict[str, Any] = {}  # JSON in which {key} and others stand for values
    fields_at: str = ""  # the table of the body that the mapped fields go into; the body itself
    id: str = ""  # where the id stands in the answer
    state: str = ""  # where the state stands in the answer
    once: bool = False  # the far side makes one record for one key by itself


class Status(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`status`: the request that reads how a record stands."""

    state: str  # where the state stands in the answer


class Said(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`note.said`: the request that reads the notes, so that none is written twice."""

    items: str = ""  # where the notes stand in the answer; the answer itself where empty
    text: str  # where the words stand in a note


class Note(Request, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`note`: the request that writes a note."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"  # as the far side wants it
    body: dict[str, Any] = {}  # JSON in which {key} and others stand for values
    said: Said | None = None  # the request that reads the notes there are


class RestSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "rest"`: any system with a REST interface."""

    create: Create  # the request that makes a record
    find: Find | None = None  # the request that looks for it; or create.once
    status: Status | None = None  # without it, work orders are not followed
    note: Note | None = None  # without it, a cleared alarm is not told
    probe: Request | None = None  # what `weft connector test` reads; find where left out
    auth: Authentication | None = None  # how we prove who asks
    page: str = ""  # a person's link to a record, with {remote_id}
    in_progress: tuple[str, ...] = ()  # states of the far side, in our words
    closed: tuple[str, ...] = ()  # the same, of a record that is done
    cancelled: tuple[str, ...] = ()  # the same, of one that will not be done
    settle_s: float = 15.0  # pause after a create without an answer


class _Paths(Struct, frozen=True):
    """The paths into answers, read once."""

    items: Steps
    match: Steps
    found_id: Steps
    found_state: Steps
    made_id: Steps
    made_state: Steps
    fields_at: Steps
    status: Steps
    said: Steps
    text: Steps


class RestConnector:
    """Makes and follows records as its settings describe."""

    kind = "rest"
    actions = frozenset({WORK_ORDER})
    fields: ClassVar[Mapping[str, Field]] = {}
    more_fields = True
    quality = Quality.SILVER
    page = "connect-any-rest-system"

    def __init__(self, name: str, settings: RestSettings, tools: Tools) -> None:
        self.name = name
        self.follows = settings.status is not None
        self._settings = settings
        setting = f"[connectors.{name}]"
        try:
            _require_sound(settings)
            self._paths = _paths_of(settings)
        except Invalid as error:
            raise ConfigurationError(f"{setting}: {error.detail}", remedy=error.remedy) from error
        proof = proof_of(settings.auth, tools, setting, settings.timeout_s)
        self._calls = Calls(tools, proof, settings.timeout_s)

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Make the record unless it is there; either way, there is one afterwards."""
        found = await self._find(entry.action.action_id)
        if found is None:
            found = await self._create(entry, situation)
        return found

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the request that makes the record."""
        create = self._settings.create
        values = _values_of(entry, situation)
        body = _put_in(fill_value(create.body, values), self._paths.fields_at, situation.fields)
        looks = self._settings.find is not None
        return Planned(
            create.method,
            self._url(create, values),
            msgspec.json.encode(body),
            {"Content-Type": JSON, **_headers(create, values)},
            f"A record with the key {values['key']} is looked for." if looks else "",
        )

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:
        """Return how the records stand, one request each; one that is gone is cancelled."""
        status = self._settings.status
        told: dict[WorkOrderId, RemoteState] = {}
        for order in orders:
            if status is None or not order.remote_id:
                continue
            answer = await self._read(status, _known_of(order), self._paths.status)
            told[order.work_order_id] = answer
        return told

    async def note(self, order: WorkOrder, text: str) -> None:
        """Write the note, unless the far side can be read and it stands there."""
        note = self._settings.note
        if note is None or not order.remote_id:
            return
        values = {**_known_of(order), "note": text}
        if note.said is not None:
            answer = await self._get(note.said, values, "Read the notes")
            items = find_at(answer.decode(Any, "Read the notes"), self._paths.said)
            if not isinstance(items, list):
                raise _undeclared("Read the notes")
            if any(text in str(find_at(item, self._paths.text)) for item in items):
                return
        body = fill_value(note.body, values)
        headers = _headers(note, values)
        await self._calls.ask_json(
            note.method, self._url(note, values), what="Write the note", headers=headers, json=body
        )

    async def test(self) -> str:
        """Send the request that changes nothing."""
        probe = self._settings.probe or self._settings.find
        if probe is None:
            raise ConnectorError(
                "The settings name no request that changes nothing.",
                permanent=True,
                remedy=f"Add [connectors.{self.name}.probe] with a path.",
            )
        await self._get(probe, {"key": "weft-test"}, "Test")
        return "The far side answers as the settings describe it."

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    async def _find(self, key: str) -> Delivered | None:
        find = self._settings.find
        if find is None:
            return None
        what = "Look for the record"
        answer = await self._get(find, {"key": key}, what)
        items = find_at(answer.decode(Any, what), self._paths.items)
        if not isinstance(items, list):
            raise _undeclared(what)
        ours = [item for item in items if _holds(find_at(item, self._paths.match), key)]
        if items and not ours and len(items) > 1:
            log.warning("rest_find_is_no_filter", connector=self.name, items=len(items))
        if not ours:
            return None
        return self._delivered(ours[0], self._paths.found_id, self._paths.found_state, what)

    async def _create(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        create, what = self._settings.create, "Make the record"
        planned = self.plan(entry, situation)
        try:
            answer = await self._calls.send(planned)
            answer.require_success(what)
            if create.id:
                said = answer.decode(Any, what)
                return self._delivered(said, self._paths.made_id, self._paths.made_state, what)
        except ConnectorError as error:
            raise (
                error if create.once else after_settling(error, self._settings.settle_s)
            ) from error
        found = await self._find(entry.action.action_id)
        return found or Delivered(entry.action.action_id)

    async def _read(self, status: Status, values: Mapping[str, Any], steps: Steps) -> RemoteState:
        answer = await self._calls.ask(
            "GET", self._url(status, values), headers=_headers(status, values)
        )
        if answer.status in {404, 410}:
            return GONE
        what = "Read the state"
        said = answer.require_success(what).decode(Any, what)
        text = find_state(said, steps)
        if not text:
            raise _undeclared(what)
        return RemoteState(self._state_of(text), text)

    def _state_of(self, text: str) -> WorkOrderState:
        settings = self._settings
        if text in settings.closed:
            return WorkOrderState.CLOSED
        if text in settings.cancelled:
            return WorkOrderState.CANCELLED
        begun = text in settings.in_progress
        return WorkOrderState.IN_PROGRESS if begun else WorkOrderState.OPEN

    def _delivered(self, said: Any, id_at: Steps, state_at: Steps, what: str) -> Delivered:
        remote_id = find_id(said, id_at)
        if not remote_id:
            raise _undeclared(what)
        page = self._settings.page
        url = fill_text(page, {"remote_id": remote_id}, _quoted) if page else None
        return Delivered(remote_id, find_state(said, state_at) if state_at else "", url)

    async def _get(self, request: Request, values: Mapping[str, Any], what: str) -> Answer:
        headers = _headers(request, values)
        return await self._calls.ask_json(
            "GET", self._url(request, values), what=what, headers=headers
        )

    def _url(self, request: Request, values: Mapping[str, Any]) -> str:
        path = self._settings.url.rstrip("/") + fill_path(request.path, values)
        query = fill_query(request.query, values)
        return f"{path}?{query_of(query)}" if query else path


def _require_sound(settings: RestSettings) -> None:
    """Raise `Invalid` for settings that could make two records, or that name nothing."""
    create, find = settings.create, settings.find
    if find is None and not create.once:
        raise Invalid(
            "There is neither find nor create.once: a repeated delivery would make a second "
            "record.",
            remedy="Describe how the record is found by {key}, or say that create upserts by it.",
        )
    carries = [create.path, create.query, create.headers, create.body]
    if "key" not in {name for part in carries for name in names_in(part)}:
        raise Invalid(
            "create does not carry {key}: the record could not be found again.",
            remedy="Put {key} into a field of the body that can be searched, or into the path.",
        )
    if find is None and not create.id:
        raise Invalid("create.id says where the id stands.", remedy="Add it, or find.")
    note = settings.note
    parts: list[tuple[Request | None, tuple[str, ...]]] = [
        (find, _FOUND),
        (create, _MADE),
        (settings.status, _KNOWN),
        (note, _NOTED),
        (note.said if note else None, _NOTED),
        (settings.probe, ("key",)),
    ]
    for request, known in parts:
        if request is not None:
            require_path(request.path, known)
            require_template([request.query, request.headers], known)
    require_template(create.body, _MADE)
    require_template(settings.page, ("remote_id",))
    if note is not None:
        require_template(note.body, _NOTED)


def _paths_of(settings: RestSettings) -> _Paths:
    find, note = settings.find, settings.note
    said = note.said if note else None
    return _Paths(
        items=read_path(find.items if find else ""),
        match=read_path(find.match if find else ""),
        found_id=read_path(find.id if find else ""),
        found_state=read_path(find.state if find else ""),
        made_id=read_path(settings.create.id),
        made_state=read_path(settings.create.state),
        fields_at=read_path(settings.create.fields_at),
        status=read_path(settings.status.state if settings.status else ""),
        said=read_path(said.items if said else ""),
        text=read_path(said.text if said else ""),
    )


def _values_of(entry: OutboxEntry, situation: Situation) -> dict[str, Any]:
    action, alarm = entry.action, situation.alarm
    return {
        "key": action.action_id,
        "title": title_of(action, situation),
        "text": with_key(text_of(action, situation), action.action_id),
        "tenant": action.tenant,
        "device": alarm.device_id if alarm else "",
        "alarm": action.alarm_id,
        "severity": alarm.severity.value if alarm else "",
        "rule": alarm.rule_id if alarm else "",
    }


def _known_of(order: WorkOrder) -> dict[str, Any]:
    return {"key": str(order.work_order_id), "remote_id": order.remote_id or ""}


def _headers(request: Request, values: Mapping[str, Any]) -> dict[str, str]:
    return {name: fill_text(one, values) for name, one in request.headers.items()}


def _put_in(body: dict[str, Any], steps: Steps, fields: Mapping[str, Any]) -> dict[str, Any]:
    place = body
    for step in steps:
        place = place.setdefault(str(step), {})
        if not isinstance(place, dict):
            raise ConnectorError(
                "create.fields_at names something of the body that is no table.", permanent=True
            )
    place.update({name: one for name, one in fields.items() if name not in place})
    return body


def _holds(value: Any, key: str) -> bool:
    return isinstance(value, str) and key in value


def _quoted(text: str) -> str:
    return query_of({"x": text}).removeprefix("x=")


def _undeclared(what: str) -> ConnectorError:
    return ConnectorError(
        f"{what}: the answer does not have what the settings say.",
        remedy="Compare the paths in the settings with an answer of the far side.",
    )

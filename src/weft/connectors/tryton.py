"""Tryton 8: work orders as tasks (`project.work`) of the module `project`.

Tryton's REST interface has no idempotency key, so the task carries our work order's id in
its comment and is looked up by it before it is made. After a request to create that has no
known end the task may still be on its way into Tryton's database: the next look-up waits
until it has settled. Notes go to the task's chat, where the people who work on it read them.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec import Struct

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
from weft.connectors.calls import after_settling
from weft.connectors.credentials import Reference, require_reference
from weft.connectors.fields import Field
from weft.connectors.mapping import key_line, text_of, title_of, with_key
from weft.errors import ConnectorError
from weft.model.alarm import OutboxEntry, WorkOrder, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.observability.log import get_logger
from weft.security.outbound import Answer, url_of

T = TypeVar("T")
log = get_logger(__name__)

_TASK = "project.work"
_CHAT = "ir.chat.channel"
_STATE_FIELDS = [("f", "status.name"), ("f", "status.progress"), ("f", "progress")]
_FOUND_MAX = 5


class TrytonSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "tryton"`: a Tryton database."""

    place: ClassVar[tuple[str, ...]] = ("database",)

    database: str  # its name
    key: Reference  # reference to a user application key with access to `rest`
    company: int = 1  # id of the company that owns the tasks
    project: int | None = None  # id of the project below which tasks are made
    settle_s: float = 15.0  # longer than Tryton takes to end a request that we gave up on


class _Status(Struct):
    id: int = 0
    name: str = ""
    progress: float | None = None


class _Task(Struct):
    id: int
    comment: str | None = None
    progress: float | None = None
    status: _Status | None = None


class _Message(Struct):
    content: str = ""


class TrytonConnector:
    """Makes and follows tasks in one Tryton database."""

    kind = "tryton"
    actions = frozenset({WORK_ORDER})
    follows = True
    fields: ClassVar[Mapping[str, Field]] = {
        "name": Field("title", characters=120),
        "comment": Field("text"),  # our key's line follows it
    }
    more_fields = True
    quality = Quality.GOLD
    page = "connect-tryton"

    def __init__(self, name: str, settings: TrytonSettings, tools: Tools) -> None:
        self.name = name
        self._settings = settings
        self._outbound = tools.outbound
        self._credentials = tools.credentials
        self._key = require_reference(settings.key, f"[connectors.{name}] key")

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Make the task unless it is there; either way, there is one afterwards."""
        task = await self._find(entry.action.action_id)
        if task is None:
            task = await self._create(entry, situation)
        return Delivered(
            remote_id=str(task.id), remote_state=_text_of(task), url=self._page_of(task.id)
        )

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:
        """Return how the tasks stand; one that is gone from Tryton is cancelled."""
        ids = by_number(orders)
        if not ids:
            return {}
        tasks = await self._search(
            [["id", "in", sorted(ids)]], _STATE_FIELDS, limit=len(ids), what="Poll tasks"
        )
        states = {task.id: RemoteState(_state_of(task), _text_of(task)) for task in tasks}
        return {order_id: states.get(task_id, GONE) for task_id, order_id in ids.items()}

    async def note(self, order: WorkOrder, text: str) -> None:
        """Write into the task's chat, unless the same words stand there."""
        resource = f"{_TASK},{order.remote_id}"
        answer = await self._ask("POST", (_CHAT, "get"), body={"resource": resource}, what="Read")
        said = answer.decode(list[_Message], "Read chat")
        if not any(message.content == text for message in said):
            body = {"resource": resource, "content": text}
            await self._ask("POST", (_CHAT, "post"), body=body, what="Write note")

    async def close_order(self, order: WorkOrder, text: str, *, cancelled: bool) -> bool:
        """Set the task to the first status that is done, and leave a note.

        Tryton's tasks have no status for what was cancelled: the note says it.
        """
        said = f"{text} (cancelled)" if cancelled else text
        return await self._set_status(order, said, done=True)

    async def reopen_order(self, order: WorkOrder, text: str) -> bool:
        """Set the task back to the first status without progress, and leave a note."""
        return await self._set_status(order, text, done=False)

    async def _set_status(self, order: WorkOrder, text: str, *, done: bool) -> bool:
        what = "Close the task" if done else "Open the task"
        query = [("f", "name"), ("f", "progress")]
        answer = await self._ask("GET", ("project.work.status",), query, what=what)
        progress = 1.0 if done else 0.0
        status = next(
            (
                one.id
                for one in answer.decode(list[_Status], what)
                if (one.progress or 0.0) == progress
            ),
            None,
        )
        if status is None or not order.remote_id:
            return False
        await self.note(order, text)
        values = {"status": status, "progress": progress}
        await self._ask("PUT", (_TASK, order.remote_id), body=values, what=what)
        return True

    async def test(self) -> str:
        """Read the task states, which needs the key, the module and read access."""
        answer = await self._ask("GET", ("project.work.status",), [("f", "name")], what="Test")
        names = [status.name for status in answer.decode(list[_Status], "Test")]
        return f"Tryton database {self._settings.database} answers; {len(names)} task states."

    async def close(self) -> None:
        """Close the connections."""
        await self._outbound.close()

    async def _find(self, action_id: str) -> _Task | None:
        key = key_line(action_id)
        tasks = await self._search(
            [["comment", "like", f"%{key}%"]],
            [("f", "comment"), *_STATE_FIELDS],
            limit=_FOUND_MAX,
            what="Look for the task",
        )
        ours = sorted((task for task in tasks if key in (task.comment or "")), key=lambda t: t.id)
        if len(ours) > 1:
            log.warning("tryton_task_twice", connector=self.name, tasks=[t.id for t in ours])
        return ours[0] if ours else None

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the request that makes the task."""
        fields = situation.fields
        text = fields.get("comment") or text_of(entry.action, situation)
        values: dict[str, Any] = {
            **fields,
            "name": fields.get("name") or title_of(entry.action, situation),
            "type": "task",
            "company": self._settings.company,
            "comment": with_key(text, entry.action.action_id),
        }
        if self._settings.project is not None:
            values["parent"] = self._settings.project
        return Planned(
            "POST",
            self._url((_TASK,), _STATE_FIELDS),
            msgspec.json.encode(values),
            {"Content-Type": "application/json"},
            f"A task whose comment holds {key_line(entry.action.action_id)!r} is looked for.",
        )

    async def _create(self, entry: OutboxEntry, situation: Situation) -> _Task:
        planned = self.plan(entry, situation)
        try:
            answer = await self._send(planned, "Create the task")
            return answer.decode(_Task, "Create the task")
        except ConnectorError as error:
            raise after_settling(error, self._settings.settle_s) from error

    async def _search(
        self, domain: list[Any], fields: list[tuple[str, str]], *, limit: int, what: str
    ) -> list[_Task]:
        encoded = base64.urlsafe_b64encode(msgspec.json.encode(domain)).decode()
        query = [("d", encoded), ("s", str(limit)), *fields]
        answer = await self._ask("GET", (_TASK,), query, what=what)
        return answer.decode(list[_Task], what)

    async def _ask(
        self,
        method: str,
        model: tuple[str, ...],
        query: Sequence[tuple[str, str]] = (),
        *,
        body: Mapping[str, Any] | None = None,
        what: str,
    ) -> Answer:
        planned = Planned(
            method,
            self._url(model, query),
            b"" if body is None else msgspec.json.encode(body),
            {"Content-Type": "application/json"},
        )
        return await self._send(planned, what)

    async def _send(self, planned: Planned, what: str) -> Answer:
        key = await self._credentials.get(self._key)
        answer = await self._outbound.request(
            planned.method,
            planned.url,
            headers={**planned.headers, "Authorization": f"bearer {key}"},
            body=planned.body or None,
            timeout_s=self._settings.timeout_s,
        )
        return answer.require_success(what)

    def _url(self, model: tuple[str, ...], query: Sequence[tuple[str, str]]) -> str:
        settings = self._settings
        return url_of(settings.url, settings.database, "rest", "model", *model, query=query)

    def _page_of(self, task_id: int) -> str:
        base = self._settings.url.rstrip("/")
        return f"{base}/#{self._settings.database}/model/{_TASK}/{task_id}"


def _state_of(task: _Task) -> WorkOrderState:
    done = task.status.progress if task.status else None
    if done is not None and done >= 1.0:
        return WorkOrderState.CLOSED
    if (done or 0.0) > 0.0 or (task.progress or 0.0) > 0.0:
        return WorkOrderState.IN_PROGRESS
    return WorkOrderState.OPEN


def _text_of(task: _Task) -> str:
    return (task.status.name if task.status else "")[:80]

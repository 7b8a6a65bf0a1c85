"""A connector for a small ticket service, as a package of its own.

The service keeps a ticket under the name that its maker chooses: PUT /tickets/KEY makes it or
changes it, GET reads it. So the work order's id is the name, and delivering twice leaves one.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec
from msgspec import Struct

from weft.connectors.authentication import Key, proof_of
from weft.connectors.base import (
    WORK_ORDER,
    ConnectorSettings,
    Delivered,
    Planned,
    Quality,
    RemoteState,
    Situation,
    Tools,
)
from weft.connectors.calls import JSON, Calls
from weft.connectors.credentials import Reference
from weft.connectors.fields import Field
from weft.connectors.mapping import title_of
from weft.model.alarm import OutboxEntry, WorkOrder, WorkOrderState
from weft.model.ids import WorkOrderId
from weft.security.outbound import url_of


class TicketSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "tickets"`: a ticket service."""

    key: Reference  # reference to its API key


class Ticket(Struct):
    """What is read of a ticket; anything else that the service says is refused."""

    number: int
    done: bool = False
    remarks: list[str] = []


class TicketConnector:
    """Makes and follows tickets."""

    settings = TicketSettings
    kind = "tickets"
    actions = frozenset({WORK_ORDER})
    follows = True
    fields: ClassVar[Mapping[str, Field]] = {
        "subject": Field("title", characters=100),
        "text": Field("text"),
    }
    more_fields = False
    quality = Quality.SILVER
    page = "write-a-connector"

    def __init__(self, name: str, settings: TicketSettings, tools: Tools) -> None:
        self.name = name
        self._url = settings.url
        auth = Key(key=settings.key, header="X-Key", prefix="")
        proof = proof_of(auth, tools, f"[connectors.{name}]", settings.timeout_s)
        self._calls = Calls(tools, proof, settings.timeout_s)

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Put the ticket under its name."""
        planned = self.plan(entry, situation)
        answer = await self._calls.ask(
            planned.method, planned.url, headers=planned.headers, body=planned.body
        )
        ticket = answer.require_success("Put the ticket").decode(Ticket, "Put the ticket")
        return Delivered(str(ticket.number), "open")

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return that request."""
        values = {"subject": title_of(entry.action, situation), **situation.fields}
        url = self._ticket(entry.action.action_id)
        return Planned("PUT", url, msgspec.json.encode(values), {"Content-Type": JSON})

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:
        """Return how tickets stand."""
        told = {}
        for order in orders:
            answer = await self._calls.ask("GET", self._ticket(order.work_order_id))
            if answer.status == 404:
                told[order.work_order_id] = RemoteState(WorkOrderState.CANCELLED, "deleted")
                continue
            ticket = answer.require_success("Read").decode(Ticket, "Read")
            state = WorkOrderState.CLOSED if ticket.done else WorkOrderState.OPEN
            told[order.work_order_id] = RemoteState(state, "done" if ticket.done else "open")
        return told

    async def note(self, order: WorkOrder, text: str) -> None:
        """Add a remark, unless it stands there."""
        url = self._ticket(order.work_order_id)
        answer = await self._calls.ask_json("GET", url, what="Read")
        if text not in answer.decode(Ticket, "Read").remarks:
            remarks = url_of(url, "remarks")
            await self._calls.ask_json("POST", remarks, what="Remark", json={"text": text})

    async def test(self) -> str:
        """Ask who we are."""
        await self._calls.ask_json("GET", url_of(self._url, "me"), what="Test")
        return "The ticket service knows us."

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    def _ticket(self, key: str) -> str:
        return url_of(self._url, "tickets", key)

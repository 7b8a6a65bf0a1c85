"""Webhooks: signed HTTP requests to a receiver of one's own.

A receiver can prove three things: that we sent it (HMAC-SHA-256 over `timestamp.body`),
when (the timestamp is signed; old ones are refused), and whether it has seen it already
(`Weft-Delivery` is the same at every try, and the id of the signed event). During a rotation
two secrets sign, so no receiver has to change at the same instant. The body is a CloudEvent
(1.0, JSON format).
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from weft.connectors.base import (
    WEBHOOK,
    WORK_ORDER,
    ConnectorSettings,
    Delivered,
    Planned,
    Quality,
    RemoteState,
    Situation,
    Tools,
)
from weft.connectors.credentials import Reference, require_reference
from weft.connectors.fields import Field
from weft.connectors.mapping import description_of, facts_of, title_of
from weft.errors import Unauthenticated
from weft.model.alarm import NOTIFICATION, OutboxEntry, WorkOrder
from weft.model.ids import WorkOrderId, derived_id, new_id
from weft.model.moments import NS_PER_S, to_rfc3339

SIGNATURE = "Weft-Signature"
DELIVERY = "Weft-Delivery"
TOLERANCE_S = 300.0
_TYPES = {WORK_ORDER: "weft.work_order.requested", NOTIFICATION: "weft.notification"}


class WebhookSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "webhook"`: a receiver of one's own."""

    secret: Reference  # reference; at least 32 random bytes, known to the receiver
    next_secret: Reference = ""  # reference; signs beside the first while receivers change over


class WebhookConnector:
    """Posts events to one receiver."""

    kind = "webhook"
    actions = frozenset({NOTIFICATION, WEBHOOK, WORK_ORDER})
    follows = False
    fields: ClassVar[Mapping[str, Field]] = {}
    more_fields = True  # all of them go into `data.fields`
    quality = Quality.SILVER  # a receiver cannot be asked how it stands
    page = "receive-webhooks"

    def __init__(self, name: str, settings: WebhookSettings, tools: Tools) -> None:
        self.name = name
        self._settings = settings
        self._outbound = tools.outbound
        self._credentials = tools.credentials
        self._clock = tools.clock
        self._references = [require_reference(settings.secret, f"[connectors.{name}] secret")]
        if settings.next_secret:
            setting = f"[connectors.{name}] next_secret"
            self._references.append(require_reference(settings.next_secret, setting))

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Post the event; the receiver knows a repetition by its `Weft-Delivery`."""
        await self._post(self.plan(entry, situation), "Deliver")
        return Delivered(remote_id=entry.action.action_id, remote_state="accepted")

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the request that tells the receiver; it is signed when it is sent."""
        action = entry.action
        data: dict[str, Any] = {"parameters": action.parameters}
        if situation.fields:
            data["fields"] = situation.fields
        if situation.alarm is not None:
            data["alarm"] = facts_of(situation.alarm)
        if action.kind == WORK_ORDER:
            data["title"] = title_of(action, situation)
            data["description"] = description_of(action, situation)
        return self._planned(
            {
                "specversion": "1.0",
                "id": action.action_id,
                "source": f"weft/{action.tenant}",
                "type": _TYPES.get(action.kind, "weft.alarm"),
                "subject": situation.alarm.subject.name if situation.alarm else action.alarm_id,
                "time": to_rfc3339(action.created_at),
                "datacontenttype": "application/json",
                "data": data,
            }
        )

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:  # noqa: ARG002  a receiver cannot be asked
        """Return nothing: a receiver tells us through the API."""
        return {}

    async def note(self, order: WorkOrder, text: str) -> None:
        """Post the note as an event of its own."""
        event = {
            "specversion": "1.0",
            "id": derived_id("note", order.work_order_id, text),
            "source": f"weft/{order.tenant}",
            "type": "weft.work_order.note",
            "subject": order.work_order_id,
            "datacontenttype": "application/json",
            "data": {"work_order_id": order.work_order_id, "text": text},
        }
        await self._post(self._planned(event), "Note")

    async def test(self) -> str:
        """Post an event that asks for nothing."""
        event = {
            "specversion": "1.0",
            "id": new_id(),
            "source": "weft",
            "type": "weft.test",
            "data": {},
        }
        await self._post(self._planned(event), "Test")
        return "The receiver accepted a signed test event."

    async def close(self) -> None:
        """Close the connections."""
        await self._outbound.close()

    def _planned(self, event: Mapping[str, Any]) -> Planned:
        headers = {"Content-Type": "application/cloudevents+json", DELIVERY: str(event["id"])}
        return Planned("POST", self._settings.url, msgspec.json.encode(event), headers)

    async def _post(self, planned: Planned, what: str) -> None:
        secrets = [await self._credentials.get(reference) for reference in self._references]
        signature = sign(secrets, planned.body, self._clock.now() // NS_PER_S)
        answer = await self._outbound.request(
            planned.method,
            planned.url,
            headers={**planned.headers, SIGNATURE: signature},
            body=planned.body,
            timeout_s=self._settings.timeout_s,
        )
        answer.require_success(what)


def sign(secrets: Iterable[str], body: bytes, at_s: int) -> str:
    """Return the value of `Weft-Signature`: the time, and one signature per secret."""
    signatures = [f"v1={_signature(secret, body, str(at_s))}" for secret in secrets]
    return ",".join([f"t={at_s}", *signatures])


def verify_signature(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    tolerance_s: float = TOLERANCE_S,
) -> str:
    """Return the delivery's id, or raise `Unauthenticated`. For receivers written in Python.

    Keep the ids of the last `tolerance_s` seconds and ignore those seen before: that ends
    replays inside the window too.
    """
    given = {name.lower(): value for name, value in headers.items()}
    parts = [part.partition("=") for part in given.get(SIGNATURE.lower(), "").split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > 15:
        raise Unauthenticated("The signature header is missing or cannot be read.")
    expected = _signature(secret, body, times[0]).encode()
    claims = [value.encode() for name, _, value in parts if name == "v1"]
    if not any([hmac.compare_digest(expected, claim) for claim in claims]):  # noqa: C419  constant time
        raise Unauthenticated("No signature in the header is ours.")
    if abs(now - int(times[0])) > tolerance_s:
        raise Unauthenticated("The signature is too old, or from the future.")
    delivery = given.get(DELIVERY.lower(), "")
    if not delivery:
        raise Unauthenticated("The delivery has no id.")
    if delivery != _id_in(body):  # the header is not signed; the event's id is
        raise Unauthenticated("The delivery's id is not that of the signed event.")
    return delivery


class _Identified(Struct):
    id: str


def _id_in(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Identified).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _signature(secret: str, body: bytes, at_s: str) -> str:
    return hmac.new(secret.encode(), at_s.encode() + b"." + body, hashlib.sha256).hexdigest()

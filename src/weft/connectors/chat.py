"""Chat: notices to a channel of Slack or Microsoft Teams, by their incoming webhooks.

The address of an incoming webhook is its secret, so the settings name where it stands. What
devices say is put into elements that know no markup: plain text in Slack's blocks, text runs
in Teams' cards. An incoming webhook keeps no key of a message, so an answer that is lost
after the message was taken makes it appear once more; nothing else does.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from weft.connectors.base import (
    ConnectorSettings,
    Delivered,
    Planned,
    Quality,
    RemoteState,
    Situation,
    Tools,
)
from weft.connectors.calls import JSON
from weft.connectors.credentials import Reference, require_reference
from weft.connectors.fields import Field
from weft.connectors.notices import Notice, notice_of, sample_notice
from weft.errors import ConnectorError
from weft.model.alarm import NOTIFICATION, OutboxEntry, WorkOrder
from weft.model.ids import WorkOrderId

SLACK = "https://hooks.slack.com"
_SLACK_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}  # api.slack.com, formatting text


class SlackSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "slack"`: one channel, by an incoming webhook."""

    url: str = SLACK  # the host alone: the rest of the address is a secret
    webhook: Reference  # reference to the whole address of the webhook


class TeamsSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "teams"`: one channel, by a workflow's webhook."""

    url: str  # the host alone: the rest of the address is a secret
    webhook: Reference  # reference to the whole address of the webhook


class _Chat(ABC):
    """What both have in common: one POST of a payload."""

    actions = frozenset({NOTIFICATION})
    follows = False
    fields: ClassVar[Mapping[str, Field]] = {}
    more_fields = False
    quality = Quality.BRONZE  # a channel of messages keeps no records
    page = "notify-people"

    def __init__(self, name: str, settings: SlackSettings | TeamsSettings, tools: Tools) -> None:
        self.name = name
        self._settings = settings
        self._outbound = tools.outbound
        self._credentials = tools.credentials
        self._reference = require_reference(settings.webhook, f"[connectors.{name}] webhook")

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Post the message."""
        await self._post(self.plan(entry, situation).body, "Notify")
        return Delivered(remote_state="accepted")

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the message; the address is put in when it is sent."""
        body = msgspec.json.encode(self.payload(notice_of(entry.action, situation)))
        return Planned("POST", self._settings.url, body, {"Content-Type": JSON})

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:  # noqa: ARG002  a channel holds no orders
        """Return nothing."""
        return {}

    async def note(self, order: WorkOrder, text: str) -> None:
        """Post a line."""
        notice = Notice(f"{order.title}: {text}", thread=order.work_order_id)
        await self._post(msgspec.json.encode(self.payload(notice)), "Note")

    async def test(self) -> str:
        """Post a message that says that it is a test."""
        await self._post(msgspec.json.encode(self.payload(sample_notice())), "Test")
        return "The channel took a test message."

    async def close(self) -> None:
        """Close the connections."""
        await self._outbound.close()

    @abstractmethod
    def payload(self, notice: Notice) -> dict[str, Any]:
        """Return a notice in the words of this service."""

    async def _post(self, body: bytes, what: str) -> None:
        address = await self._credentials.get(self._reference)
        if _origin(address) != _origin(self._settings.url):
            raise ConnectorError(
                f"The webhook of {self.name} is not at {self._settings.url}.",
                remedy="Put the address that the service gave you where `webhook` points, "
                "and its host in `url`.",
            )
        answer = await self._outbound.request(
            "POST",
            address,
            headers={"Content-Type": JSON},
            body=body,
            timeout_s=self._settings.timeout_s,
        )
        answer.require_success(what)


class SlackConnector(_Chat):
    """Posts to one channel of Slack."""

    kind = "slack"

    def payload(self, notice: Notice) -> dict[str, Any]:
        """Return blocks of plain text; the line for small screens is escaped."""
        blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(notice.title)}]
        if notice.facts:
            # A section holds ten fields.
            fields = [_plain(f"{name}: {value}") for name, value in notice.facts[:10]]
            blocks.append({"type": "section", "fields": fields})
        if notice.lines:
            blocks.append({"type": "section", "text": _plain("\n".join(notice.lines)[:3_000])})
        return {"text": escape_slack(notice.title), "mrkdwn": False, "blocks": blocks}


class TeamsConnector(_Chat):
    """Posts to one channel of Teams."""

    kind = "teams"

    def payload(self, notice: Notice) -> dict[str, Any]:
        """Return an adaptive card of text runs, which know no markdown."""
        body = [_run(notice.title, size="Large", weight="Bolder")]
        body += [_run(f"{name}: {value}") for name, value in notice.facts]
        body += [_run(line) for line in notice.lines]
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": body,
        }
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        return {"type": "message", "attachments": [attachment]}


def escape_slack(text: str) -> str:
    """Return a text in which Slack finds no link, mention or channel."""
    return "".join(_SLACK_ESCAPES.get(one, one) for one in text)


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _run(text: str, **more: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **more}]}


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc

"""E-mail: notices handed to a mail server over SMTP, behind TLS.

Recipients come from the settings or from the notification policy. A message has the same
`Message-ID` at every try, so that a server or reader can tell a repetition; what belongs to
one alarm is one thread. Text of devices is in the body and in the subject, never in another
header: a line break in it is written out, one in an address is refused (SS-3).

SMTP has no key and cannot be asked. A server that was given a whole message and does not
answer may have taken it or not (RFC 1047): it is given the message once more, which readers
fold by its `Message-ID`, and then it counts as delivered, in doubt. It is never sent twenty
times, and an alarm is not lost by one connection that breaks.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import ClassVar
from urllib.parse import urlsplit

from weft.connectors.base import (
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
from weft.connectors.notices import Notice, notice_of, sample_notice
from weft.errors import ConfigurationError, ConnectorError, Invalid, Unanswered
from weft.groups.notification_policies import require_address
from weft.model.alarm import NOTIFICATION, OutboxEntry, WorkOrder
from weft.model.ids import WorkOrderId, derived_id, new_id
from weft.model.moments import NS_PER_S
from weft.security.outbound import OutboundClient
from weft.security.outbound_smtp import Sending, Server

RECIPIENTS_MAX = 50
PORTS = (25, 465, 587)  # of public mail servers; any port of an allowed address
_PORT_OF = {"smtp": 587, "smtps": 465}
TOTAL_MAX_S = 40.0  # with the look-up of a name before it, an attempt of the outbox has 60 s
_TURN_S = 10.0  # until a thread is free: others' servers may take their time
_TWICE = "It was given the same message twice, so it may have come twice, or not at all."


class EmailSettings(ConnectorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[connectors.NAME]` with `kind = "email"`: a mail server that takes our messages."""

    # smtp://mail.example.com:587 (STARTTLS) or smtps://mail.example.com:465
    sender: str  # the address that messages come from
    to: tuple[str, ...] = ()  # where a policy names nobody
    user: str = ""  # where the server asks for one
    password: Reference = ""  # reference to the password of that user
    clear_text: bool = False  # no TLS: to an allowed or loopback address, without a password
    total_timeout_s: float = 30.0  # of one message with all its steps; 40 at most


class EmailConnector:
    """Hands messages to one mail server."""

    kind = "email"
    actions = frozenset({NOTIFICATION})
    follows = False
    fields: ClassVar[Mapping[str, Field]] = {}
    more_fields = False
    quality = Quality.BRONZE  # a mail server keeps no records that could be asked for
    page = "notify-people"

    def __init__(self, name: str, settings: EmailSettings, tools: Tools) -> None:
        setting = f"[connectors.{name}]"
        self.name = name
        self._settings = settings
        self._credentials = tools.credentials
        self._clock = tools.clock
        if not isinstance(tools.outbound, OutboundClient):
            raise ConfigurationError(
                f"{setting}: a mail server is shown no client certificate.",
                remedy="Take client_certificate out; use user and password.",
            )
        self._outbound = tools.outbound
        self._scheme, self._host, self._port = _place_of(settings, setting)
        for address in (settings.sender, *settings.to):
            try:
                require_address(address)
            except Invalid as error:
                raise ConfigurationError(
                    f"{setting}: {error.detail}", remedy=error.remedy
                ) from error
        if settings.password:
            require_reference(settings.password, f"{setting} password")

    async def deliver(self, entry: OutboxEntry, situation: Situation) -> Delivered:
        """Hand the message in; every try carries the same `Message-ID`.

        Raises `Unanswered` the first time that the answer to a whole message is lost.
        """
        action = entry.action
        recipients = self._recipients(action.parameters.get("to"))
        notice = notice_of(action, situation)
        message = self.message(notice, action.action_id, recipients, action.created_at)
        try:
            refused = await self._send(message, recipients)
        except Unanswered as error:
            if not entry.unanswered:
                raise
            return Delivered(remote_id=action.action_id, remark=f"{error.detail} {_TWICE}")
        state = "accepted" if not refused else f"accepted, {refused} of {len(recipients)} refused"
        return Delivered(remote_id=action.action_id, remote_state=state)

    def plan(self, entry: OutboxEntry, situation: Situation) -> Planned:
        """Return the message as it would be handed in."""
        action = entry.action
        recipients = self._recipients(action.parameters.get("to"))
        notice = notice_of(action, situation)
        message = self.message(notice, action.action_id, recipients, action.created_at)
        return Planned("SMTP", self._settings.url, message.as_bytes())

    async def poll(self, orders: Sequence[WorkOrder]) -> Mapping[WorkOrderId, RemoteState]:  # noqa: ARG002  a mail server holds no orders
        """Return nothing."""
        return {}

    async def note(self, order: WorkOrder, text: str) -> None:
        """Send a line to those whom the settings name."""
        recipients = self._recipients(None)
        notice = Notice(f"{order.title}: {text}", thread=order.work_order_id)
        key = derived_id("note", order.work_order_id, text)
        await self._send(self.message(notice, key, recipients, self._clock.now()), recipients)

    async def test(self) -> str:
        """Send a message that says that it is a test, to the sender where nobody is named."""
        recipients = list(self._settings.to) or [self._settings.sender]
        message = self.message(sample_notice(), new_id(), recipients, self._clock.now())
        await self._send(message, recipients)
        return f"{self._host} took a test message for {len(recipients)} recipient(s)."

    async def close(self) -> None:
        """Close the connections."""
        await self._outbound.close()

    def message(self, notice: Notice, key: str, recipients: Sequence[str], at: int) -> EmailMessage:
        """Return a notice as a message of plain text and HTML (RFC 5322)."""
        domain = self._settings.sender.partition("@")[2]
        message = EmailMessage(policy=SMTP)
        message["From"] = self._settings.sender
        message["To"] = ", ".join(recipients)
        message["Subject"] = notice.title
        message["Date"] = format_datetime(datetime.fromtimestamp(at // NS_PER_S, UTC))
        message["Message-ID"] = f"<{key}@{domain}>"
        if notice.thread:
            thread = f"<{derived_id('thread', notice.thread)}@{domain}>"
            message["References"] = thread
            message["In-Reply-To"] = thread
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notice comes back
        message.set_content(notice.text())
        message.add_alternative(_html_of(notice), subtype="html")
        return message

    async def _send(self, message: EmailMessage, recipients: Sequence[str]) -> int:
        settings = self._settings
        password = await self._credentials.get(settings.password) if settings.password else ""
        addresses = await self._outbound.addresses_of(
            self._host, self._port, ports=PORTS, clear_text=settings.clear_text
        )
        # Ended here it is known whether the message had gone out; cut off by the outbox it is not.
        total_s = min(settings.total_timeout_s, TOTAL_MAX_S)
        server = Server(
            host=self._host,
            port=self._port,
            addresses=tuple(addresses),
            tls=None if settings.clear_text else self._outbound.tls,
            implicit_tls=self._scheme == "smtps",
            user=settings.user,
            password=password,
            timeout_s=min(settings.timeout_s, total_s),
            answer_s=total_s,
        )
        sending = Sending(server)
        # Whoever ends it at its time learns whether the message had gone out by then.
        ending = asyncio.get_running_loop().call_later(total_s, sending.abort)
        try:
            return await self._outbound.in_thread(
                sending.send,
                message,
                settings.sender,
                recipients,
                wait_s=min(_TURN_S, total_s),
            )
        except Unanswered:
            raise
        except ConnectorError as error:
            if not sending.aborted:
                raise
            raise ConnectorError(
                f"{self._host} took more than {total_s:g} s.",
                remedy="Check that the mail server is up and not overloaded.",
            ) from error
        finally:
            ending.cancel()
            sending.abort()  # the thread ends with it, however this ended

    def _recipients(self, given: object) -> list[str]:
        asked = given if isinstance(given, list | tuple) and given else self._settings.to
        found = list(dict.fromkeys(require_address(str(one)) for one in asked))
        if not 0 < len(found) <= RECIPIENTS_MAX:
            raise ConnectorError(
                f"The message is for {len(found)} recipients; 1 to {RECIPIENTS_MAX} are taken.",
                permanent=True,
                remedy=f"Name them in the policy, or in [connectors.{self.name}] to.",
            )
        return found


def _place_of(settings: EmailSettings, setting: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(settings.url)
        port = parts.port or _PORT_OF.get(parts.scheme, 0)
    except ValueError as error:
        raise ConfigurationError(f"{setting} url cannot be read.", remedy=_URL) from error
    if (
        parts.scheme not in _PORT_OF
        or not parts.hostname
        or parts.username
        or parts.path.strip("/")
    ):
        raise ConfigurationError(f"{setting} url is no mail server's.", remedy=_URL)
    if settings.clear_text and (parts.scheme == "smtps" or settings.password):
        raise ConfigurationError(
            f"{setting}: clear_text goes with smtp:// and without a password.",
            remedy="Take clear_text out: then the connection is protected by TLS.",
        )
    return parts.scheme, parts.hostname, port


_URL = "Write smtp://mail.example.com:587 or smtps://mail.example.com:465."


def _html_of(notice: Notice) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in notice.facts
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in notice.lines)
    table = f"<table>{rows}</table>" if rows else ""
    return f"<!doctype html><html><body><h3>{escape(notice.title)}</h3>{table}{lines}</body></html>"

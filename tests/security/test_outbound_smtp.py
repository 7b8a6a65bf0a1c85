"""SMTP to checked addresses: the next address is tried, and an end is an end."""

import asyncio
from email.message import EmailMessage

import pytest
from tests.connectors.mailserver import MailServer, mail_server

from weft.errors import ConnectorError
from weft.security.outbound_smtp import Sending, Server


def server_at(port: int, *addresses: str) -> Server:
    return Server("mail.example", port, addresses, None, False, "", "", 1.0)


def message() -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = "hello"
    made.set_content("a line\n.\n..two dots\n")
    return made


async def test_the_next_address_is_tried_and_dots_survive() -> None:
    """Nobody listens at the first one; a line of one dot ends no message (RFC 5321, 4.5.2)."""
    async with mail_server(MailServer()) as mail:
        sending = Sending(server_at(mail.port, "127.0.0.2", "127.0.0.1"))
        refused = await asyncio.to_thread(sending.send, message(), "a@b.example", ["c@d.example"])
    assert refused == 0
    assert mail.taken[0].data.endswith(b"\r\na line\r\n.\r\n..two dots\r\n")


def test_what_was_ended_before_it_began_sends_nothing() -> None:
    """The attempt was given up while the thread waited for its turn."""
    sending = Sending(server_at(9, "127.0.0.1"))
    sending.abort()
    with pytest.raises(ConnectorError, match="connection to mail"):
        sending.send(message(), "a@b.example", ["c@d.example"])

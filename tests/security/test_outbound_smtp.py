"""SMTP to checked addresses: the next address is tried, and an end is an end."""

import asyncio
import socket
from email.message import EmailMessage

import pytest
from tests.connectors.mailserver import MailServer, mail_server

from weft.errors import ConnectorError, Unanswered
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


async def test_what_is_ended_while_it_connects_sends_nothing_behind_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its time was over just before the server answered: the next try must be the only one."""
    async with mail_server(MailServer()) as mail:
        sending = Sending(server_at(mail.port, "127.0.0.1"))
        real = socket.create_connection

        def slow(*given: object) -> socket.socket:
            made = real(*given)  # type: ignore[arg-type]  # what it is always given
            sending.abort()
            return made

        monkeypatch.setattr(socket, "create_connection", slow)
        with pytest.raises(ConnectorError) as caught:
            await asyncio.to_thread(sending.send, message(), "a@b.example", ["c@d.example"])
    assert not isinstance(caught.value, Unanswered)
    assert mail.taken == []


async def test_what_is_ended_before_the_message_goes_out_sends_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The socket was being replaced by that of TLS when it was ended: the message still stays."""
    async with mail_server(MailServer()) as mail:
        sending = Sending(server_at(mail.port, "127.0.0.1"))
        real = sending.begin

        def ended() -> None:
            client, sending.client = sending.client, None
            sending.abort()
            sending.client = client
            real()

        monkeypatch.setattr(sending, "begin", ended)
        with pytest.raises(ConnectorError, match="connection to mail"):
            await asyncio.to_thread(sending.send, message(), "a@b.example", ["c@d.example"])
    assert mail.taken == []


async def test_a_lost_answer_is_told_apart_from_a_lost_message() -> None:
    """The whole message is there: trying again as if nothing had happened makes it two."""
    async with mail_server(MailServer(says={"TAKEN": ["drop"]})) as mail:
        sending = Sending(server_at(mail.port, "127.0.0.1"))
        with pytest.raises(Unanswered, match="did not answer"):
            await asyncio.to_thread(sending.send, message(), "a@b.example", ["c@d.example"])
    assert len(mail.taken) == 1

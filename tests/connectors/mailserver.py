"""A mail server for tests, written from RFC 5321: keeps what it takes, fails as it is told."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

LOST = {"drop", "hang", "late", "flood", "what"}  # it has taken the message all the same


@dataclass
class Mail:
    """One message as it was handed in."""

    sender: str
    recipients: list[str]
    data: bytes
    over_tls: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        made = message_from_bytes(self.data, policy=policy.default)
        assert isinstance(made, EmailMessage)
        return made


@dataclass
class MailServer:
    """What it offers, and what it says instead: `says` maps a verb to its next answers."""

    tls: ssl.SSLContext | None = None
    accounts: dict[str, str] = field(default_factory=dict)
    says: dict[str, list[str]] = field(default_factory=dict)
    taken: list[Mail] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(_Talk(self, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            return
        finally:
            writer.close()

    async def _talk(self, talk: "_Talk") -> None:
        await talk.say("", "220 mail.example ESMTP")
        while line := await talk.reader.readline():
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            verb = text.split(" ", 1)[0].upper()
            self.verbs.append(verb)
            if verb == "QUIT":
                await talk.say(verb, "221 bye")
                return
            await talk.do(verb, text)


class _Talk:
    def __init__(
        self, server: MailServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.sender, self.user = "", ""
        self.recipients: list[str] = []
        self.secure = writer.get_extra_info("sslcontext") is not None

    async def say(self, verb: str, usual: str) -> bool:
        """Answer, or do what the test wants instead; return whether the verb was accepted."""
        queue = self.server.says.get(verb, [])
        text = queue.pop(0) if queue else usual
        if text == "hang":
            await self.reader.read()
            raise ConnectionError
        if text == "late":  # after what the client's patience with a step is in these tests
            await asyncio.sleep(0.4)
            text = usual
        if text == "drop":
            raise ConnectionError
        if text == "flood":
            for _ in range(10_000):
                self.writer.write(b"250-" + b"x" * 500 + b"\r\n")
                await self.writer.drain()
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()
        return text[:1] in "23"

    async def do(self, verb: str, text: str) -> None:
        match verb:
            case "EHLO":
                offers = ["mail.example"]
                if self.server.tls is not None and not self.secure:
                    offers.append("STARTTLS")
                if self.server.accounts:
                    offers.append("AUTH PLAIN")
                lines = [f"250-{one}" for one in offers[:-1]] + [f"250 {offers[-1]}"]
                await self.say(verb, "\r\n".join(lines))
            case "STARTTLS":
                if await self.say(verb, "220 go on") and self.server.tls is not None:
                    await self.writer.start_tls(self.server.tls)
                    self.secure = True
            case "AUTH":
                await self._sign_in(text)
            case "MAIL":
                self.sender = text.partition("<")[2].partition(">")[0]
                self.recipients = []
                await self.say(verb, "250 ok")
            case "RCPT":
                if await self.say(verb, "250 ok"):
                    self.recipients.append(text.partition("<")[2].partition(">")[0])
            case "DATA":
                await self._take()
            case _:
                await self.say(verb, "250 ok")

    async def _sign_in(self, text: str) -> None:
        _, user, password = base64.b64decode(text.split(" ")[2]).decode().split("\0")
        known = self.server.accounts.get(user) == password
        if await self.say("AUTH", "235 welcome" if known else "535 no"):
            self.user = user

    async def _take(self) -> None:
        if not await self.say("DATA", "354 go on"):
            return
        data = (await self.reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n")
        mail = Mail(
            self.sender, self.recipients, data.replace(b"\r\n..", b"\r\n."), self.secure, self.user
        )
        queue = self.server.says.get("TAKEN", [])
        if not queue or queue[0] in LOST:  # taken, though the answer may be lost
            self.server.taken.append(mail)
        await self.say("TAKEN", "250 taken")


@asynccontextmanager
async def mail_server(
    server: MailServer, *, implicit: ssl.SSLContext | None = None
) -> AsyncIterator[MailServer]:
    """Run it on a free port of the loopback interface."""
    running = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=implicit)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()

"""SMTP: one message over one connection to a checked address, with an end to everything.

Names are resolved and checked before (`security/outbound.py`); the connection goes to those
addresses and TLS still proves the name. What a server answers is bounded in size and time,
and no word of it stands in an error. It blocks: run it in a thread, and `abort` it from
another to end it at once: what is not on its way then never goes out, and `send` says whether
the whole message had been handed over. What fails after the server took it is no failure.
"""

import io
import smtplib
import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress
from email.message import EmailMessage

from msgspec import Struct

from weft.errors import ConnectorError, Unanswered

ANSWERS_MAX_BYTES = 64 * 1024  # of one conversation; a server's whole talk takes about two
_START_INPUT = 354


class Server(Struct, frozen=True):
    """Where and how a message is handed in."""

    host: str
    port: int
    addresses: tuple[str, ...]  # checked
    tls: ssl.SSLContext | None  # None: in clear text
    implicit_tls: bool  # RFC 8314; else STARTTLS (RFC 3207)
    user: str
    password: str
    timeout_s: float  # of each step
    # Of the answer to the whole message: a server looks for viruses then (RFC 5321, 4.5.3.2.6).
    answer_s: float = 30.0


class Sending:
    """One attempt to hand a message in."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client: smtplib.SMTP | None = None
        self._ended = threading.Event()
        self.unanswered = False  # the whole message has gone out, and nothing came back yet
        self._turn = threading.Lock()

    def send(self, message: EmailMessage, sender: str, recipients: Sequence[str]) -> int:
        """Hand a message in; return how many of the recipients the server has refused.

        Raises `ConnectorError`: permanent where the server refuses the message for good;
        `Unanswered` where it has the whole message and may have taken it.
        """
        server = self.server
        try:
            client = _Client(self)
            try:
                if server.tls is not None and not server.implicit_tls:
                    client.starttls(context=server.tls)
                if server.user:
                    client.login(server.user, server.password)
                return len(client.send_message(message, sender, list(recipients)))
            finally:
                client.leave()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            if self.unanswered:
                raise Unanswered(
                    f"{server.host} was given the whole message and did not answer.",
                    remedy="Ask who runs the mail server whether it came.",
                ) from error
            raise _told(server.host, error) from error

    @property
    def aborted(self) -> bool:
        """Whether it was ended from outside."""
        return self._ended.is_set()

    def begin(self) -> None:
        """Let the message itself go out now; raise where it was ended before."""
        with self._turn:
            if self.aborted:
                raise smtplib.SMTPServerDisconnected("ended before the message went out")

    def abort(self) -> None:
        """End it now; `send` then raises, unless the message had been taken."""
        with self._turn:
            self._ended.set()
        # TLS puts another socket in the first one's place: the client has the one in use.
        used = self.client.sock if self.client is not None else None
        if used is not None:
            with suppress(OSError):  # it has ended by itself
                used.shutdown(socket.SHUT_RDWR)

    def connect(self, timeout_s: float) -> socket.socket:
        """Connect to the first checked address that answers."""
        failure: OSError = OSError("no address")
        for address in self.server.addresses:
            if self._ended.is_set():
                break
            try:
                made = socket.create_connection((address, self.server.port), timeout_s)
            except OSError as error:
                failure = error
                continue
            if not self._ended.is_set():  # or nobody would close it: it was not known yet
                return made
            made.close()
        raise failure


class _Client(smtplib.SMTP):
    """Python's client, on our socket and with an end to what it reads."""

    sock: socket.socket | None = None

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        sending.client = self
        self._server = sending.server
        self._left = ANSWERS_MAX_BYTES
        self._invited = False  # to send the message itself
        # Our own name is not told: it may be one that only the inside should know.
        super().__init__(
            self._server.host,
            self._server.port,
            local_hostname="weft.invalid",
            timeout=self._server.timeout_s,
        )

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002  the address was checked
        made = self._sending.connect(timeout)
        if self._server.implicit_tls and self._server.tls is not None:
            made = self._server.tls.wrap_socket(made, server_hostname=host)
        return made

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            assert self.sock is not None
            self.file = _Bounded(self.sock.makefile("rb"), self)
        answer = super().getreply()
        if self._sending.unanswered and answer[0] < 0:
            self.close()
            raise smtplib.SMTPServerDisconnected("what was answered is no answer")
        self._invited = answer[0] == _START_INPUT
        self._sending.unanswered = False
        return answer

    def send(self, s: bytes | str) -> None:  # type: ignore[override]  # the stubs say less
        invited, self._invited = self._invited, False
        if not invited:
            super().send(s)
            return
        self._sending.begin()
        super().send(s)  # all of it or an error: what lacks its end is not taken (4.1.1.4)
        self._sending.unanswered = True
        assert self.sock is not None
        self.sock.settimeout(self._server.answer_s)

    def leave(self) -> None:
        """Say goodbye; what is answered changes nothing of what was done."""
        with suppress(OSError, smtplib.SMTPException):
            if self.sock is not None:  # what the message itself was given is not given to this
                self.sock.settimeout(self._server.timeout_s)
            self.docmd("QUIT")
        self.close()

    def take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise smtplib.SMTPServerDisconnected("too much was answered")


class _Bounded(io.BufferedIOBase):
    """A server's answers, counted."""

    def __init__(self, file: io.BufferedIOBase, client: _Client) -> None:
        self._file = file
        self._client = client

    def readline(self, size: int | None = -1) -> bytes:
        line = self._file.readline(-1 if size is None else size)
        self._client.take(len(line))
        return line

    def close(self) -> None:
        self._file.close()


_KEY = "Renew the user and password of the mail server; what waits is tried again."


def _told(host: str, error: Exception) -> ConnectorError:
    """Return the error in our words, and whether to try again (RFC 5321, 4.2.1)."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return ConnectorError(f"{host} refused user and password.", remedy=_KEY)
        case smtplib.SMTPNotSupportedError():
            return ConnectorError(
                f"{host} does not offer what the settings ask for (STARTTLS, or a way to sign in).",
                remedy="Use the port for submission (587, or smtps with 465).",
            )
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            for_good = all(500 <= code < 600 for code in codes)
            return ConnectorError(
                f"{host} refused every recipient ({', '.join(map(str, sorted(set(codes))))}).",
                permanent=for_good,
                remedy="Check the addresses in the notification policy.",
            )
        case smtplib.SMTPResponseException():
            return ConnectorError(
                f"{host} answered {error.smtp_code}.",
                permanent=500 <= error.smtp_code < 600,
                remedy="Ask who runs the mail server.",
            )
        case ssl.SSLError():
            return ConnectorError(
                f"{host} did not prove its name over TLS.",
                remedy="Give the company's CA in [outbound] ca_file, or renew its certificate.",
            )
        case TimeoutError():
            return ConnectorError(f"{host} did not answer in time.", remedy="Check that it is up.")
        case _:
            return ConnectorError(
                f"The connection to {host} failed ({type(error).__name__}).",
                remedy="Check the address, and that the server is up.",
            )

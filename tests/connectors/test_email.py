"""E-mail against a server that speaks RFC 5321: one message, whatever happens on the way."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connectors.mailserver import MailServer, mail_server
from tests.connectors.support import ALICE, MAIN, NOON, Plant, alarm, entry
from tests.security.test_outbound import certify

from weft.connectors import email as module
from weft.connectors.base import Situation, Tools
from weft.connectors.certified import CertifiedClient, ClientCertificate
from weft.connectors.credentials import Credentials
from weft.connectors.email import TOTAL_MAX_S, EmailConnector, EmailSettings
from weft.connectors.notices import Notice, line_of
from weft.connectors.outbox import OutboxSettings
from weft.errors import ConfigurationError, ConnectorError
from weft.model.alarm import OutboxEntry, OutboxState
from weft.security.outbound import OutboundClient, OutboundSettings
from weft.supervision import FakeClock

TO = {"to": ["shift@example.com"], "why": "alarm"}


async def here(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def connector(folder: Path, url: str, **changes: Any) -> EmailConnector:
    (folder / "password").write_text("s3cret\n")
    ca = str(folder / "ca.pem") if (folder / "ca.pem").exists() else ""
    settings = OutboundSettings(allow=("127.0.0.1/32",), ca_file=ca, timeout_s=1.0)
    tools = Tools(OutboundClient(settings, resolve=here), Credentials(), FakeClock())
    values = {"url": url, "sender": "weft@plant.example", "timeout_s": 1.0, "clear_text": True}
    return EmailConnector("mail", EmailSettings(**(values | changes)), tools)


def plant_to(folder: Path, server: MailServer, **changes: Any) -> Plant:
    return Plant(connector(folder, f"smtp://mail.example:{server.port}", **changes))


def item(**parameters: Any) -> Any:
    return entry(kind="notification", connector="mail", parameters={**TO, **parameters})


async def test_a_message_arrives_over_starttls_and_signed_in(tmp_path: Path) -> None:
    """Plain text and HTML, to whom the policy names, from an account, behind TLS."""
    tls = certify(tmp_path, "mail.example")
    async with mail_server(MailServer(tls=tls, accounts={"weft": "s3cret"})) as server:
        password = f"file:{tmp_path / 'password'}"
        plant = plant_to(tmp_path, server, clear_text=False, user="weft", password=password)
        asked = item()
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        assert (await plant.entry(asked)).state is OutboxState.DELIVERED
    (mail,) = server.taken
    assert (mail.over_tls, mail.user, mail.recipients) == (True, "weft", ["shift@example.com"])
    message = mail.message
    assert message["Subject"] == "[urgent] Bearing of pump-7 vibrates"
    assert message["From"] == "weft@plant.example"
    assert message["Message-ID"] == f"<{asked.action.action_id}@plant.example>"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "Device: pump-7" in plain.get_content()
    assert "<td>pump-7</td>" in html.get_content()


async def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    """RFC 8314: smtps."""
    tls = certify(tmp_path, "mail.example")
    async with mail_server(MailServer(), implicit=tls) as server:
        one = connector(tmp_path, f"smtps://mail.example:{server.port}", clear_text=False)
        assert "took a test message for 1" in await one.test()
    assert server.taken[0].over_tls


async def test_a_server_that_does_not_prove_its_name_gets_nothing(tmp_path: Path) -> None:
    """Neither password nor message; it is tried again, for a certificate is renewed one day."""
    tls = certify(tmp_path, "other.example")
    async with mail_server(MailServer(tls=tls, accounts={"weft": "s3cret"})) as server:
        plant = plant_to(tmp_path, server, clear_text=False)
        asked = item()
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        waiting = await plant.entry(asked)
    assert waiting.state is OutboxState.PENDING
    assert "prove its name" in waiting.last_error
    assert "AUTH" not in server.verbs
    assert server.taken == []


async def test_without_starttls_nothing_goes_in_clear_text(tmp_path: Path) -> None:
    """Somebody on the way has taken the offer out: no password, no message."""
    async with mail_server(MailServer(accounts={"weft": "s3cret"})) as server:
        plant = plant_to(tmp_path, server, clear_text=False, user="weft")
        asked = item()
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        assert "does not offer" in (await plant.entry(asked)).last_error
    assert "AUTH" not in server.verbs
    assert server.taken == []


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ({"": ["421 busy"]}, OutboxState.DELIVERED),
        ({"MAIL": ["451 try later"]}, OutboxState.DELIVERED),
        ({"RCPT": ["450 grey"]}, OutboxState.DELIVERED),
        ({"DATA": ["452 full"]}, OutboxState.DELIVERED),
        ({"TAKEN": ["451 no room"]}, OutboxState.DELIVERED),
        ({"MAIL": ["drop"]}, OutboxState.DELIVERED),
        ({"EHLO": ["flood"]}, OutboxState.DELIVERED),
        ({"": ["what is this"]}, OutboxState.DELIVERED),
        ({"MAIL": ["550 not you"]}, OutboxState.DEAD),
        ({"RCPT": ["550 nobody here"]}, OutboxState.DEAD),
        ({"TAKEN": ["554 spam"]}, OutboxState.DEAD),
    ],
)
async def test_each_fault_is_tried_again_or_given_up(
    tmp_path: Path, says: dict[str, list[str]], state: OutboxState
) -> None:
    """4xx and broken talk pass; 5xx is for good. In the end one message, or none and told."""
    async with mail_server(MailServer(says=says)) as server:
        plant = plant_to(tmp_path, server)
        asked = item()
        await plant.put(asked, raised=alarm())
        for _ in range(3):
            await plant.outbox.deliver_due()
            plant.clock.turn(3_700)
        stored = await plant.entry(asked)
    assert stored.state is state, stored.last_error
    assert len(server.taken) == (1 if state is OutboxState.DELIVERED else 0)
    assert "spam" not in stored.last_error  # no word of the far side's


async def test_a_dead_message_is_sent_when_it_is_redriven(tmp_path: Path) -> None:
    """The mailbox was closed; it is opened and an operator redrives."""
    async with mail_server(MailServer(says={"RCPT": ["550 closed"]})) as server:
        plant = plant_to(tmp_path, server)
        asked = item()
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        await plant.outbox.redrive(ALICE, MAIN, asked.action.action_id)
        await plant.outbox.deliver_due()
        assert (await plant.entry(asked)).state is OutboxState.DELIVERED
    assert len(server.taken) == 1


async def sent(
    tmp_path: Path, verb: str, says: Sequence[str], **changes: Any
) -> tuple[MailServer, OutboxEntry]:
    """Let the outbox work for hours on one message; return the server and the entry."""
    async with mail_server(MailServer(says={verb: list(says)})) as server:
        plant = plant_to(tmp_path, server, **changes)
        asked = item()
        await plant.put(asked, raised=alarm())
        for _ in range(6):
            await plant.outbox.deliver_due()
            plant.clock.turn(3_700)
        return server, await plant.entry(asked)


@pytest.mark.parametrize("lost", ["drop", "hang", "flood", "what"])
async def test_an_answer_that_is_lost_repeats_the_same_message_once(
    tmp_path: Path, lost: str
) -> None:
    """SMTP has no key: it may come twice, says that it is the same, and never comes six times."""
    server, stored = await sent(tmp_path, "TAKEN", [lost] * 6, total_timeout_s=0.5)
    assert len(server.taken) == 2
    assert len({one.message["Message-ID"] for one in server.taken}) == 1
    assert (stored.state, stored.unanswered) == (OutboxState.DELIVERED, 1)
    assert "may have come twice, or not at all" in stored.last_error


async def test_a_repeat_that_is_answered_leaves_no_doubt(tmp_path: Path) -> None:
    """The connection broke once; the second time the server says that it has it."""
    server, stored = await sent(tmp_path, "TAKEN", ["drop"])
    assert len(server.taken) == 2
    assert (stored.state, stored.last_error) == (OutboxState.DELIVERED, "")


async def test_a_server_that_thinks_before_it_takes_a_message_is_waited_for(tmp_path: Path) -> None:
    """It looks for viruses for longer than it may take over a greeting: one message."""
    server, stored = await sent(tmp_path, "TAKEN", ["late"], timeout_s=0.2, total_timeout_s=20.0)
    assert (stored.state, stored.attempts, len(server.taken)) == (OutboxState.DELIVERED, 1, 1)


@pytest.mark.parametrize("goodbye", ["hang", "drop", "500 no", "what"])
async def test_a_goodbye_that_fails_is_no_failure(tmp_path: Path, goodbye: str) -> None:
    """The message was taken; that the end of the talk broke must not send it again.

    Nor is it waited for as long as the message itself may take: others are in the queue.
    """
    settings = {"timeout_s": 0.3, "total_timeout_s": 3600.0}
    server, stored = await sent(tmp_path, "QUIT", [goodbye] * 6, **settings)
    assert (stored.state, stored.attempts, len(server.taken)) == (OutboxState.DELIVERED, 1, 1)


async def test_a_server_that_says_nothing_is_left_in_time(tmp_path: Path) -> None:
    """The thread ends with the attempt: nothing hangs about."""
    async with mail_server(MailServer(says={"MAIL": ["hang"]})) as server:
        plant = plant_to(tmp_path, server, timeout_s=30.0, total_timeout_s=0.3)
        asked = item()
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        assert "took more than 0.3 s" in (await plant.entry(asked)).last_error


async def test_a_message_ends_before_the_attempt_that_it_is_part_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the settings say: cut off by the outbox, nobody would know whether it went out."""
    monkeypatch.setattr(module, "TOTAL_MAX_S", 0.3)
    assert OutboxSettings().attempt_timeout_s > 10.0 + TOTAL_MAX_S  # the look-up comes before
    server, stored = await sent(
        tmp_path, "TAKEN", ["hang"] * 6, timeout_s=30.0, total_timeout_s=3600.0
    )
    assert (stored.state, stored.unanswered) == (OutboxState.DELIVERED, 1)
    assert len(server.taken) == 2


async def test_neither_a_name_nor_a_message_takes_a_thread_that_a_sign_in_needs() -> None:
    """Silent servers would else fill the process's own threads, in which passwords are hashed."""

    class Refusing(ThreadPoolExecutor):
        def submit(self, *_given: object, **_more: object) -> Any:
            raise AssertionError("a thread of the process was asked for")

    asyncio.get_running_loop().set_default_executor(Refusing(1))
    outbound = OutboundClient(OutboundSettings(allow=("127.0.0.1/32", "::1/128")))
    async with mail_server(MailServer()) as server:
        settings = EmailSettings(
            url=f"smtp://localhost:{server.port}",
            sender="weft@plant.example",
            clear_text=True,
        )
        one = EmailConnector("mail", settings, Tools(outbound, Credentials(), FakeClock()))
        assert "took a test message" in await one.test()
    assert len(server.taken) == 1


async def test_some_recipients_refused_is_told_and_not_repeated(tmp_path: Path) -> None:
    """Two of three have it: sending again would bother them."""
    async with mail_server(MailServer(says={"RCPT": ["550 gone"]})) as server:
        plant = plant_to(tmp_path, server)
        asked = item(to=["gone@example.com", "a@example.com", "b@example.com"])
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        assert (await plant.entry(asked)).state is OutboxState.DELIVERED
    assert server.taken[0].recipients == ["a@example.com", "b@example.com"]


async def test_ss_1_a_private_address_is_not_connected_to(tmp_path: Path) -> None:
    """The name of a mail server leads inside: refused, and nothing is sent there."""

    async def inside(_host: str, _port: int) -> Sequence[str]:
        return ["10.1.2.3"]

    tools = Tools(OutboundClient(OutboundSettings(), resolve=inside), Credentials(), FakeClock())
    settings = EmailSettings(url="smtp://mail.example", sender="weft@plant.example", to=("a@b.c",))
    with pytest.raises(ConnectorError, match="not a public address"):
        await EmailConnector("mail", settings, tools).test()


async def test_ss_1_only_ports_of_mail_are_reached(tmp_path: Path) -> None:
    """A public address, but its database's port."""

    async def outside(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.215.14"]

    tools = Tools(OutboundClient(OutboundSettings(), resolve=outside), Credentials(), FakeClock())
    settings = EmailSettings(url="smtp://mail.example:5432", sender="weft@plant.example")
    with pytest.raises(ConnectorError, match="Port 5432"):
        await EmailConnector("mail", settings, tools).test()


HOSTILE = "pump\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>\x00\n.\n"


async def test_ss_3_nothing_that_a_device_says_becomes_a_header(tmp_path: Path) -> None:
    """Line breaks, a second header, a body's end, HTML: all of it is text."""
    async with mail_server(MailServer()) as server:
        plant = plant_to(tmp_path, server)
        asked = item(text=HOSTILE)
        await plant.put(asked, raised=alarm(message=HOSTILE))
        await plant.outbox.deliver_due()
        assert (await plant.entry(asked)).state is OutboxState.DELIVERED
    (mail,) = server.taken
    message = mail.message
    assert mail.recipients == ["shift@example.com"]
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    html = message.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()


@given(st.text(max_size=200), st.text(max_size=200))
def test_ss_3_whatever_text_comes_the_headers_stay_ours(title: str, line: str) -> None:
    """Any text of Unicode: the message has our headers and no other, and can be written."""
    settings = EmailSettings(url="smtp://m.example", sender="weft@plant.example")
    tools = Tools(_CLIENT, Credentials(), FakeClock())
    made = EmailConnector("mail", settings, tools).message(
        Notice(line_of(title, 150), [("Device", line_of(line))], [line_of(line)], "x"),
        "key", ["a@b.example"], NOON,
    )  # fmt: skip
    head = made.as_bytes().partition(b"\r\n\r\n")[0]
    names = [
        one.partition(b":")[0].decode()
        for one in head.split(b"\r\n")
        if not one.startswith((b" ", b"\t"))
    ]
    assert sorted(names) == sorted(set(made.keys()))
    assert set(names) <= {
        "From", "To", "Subject", "Date", "Message-ID", "References", "In-Reply-To",
        "Auto-Submitted", "MIME-Version", "Content-Type",
    }  # fmt: skip


_CLIENT = OutboundClient(OutboundSettings())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "https://mail.example"}, "no mail server"),
        ({"url": "smtp://user:pw@mail.example"}, "no mail server"),
        ({"url": "smtp://mail.example:port"}, "cannot be read"),
        ({"sender": "weft"}, "no e-mail address"),
        ({"sender": "a@b.c\r\nBcc: eve@evil.example"}, "no e-mail address"),
        ({"to": ("a@b.c\nd",)}, "no e-mail address"),
        ({"clear_text": True, "password": "env:X"}, "clear_text"),
        ({"clear_text": True, "url": "smtps://mail.example"}, "clear_text"),
        ({"password": "hunter2", "clear_text": False}, "not a reference"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    """At start, in words."""
    with pytest.raises(ConfigurationError, match=says):
        connector(tmp_path, **{"url": "smtp://mail.example", **changes})


def test_a_client_certificate_is_not_for_mail() -> None:
    """Said at start, not when the first message waits."""
    pair = ClientCertificate(certificate="env:A", key="env:B")
    certified = CertifiedClient(_CLIENT, pair, Credentials(), "[connectors.mail]")
    settings = EmailSettings(url="smtp://mail.example", sender="weft@plant.example")
    with pytest.raises(ConfigurationError, match="no client certificate"):
        EmailConnector("mail", settings, Tools(certified, Credentials(), FakeClock()))


@pytest.mark.parametrize("to", [[], ["a@b.example\r\nRCPT TO:<x>"], ["x@y.example"] * 1 + ["bad"]])
async def test_recipients_that_make_no_sense_end_the_message(tmp_path: Path, to: list[str]) -> None:
    """Nobody, or somebody who is no address: dead, with what to do."""
    async with mail_server(MailServer()) as server:
        plant = plant_to(tmp_path, server)
        asked = item(to=to)
        await plant.put(asked, raised=alarm())
        await plant.outbox.deliver_due()
        assert (await plant.entry(asked)).state is OutboxState.DEAD
    assert server.verbs == []


def test_the_plan_is_the_message(tmp_path: Path) -> None:
    """What `connector try` shows is what would be handed in."""
    made = connector(tmp_path, "smtp://mail.example")
    planned = made.plan(item(), Situation(alarm=alarm()))
    assert b"Subject: [urgent] Bearing of pump-7 vibrates\r\n" in planned.body

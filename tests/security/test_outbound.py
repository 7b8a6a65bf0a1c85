"""The guarded client against far sides that are wrong, hostile or gone."""

import ast
import datetime
import gzip
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct
from tests.connectors.farside import FarSide, Reply, as_json, far_side
from tests.security.customer_ca import CustomerCa

import weft
from weft.errors import ConfigurationError, ConnectorError, Invalid
from weft.security import outbound
from weft.security.certificates import pem_of, private_pem
from weft.security.outbound import (
    Answer,
    OutboundClient,
    OutboundSettings,
    deeper_than,
    url_of,
)

LOOPBACK = OutboundSettings(allow=("127.0.0.1/32",), timeout_s=2.0)


class Said(Struct):
    id: int


@pytest.fixture
async def client() -> AsyncIterator[OutboundClient]:
    client = OutboundClient(LOOPBACK)
    yield client
    await client.close()


async def ask(client: OutboundClient, reply: Reply) -> tuple[Answer, FarSide]:
    async with far_side(lambda _asked: reply) as side:
        return await client.request("POST", side.url + "/x?y=1", body=b"{}"), side


async def test_a_request_arrives_as_it_was_meant(client: OutboundClient) -> None:
    """Method, path, query, host and body are what the caller said."""
    answer, side = await ask(client, as_json({"id": 7}))

    assert answer.require_success("Create").decode(Said, "Create").id == 7
    [asked] = side.asked
    assert (asked.method, asked.target, asked.body) == ("POST", "/x?y=1", b"{}")
    assert asked.headers["host"] == f"127.0.0.1:{side.port}"


async def test_nothing_private_is_reached_by_default() -> None:
    """The settings that weft starts with open no door into the company's network."""
    client = OutboundClient(OutboundSettings())
    async with far_side(lambda _asked: Reply()) as side:
        with pytest.raises(ConnectorError, match="not a public address") as caught:
            await client.request("GET", side.url)
    assert caught.value.permanent
    assert "127.0.0.1/32" in caught.value.remedy
    assert side.asked == []


async def test_a_name_with_one_bad_address_is_refused_whole() -> None:
    """DNS rebinding: a public address first, ours second. No connection is tried at all."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", "127.0.0.1"]

    client = OutboundClient(OutboundSettings(), resolve=resolve)
    with pytest.raises(ConnectorError, match="not a public address"):
        await client.request("GET", "https://rebind.example/")


async def test_a_name_is_resolved_once_and_the_checked_address_is_used() -> None:
    """A resolver that answers differently the second time is never asked a second time."""
    calls: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        calls.append(host)
        return ["127.0.0.1"] if len(calls) == 1 else ["169.254.169.254"]

    client = OutboundClient(LOOPBACK, resolve=resolve)
    async with far_side(lambda _asked: Reply()) as side:
        await client.request("GET", f"http://erp.example:{side.port}/")
    assert calls == ["erp.example"]
    assert side.asked[0].headers["host"] == f"erp.example:{side.port}"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "https://user:pass@example.com/",
        "https:///nohost",
        "http://[::ffff:7f00:1]/",
        "not a url",
    ],
)
async def test_an_address_that_is_not_plain_https_is_refused(
    client: OutboundClient, url: str
) -> None:
    """Other schemes, odd spellings and credentials in URLs are ways round a check."""
    with pytest.raises(ConnectorError):
        await client.request("GET", url)


async def test_a_public_host_is_reached_on_listed_ports_only() -> None:
    """Port 25 of a public host is a mail server, not a business system."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34"]

    client = OutboundClient(OutboundSettings(), resolve=resolve)
    with pytest.raises(ConnectorError, match="Port 25"):
        await client.request("GET", "https://mail.example:25/")


async def test_clear_text_needs_the_operator_to_say_so() -> None:
    """An allowed on-premise address is still not spoken to in clear text by itself."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["10.1.2.3"]

    client = OutboundClient(OutboundSettings(allow=("10.1.2.3/32",)), resolve=resolve)
    with pytest.raises(ConnectorError, match="clear text"):
        await client.request("GET", "http://erp.example:8000/")


async def test_an_allowance_of_one_client_is_not_that_of_another() -> None:
    """One connector's on-premise network is closed to all the others."""
    narrow = OutboundClient(OutboundSettings())
    wide = narrow.allowing(["127.0.0.1/32"])
    async with far_side(lambda _asked: Reply()) as side:
        assert (await wide.request("GET", side.url)).status == 200
        with pytest.raises(ConnectorError):
            await narrow.request("GET", side.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(client: OutboundClient, status: int) -> None:
    """A redirect is the far side choosing our next address; it does not get to."""
    reply = Reply(status, b"", {"Location": "http://169.254.169.254/latest"})
    with pytest.raises(ConnectorError, match="redirects are not followed") as caught:
        await ask(client, reply)
    assert caught.value.permanent


async def test_a_far_side_that_says_nothing_is_left_after_the_time_limit() -> None:
    """One dead ERP must not hold a worker for ever."""
    client = OutboundClient(LOOPBACK)
    async with far_side(lambda _asked: Reply(hang=True)) as side:
        with pytest.raises(ConnectorError, match="did not answer") as caught:
            await client.request("GET", side.url, timeout_s=0.1)
    assert not caught.value.permanent


async def test_a_connection_that_breaks_is_a_connector_error(client: OutboundClient) -> None:
    """No exception of another library reaches a caller."""
    with pytest.raises(ConnectorError, match="failed") as caught:
        await ask(client, Reply(200, b"x" * 100, chop=True))
    assert not caught.value.permanent


async def test_a_closed_port_is_a_connector_error(client: OutboundClient) -> None:
    """The ERP is down for maintenance: try again later."""
    async with far_side(lambda _asked: Reply()) as side:
        url = side.url
    with pytest.raises(ConnectorError, match="failed") as caught:
        await client.request("GET", url)
    assert not caught.value.permanent


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
async def test_an_answer_is_cut_off_at_one_mebibyte_after_inflation(
    client: OutboundClient, encoding: str
) -> None:
    """64 MiB of zeros are 64 KiB on the wire; they are never held in memory."""
    zeros = bytes(64 << 20) if encoding != "identity" else bytes(2 << 20)
    packed = {"identity": lambda b: b, "gzip": gzip.compress, "deflate": zlib.compress}
    reply = Reply(200, packed[encoding](zeros), {"Content-Encoding": encoding})
    with pytest.raises(ConnectorError, match="more than 1048576 bytes"):
        await ask(client, reply)


async def test_a_gzipped_answer_is_read(client: OutboundClient) -> None:
    """Compression as such is fine."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer, _ = await ask(client, Reply(200, gzip.compress(b'{"id":1}'), headers))
    assert answer.decode(Said, "Read").id == 1


async def test_bytes_that_only_claim_to_be_gzip_are_a_connector_error(
    client: OutboundClient,
) -> None:
    """The decoder's own exception stays inside."""
    with pytest.raises(ConnectorError):
        await ask(client, Reply(200, b"not gzip", {"Content-Encoding": "gzip"}))


@pytest.mark.parametrize("levels", [33, 500_000])
async def test_deep_json_is_refused(client: OutboundClient, levels: int) -> None:
    """Half a million brackets would end many a parser's stack."""
    body = b"[" * levels + b"]" * levels
    with pytest.raises(ConnectorError, match="nested deeper"):
        await ask(client, Reply(200, body))


def test_brackets_inside_text_are_not_depth() -> None:
    """A comment may say [[[ and even \\" without being taken for structure."""
    assert not deeper_than(b'["' + b"[" * 100 + rb'\"{{{"' + b"]", 2)
    assert not deeper_than(b'[{"a":[1]},' * 1 + b"[]]" * 1, 3)
    assert deeper_than(b"[[[]]]", 2)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>{{7*7}}</html>", {"Content-Type": "text/html"}),
        Reply(200, b"{", {"Content-Type": "application/json"}),
        Reply(200, b"\xff\xfe", {"Content-Type": "application/json"}),
        as_json({"id": "seven"}),
        as_json([1, 2]),
    ],
)
async def test_an_answer_that_is_not_as_declared_is_refused(
    client: OutboundClient, reply: Reply
) -> None:
    """A login page with status 200 is not a record; nothing of it is used or repeated."""
    answer, _ = await ask(client, reply)
    with pytest.raises(ConnectorError) as caught:
        answer.decode(Said, "Create")
    assert "{{7*7}}" not in caught.value.detail
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *[(status, True) for status in (400, 404, 409, 422)],
        *[(status, False) for status in (401, 403, 408, 429, 500, 502, 503)],
    ],
)
def test_a_refusal_says_whether_to_try_again(status: int, permanent: bool) -> None:
    """A wrong request stays wrong; a wrong key or a busy system can be repaired."""
    with pytest.raises(ConnectorError, match=str(status)) as caught:
        Answer(status, {}, b"Traceback: secret").require_success("Create")
    assert caught.value.permanent is permanent
    assert "secret" not in caught.value.detail


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("17", 17.0), ("999999999", 3600.0), ("soon", None), ("-1", None), ("", None), ("²", None)],
)
def test_retry_after_is_honoured_within_reason(text: str, seconds: float | None) -> None:
    """The far side knows best when it is free, but cannot put us off for ever."""
    with pytest.raises(ConnectorError) as caught:
        Answer(429, {"retry-after": text}, b"").require_success("Create")
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "nul\0", "ümlaut", "\x7f"])
async def test_a_header_value_cannot_break_out(client: OutboundClient, value: str) -> None:
    """A device's name in a header stays one header (EMQX 17315)."""
    with pytest.raises(Invalid, match="header"):
        await client.request("GET", "http://127.0.0.1:1/", headers={"X-Device": value})


def test_a_url_segment_cannot_break_out() -> None:
    """A record's id with a slash, a question mark or a line break stays one segment."""
    url = url_of("https://erp.example/base/", "a/../b?c#d\r\n", query=[("q", "x&y=z")])
    assert url == "https://erp.example/base/a%2F..%2Fb%3Fc%23d%0D%0A?q=x%26y%3Dz"


@pytest.mark.parametrize(
    "settings",
    [
        OutboundSettings(schemes=("ftp",)),
        OutboundSettings(allow=("nonsense",)),
        OutboundSettings(ca_file="/nonexistent.pem"),
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(settings: OutboundSettings) -> None:
    """Fail closed: no guess about what the operator meant."""
    with pytest.raises(ConfigurationError, match="outbound"):
        OutboundClient(settings)


def certify(folder: Path, name: str) -> ssl.SSLContext:
    """Make a self-signed certificate for a name; `folder/ca.pem` is what to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


async def test_tls_proves_the_name_though_the_connection_goes_to_an_address(
    tmp_path: Path,
) -> None:
    """SNI and certificate are about the name; the packets go where the check said."""
    tls = certify(tmp_path, "erp.example")
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)  # type: ignore[assignment]

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    settings = OutboundSettings(allow=("127.0.0.1/32",), ca_file=str(tmp_path / "ca.pem"))
    client = OutboundClient(settings, resolve=resolve)
    async with far_side(lambda _asked: Reply(), tls=tls) as side:
        assert (await client.request("GET", f"https://erp.example:{side.port}/")).status == 200
        with pytest.raises(ConnectorError, match="prove its name"):
            await client.request("GET", f"https://other.example:{side.port}/")
    assert names == ["erp.example", "other.example"]


async def test_a_client_certificate_is_shown_by_its_own_connections_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients share what they trust, not who they are: one tenant's proof is no other's."""
    tls, authority = certify(tmp_path, "erp.example"), CustomerCa("Suppliers of the ERP")
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cadata=authority.pem)
    key = ec.generate_private_key(ec.SECP256R1())

    def trusting(**_changes: object) -> ssl.SSLContext:  # the public authorities of this test
        return ssl.create_default_context(cafile=tmp_path / "ca.pem")

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    monkeypatch.setattr(outbound.httpx2, "create_ssl_context", trusting)
    monkeypatch.setattr(outbound, "_public_tls", cache(outbound._public_tls.__wrapped__))
    plain, other = (OutboundClient(LOOPBACK, resolve=resolve) for _ in range(2))
    ours = plain.presenting(pem_of(authority.sign("weft", key)), private_pem(key))
    assert plain.tls is other.tls
    assert ours.tls is not plain.tls
    async with far_side(lambda _asked: Reply(), tls=tls) as side:
        url = f"https://erp.example:{side.port}/"
        assert (await ours.request("GET", url)).status == 200
        for stranger in (plain, other, OutboundClient(LOOPBACK, resolve=resolve)):
            with pytest.raises(ConnectorError):
                await stranger.request("GET", url)
    assert len(side.asked) == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """There is no switch to turn verification off; the remedy names the CA setting."""
    tls = certify(tmp_path, "localhost")
    client = OutboundClient(LOOPBACK)
    async with far_side(lambda _asked: Reply(), tls=tls) as side:
        with pytest.raises(ConnectorError, match="prove its name") as caught:
            await client.request("GET", f"https://127.0.0.1:{side.port}/")
    assert "ca_file" in caught.value.remedy


# Client sockets of other protocols towards our own listeners, and what tests them.
_MAY_CONNECT = {"transports", "bench", "simulate", "cli", "backends"}
_CLIENTS = {"httpx2", "httpcore2", "httpx", "requests", "aiohttp", "urllib3", "http.client"}
_CLIENTS |= {"urllib.request", "ftplib", "smtplib", "telnetlib", "xmlrpc.client"}
_CALLS = {"open_connection", "create_connection", "open_unix_connection", "connect_tcp"}


def _doors(module: Path) -> set[str]:
    """Return the names through which a module could reach out by itself."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name in _CLIENTS}
        elif isinstance(node, ast.ImportFrom):
            full = {f"{node.module}.{name.name}" for name in node.names} | {node.module or ""}
            found |= full & _CLIENTS
        elif isinstance(node, ast.Attribute) and node.attr in _CALLS:
            found.add(node.attr)
    return found


def test_no_other_module_reaches_out() -> None:
    """A second HTTP client would be a second, unguarded door."""
    root = Path(weft.__file__).parent
    others = {
        str(module.relative_to(root)): doors
        for module in root.rglob("*.py")
        if module.relative_to(root).parts[0].removesuffix(".py") not in _MAY_CONNECT
        # The second goes only to addresses that the first has checked.
        and module not in {root / "security" / name for name in ("outbound.py", "outbound_smtp.py")}
        and (doors := _doors(module))
    }
    assert others == {}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "99999999999999999999"}, 3_600.0),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
        (
            {
                "Retry-After": "Wed, 21 Oct 2026 07:00:00 GMT",
                "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"Retry-After": "soon", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_far_sides_own_pause_is_kept(headers: dict[str, str], wait_s: float | None) -> None:
    """In seconds or as a date by its own clock (RFC 9110, 10.2.3); at most an hour."""
    lower = {name.lower(): value for name, value in headers.items()}
    with pytest.raises(ConnectorError) as caught:
        Answer(429, lower, b"").require_success("Create")
    assert caught.value.retry_after_s == wait_s


async def test_several_choices_are_an_answer_and_no_redirect(client: OutboundClient) -> None:
    """300 says that there are several; whoever asked gives up, and nothing is followed."""
    answer, _ = await ask(client, as_json(["/a", "/b"], status=300))
    with pytest.raises(ConnectorError, match="300") as caught:
        answer.require_success("Upsert")
    assert caught.value.permanent


async def test_cookies_are_handed_over_and_not_kept(client: OutboundClient) -> None:
    """A session's cookie is the connector's business; the client sends none back by itself."""
    said = Reply(headers={"Set-Cookie": "a=1; Path=/\r\nSet-Cookie: b=2; HttpOnly"})
    async with far_side(lambda _asked: said) as side:
        answer = await client.request("GET", side.url)
        await client.request("GET", side.url)
    assert answer.cookies == ("a=1; Path=/", "b=2; HttpOnly")
    assert "cookie" not in side.asked[1].headers


async def test_ss_1_a_stream_goes_only_where_a_request_may() -> None:
    """A broker is no way around the list of addresses and ports."""
    client = OutboundClient(OutboundSettings())
    with pytest.raises(ConnectorError, match="not a public address"):
        await client.open_stream("127.0.0.1", 1883, tls=False, timeout_s=1.0)
    nowhere = OutboundClient(OutboundSettings(allow=("127.0.0.1/32",)))
    with pytest.raises(ConnectorError, match="failed"):
        await nowhere.open_stream("127.0.0.1", 9, tls=False, timeout_s=1.0)

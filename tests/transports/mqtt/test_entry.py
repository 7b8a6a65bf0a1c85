"""Who a CONNECT comes from, and what its refusal is called."""

import asyncio
from typing import Any

import pytest

from weft.errors import Forbidden, PeerError, QuotaExceeded, RateLimited, Unauthenticated
from weft.transports.mqtt.entry import protocol_of, prove, refusal_of
from weft.wire.mqtt.packets import Connect
from weft.wire.mqtt.reasons import Reason

NAMED = Connect(client_id="c", username="pump-7", password=b"x")
UNNAMED = Connect(client_id="c")


class Asked:
    """Remembers by what it was asked to prove somebody."""

    def prove_certificate(self, der: bytes, peer: str) -> tuple[str, bytes, str]:
        raise AssertionError("a device may come for the first time")

    async def prove_newcomer(self, der: bytes, peer: str) -> tuple[object, ...]:
        return "certificate", der, peer

    def prove_secret(self, name: str | None, password: bytes, peer: str) -> tuple[object, ...]:
        return "secret", name, password, peer


class Tls:
    def __init__(self, der: bytes | None) -> None:
        self.der = der

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        assert binary_form
        return self.der


async def test_id_4_a_certificate_counts_and_the_packet_does_not() -> None:
    asked: Any = Asked()

    async def proof_of(tls: Tls | None) -> object:
        return await prove(asked, NAMED, Extra({"ssl_object": tls}), "peer")

    assert await proof_of(Tls(b"der")) == ("certificate", b"der", "peer")
    for tls in (None, Tls(None)):
        assert await proof_of(tls) == ("secret", "pump-7", b"x", "peer")


@pytest.mark.parametrize(
    ("connect", "error", "reason"),
    [
        (NAMED, Unauthenticated("no"), Reason.BAD_USER_NAME_OR_PASSWORD),
        (UNNAMED, Unauthenticated("no"), Reason.NOT_AUTHORIZED),
        (NAMED, RateLimited("no", retry_after_s=1), Reason.CONNECTION_RATE_EXCEEDED),
        (NAMED, QuotaExceeded("no"), Reason.QUOTA_EXCEEDED),
        (NAMED, Forbidden("no"), Reason.NOT_AUTHORIZED),
    ],
)
def test_a_refusal_has_its_reason_code(connect: Connect, error: PeerError, reason: Reason) -> None:
    assert refusal_of(connect, error) is reason


class Extra(asyncio.BaseTransport):
    """A transport that knows this much of itself."""


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({}, "mqtt"),
        ({"ssl_object": Tls(None)}, "mqtts"),
        ({"protocol": "wss", "ssl_object": Tls(None)}, "wss"),
        ({"protocol": "ws"}, "ws"),
    ],
)
def test_a_connection_is_called_by_how_it_came(extra: dict[str, object], name: str) -> None:
    assert protocol_of(Extra(extra)) == name

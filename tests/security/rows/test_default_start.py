"""AU-1: what a first start opens, and what a stranger gets from it."""

import asyncio
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.interop.support import FREE_PORTS
from tests.security.rows.support import House
from tests.transports.mqtt.support import Peer

from weft.api.operation import PUBLIC
from weft.api.operations.table import TABLE
from weft.app.compose import Weft
from weft.app.folder import DataFolder
from weft.config import load_config
from weft.errors import ConfigurationError
from weft.wire.mqtt.kinds import V5, V311
from weft.wire.mqtt.reasons import Reason


def test_au_1_a_default_start_listens_on_loopback_alone() -> None:
    """Without a setting nothing is reachable from another machine."""
    config = load_config(None, {})
    transports = config.transports
    listens = [config.api.listen, transports.mqtt.listen, transports.coap.listen]
    assert all(ip_address(text.rpartition(":")[0]).is_loopback for text in listens)
    assert config.api.tls_listen == transports.mqtt.listen_tls == ""
    assert transports.coap.listen_dtls == ""


@pytest.mark.parametrize(
    "setting", ["api.listen", "transports.mqtt.listen", "transports.coap.listen"]
)
async def test_au_1_plaintext_beyond_loopback_does_not_start(tmp_path: Path, setting: str) -> None:
    """There is no switch that allows it."""
    config = load_config(None, {}, (*FREE_PORTS, f"{setting}=0.0.0.0:0"))
    with pytest.raises((ConfigurationError, ExceptionGroup)) as raised:
        async with Weft.open(config, DataFolder(tmp_path / "data")) as weft, weft.running():
            raise AssertionError
    error: BaseException = raised.value
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, ConfigurationError)


@pytest.mark.parametrize("version", [V311, V5])
async def test_au_1_an_anonymous_connect_is_refused(house: House, version: int) -> None:
    """0x87 of MQTT 5, 5 of 3.1.1; then the connection ends."""
    for username in (None, "", "admin", "pump-7"):
        peer = await Peer.dial(house.mqtt_port)
        answer = await peer.sign_in(username, client_id="x", password=None, version=version)
        assert answer.reason is not Reason.SUCCESS
        if username is None:
            assert answer.reason is Reason.NOT_AUTHORIZED
        assert await peer.rest() == []


async def test_au_1_tls_without_a_certificate_is_no_way_in(house: House) -> None:
    """The channel is safe and still nobody is in it."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", house.mqtts_port, ssl=house.client_context(), server_hostname="localhost"
    )
    answer = await Peer(reader, writer).sign_in(None, client_id="x", password=None)
    assert answer.reason is Reason.NOT_AUTHORIZED
    writer.close()


async def test_au_1_nothing_of_the_api_answers_a_stranger(house: House) -> None:
    """Every operation but those that make somebody known, by its own method and path."""
    async with house.http() as client:
        for operation in TABLE:
            path = operation.path.replace("{", "").replace("}", "").lstrip("/")
            answer = await client.request(operation.method, path)
            if operation.action == PUBLIC:
                assert answer.status_code < 500, operation.name
            else:
                assert answer.status_code == 401, operation.name
                assert answer.headers["www-authenticate"].startswith("Bearer")
        for path in ("/", "/api", "/metrics", "/openapi.json", "/docs", "/api/v1/nothing"):
            answer = await client.get(f"{house.http_url}{path}")
            assert answer.status_code in {401, 404}, path


@pytest.mark.parametrize(
    "token", ["admin", "weft", "weft_0000000000000000_", "null", "undefined", "Bearer", "eyJ.e30."]
)
async def test_id_3_no_token_is_known_before_one_is_made(house: House, token: str) -> None:
    """No default account, key or password."""
    async with house.http(token) as client:
        assert (await client.get("devices")).status_code == 401
    peer = await Peer.dial(house.mqtt_port)
    answer = await peer.sign_in(token, client_id="x", password=token.encode())
    assert answer.reason is not Reason.SUCCESS

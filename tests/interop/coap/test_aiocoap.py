"""aiocoap as a client, in the clear: get, put, observe, blocks.

aiocoap 0.4 hands a 4.01 with Echo (RFC 9175 2.3) to its caller and does not answer it by
itself, so each test gives the value back once; then its address is proven.
"""

import asyncio
from collections.abc import AsyncIterator

import aiocoap
import cbor2
import msgspec
import pytest
from aiocoap.numbers.codes import Code
from tests.interop.coap.conftest import Site
from tests.interop.support import OPERATOR, until

from weft.registry.claims import NewClaim

PATIENCE_S = 30


@pytest.fixture
async def client(site: Site) -> AsyncIterator[aiocoap.Context]:
    """A client's context, whose address is proven."""
    made = await aiocoap.Context.create_client_context()
    uri = site.plain("properties/reported")
    challenge = await ask(made, Code.GET, uri)
    assert challenge.code is Code.UNAUTHORIZED
    request = aiocoap.Message(code=Code.GET, uri=uri)
    request.opt.echo = challenge.opt.echo
    async with asyncio.timeout(PATIENCE_S):
        assert (await made.request(request).response).code is Code.CONTENT
    yield made
    await made.shutdown()


async def ask(
    client: aiocoap.Context, code: Code, uri: str, payload: bytes = b"", number: int | None = None
) -> aiocoap.Message:
    """Send a request and return the answer."""
    request = aiocoap.Message(code=code, uri=uri, payload=payload)
    if number is not None:
        request.opt.content_format = number
    async with asyncio.timeout(PATIENCE_S):
        return await client.request(request).response


@pytest.mark.parametrize("code", [Code.POST, Code.PUT])
@pytest.mark.parametrize(
    ("number", "payload"),
    [
        (50, b'{"temperature":21.5}'),
        (60, cbor2.dumps({"temperature": 21.5})),
        (110, b'[{"n":"temperature","v":21.5}]'),
    ],
)
async def test_a_reading_is_sent(
    site: Site, client: aiocoap.Context, code: Code, number: int, payload: bytes
) -> None:
    """In JSON, CBOR and SenML."""
    answer = await ask(client, code, site.plain("telemetry"), payload, number)
    assert answer.code is Code.CHANGED
    assert site.temperature == 21.5


async def test_a_reading_against_its_type_is_refused_in_words(
    site: Site, client: aiocoap.Context
) -> None:
    """Problem details (RFC 9290)."""
    answer = await ask(client, Code.POST, site.plain("telemetry"), b'{"temprature":1}', 50)
    assert answer.code is Code.UNPROCESSABLE_ENTITY
    assert "temperature" in cbor2.loads(answer.payload)[-2]


async def test_a_report_goes_and_comes_in_blocks(site: Site, client: aiocoap.Context) -> None:
    """RFC 7959 both ways, with blocks of 1024 bytes."""
    account = await site.house.add_device("free-1")
    document = {f"setting-{number}": "x" * 60 for number in range(60)}
    uri = site.plain("properties/reported").replace(site.token, account.token)
    sent = await ask(client, Code.POST, uri, msgspec.json.encode(document), 50)
    assert sent.code is Code.CHANGED
    answer = await ask(client, Code.GET, uri)
    assert msgspec.json.decode(answer.payload) == document


async def test_desired_properties_are_observed(site: Site, client: aiocoap.Context) -> None:
    """The first value, then each change."""
    request = aiocoap.Message(code=Code.GET, uri=site.plain("properties/desired"), observe=0)
    asked = client.request(request)
    async with asyncio.timeout(PATIENCE_S):
        first = await asked.response
        assert msgspec.json.decode(first.payload)["version"] == 0
        listener = site.house.weft._coap[0]
        await until(lambda: len(listener._service.watches) == 1)
        twins = site.house.weft.path.twins
        await twins.desire(OPERATOR, site.pump.device_id, {"interval": 7}, version=0)
        async for told in asked.observation:
            found = msgspec.json.decode(told.payload)
            break
    assert found == {"version": 1, "properties": {"interval": 7}}
    asked.observation.cancel()


async def test_au_1_without_a_token_nothing_is_said(site: Site, client: aiocoap.Context) -> None:
    """4.01."""
    uri = site.plain("telemetry").partition("?")[0]
    assert (await ask(client, Code.POST, uri, b"{}", 50)).code is Code.UNAUTHORIZED


async def test_pr_1_a_device_of_thingsboards_asks_for_its_identity(
    site: Site, client: aiocoap.Context
) -> None:
    """It posts the claim to /api/v1/provision, and uses the token that it is given."""
    claims = site.house.weft.identity.claims
    issued = await claims.create(OPERATOR, NewClaim("batch", 1, approve=True))
    document = {
        "deviceName": "pump-8",
        "provisionDeviceKey": issued.claim.claim_id,
        "provisionDeviceSecret": issued.token,
    }
    api = f"coap://{site.house.weft.endpoints.coap}/api/v1"
    answer = await ask(client, Code.POST, f"{api}/provision", msgspec.json.encode(document), 50)
    assert (answer.code, answer.opt.content_format) == (Code.CREATED, 50)
    given = msgspec.json.decode(answer.payload)
    assert (given["status"], given["credentialsType"]) == ("SUCCESS", "ACCESS_TOKEN")
    sent = f"{api}/{given['credentialsValue']}/telemetry"
    assert (await ask(client, Code.POST, sent, b'{"temperature":3}', 50)).code is Code.CHANGED
    document["deviceName"] = "pump-9"
    refused = await ask(client, Code.POST, f"{api}/provision", msgspec.json.encode(document), 50)
    assert refused.code is Code.BAD_REQUEST
    assert msgspec.json.decode(refused.payload)["status"] == "FAILURE"

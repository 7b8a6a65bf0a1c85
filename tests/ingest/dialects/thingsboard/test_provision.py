"""A batch's claim in exchange for a token, in ThingsBoard's words."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.interop.support import MAIN, OPERATOR, RunningWeft, running_weft

from weft.ingest.dialects.thingsboard.provision import PAYLOAD_MAX_BYTES, Provisioner
from weft.model.device import Lifecycle
from weft.registry.claims import IssuedClaim, NewClaim


class Factory:
    """A batch with a claim, and the door that its devices knock at."""

    def __init__(self, weft: RunningWeft, issued: IssuedClaim) -> None:
        self.weft = weft
        self.key, self.secret = issued.claim.claim_id, issued.token
        self.provisioner = Provisioner(weft.weft.identity.provisioning)

    async def ask(self, name: str, **members: Any) -> dict[str, Any]:
        wanted = {
            "deviceName": name,
            "provisionDeviceKey": self.key,
            "provisionDeviceSecret": self.secret,
            **members,
        }
        return await self.say(json.dumps(wanted).encode())

    async def say(self, payload: bytes) -> dict[str, Any]:
        said = await self.provisioner.answer(payload, "127.0.0.1:5000")
        answer: dict[str, Any] = json.loads(said)
        return answer


@asynccontextmanager
async def factory(folder: Path, count: int = 2) -> AsyncIterator[Factory]:
    async with running_weft(folder) as weft:
        claims = weft.weft.identity.claims
        yield Factory(weft, await claims.create(OPERATOR, NewClaim("b", count, approve=True)))


async def test_a_claim_gives_a_device_its_token(tmp_path: Path) -> None:
    async with factory(tmp_path) as batch:
        answer = await batch.ask("pump-7", credentialsType="ACCESS_TOKEN", gateway=True)
        assert (answer["status"], answer["credentialsType"]) == ("SUCCESS", "ACCESS_TOKEN")
        identity = batch.weft.weft.identity
        token = answer["credentialsValue"]
        assert identity.authenticator.prove_bearer(token, "127.0.0.1").principal.id == "pump-7"
        device = identity.devices.get(MAIN, "pump-7")
        assert (device.lifecycle, device.attributes) == (Lifecycle.ACTIVE, {"gateway": True})


async def test_pr_1_a_claim_is_limited_and_the_refusal_is_an_answer(tmp_path: Path) -> None:
    """The third of two devices, and a serial that comes again, get no token."""
    async with factory(tmp_path) as batch:
        assert (await batch.ask("pump-1"))["status"] == "SUCCESS"
        again = await batch.ask("pump-1")
        assert (again["status"], "credentialsValue" in again) == ("FAILURE", False)
        assert (await batch.ask("pump-2"))["status"] == "SUCCESS"
        third = await batch.ask("pump-3")
        assert third["status"] == "FAILURE"
        assert third["errorMsg"]


@pytest.mark.parametrize(
    "members",
    [
        {"provisionDeviceSecret": "wrong"},
        {"provisionDeviceKey": "wrong"},
        {"provisionDeviceSecret": f"weft_{'a' * 16}_{'b' * 43}_00000000"},
    ],
)
async def test_a_claim_that_is_none_is_not_found(tmp_path: Path, members: dict[str, Any]) -> None:
    async with factory(tmp_path) as batch:
        answer = await batch.ask("pump-7", **members)
        assert answer["status"] == "NOT_FOUND"
        assert batch.weft.weft.identity.devices.find(MAIN, "pump-7") is None


@pytest.mark.parametrize(
    "members",
    [
        {"token": "of-my-own"},
        {"credentialsType": "X509_CERTIFICATE", "hash": "pem"},
        {"credentialsType": "MQTT_BASIC", "username": "u", "password": "p"},
        {"deviceName": ""},
        {"deviceName": "a/b"},
        {"provisionDeviceKey": 7},
    ],
)
async def test_what_cannot_be_given_is_refused_in_words(
    tmp_path: Path, members: dict[str, Any]
) -> None:
    """A credential that a device brings along may be known to others as well."""
    async with factory(tmp_path) as batch:
        answer = await batch.ask("pump-7", **members)
        assert answer["status"] == "FAILURE"
        assert "of-my-own" not in answer["errorMsg"]


@pytest.mark.parametrize("payload", [b"", b"[]", b"\xff", b"{}", b" " * (PAYLOAD_MAX_BYTES + 1)])
async def test_what_is_no_request_is_refused(tmp_path: Path, payload: bytes) -> None:
    async with factory(tmp_path) as batch:
        assert (await batch.say(payload))["status"] == "FAILURE"

"""One Weft per test that serves CoAP, with a pump that has each kind of credential."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interop.support import OPERATOR, PUMP_TYPE
from tests.loops import pytest_asyncio_loop_factories
from tests.transports.coap.support import House, running_house

from weft.app.compose import MAIN
from weft.model.device import Device
from weft.model.ids import DeviceId

__all__ = ["pytest_asyncio_loop_factories"]


@dataclass(frozen=True)
class Site:
    """A running Weft and what its pump may prove itself with."""

    house: House
    folder: Path
    pump: Device
    token: str
    identity: str
    key: str

    def plain(self, rest: str) -> str:
        """Where a resource of the pump is in the clear."""
        return f"coap://{self.house.weft.endpoints.coap}/api/v1/devices/me/{rest}?{self.query}"

    @property
    def query(self) -> str:
        """The pump's token, as each request in the clear names it."""
        return f"token={self.token}"

    def secure(self, rest: str) -> str:
        """Where it is over DTLS."""
        return f"coaps://{self.house.weft.endpoints.coaps}/api/v1/devices/me/{rest}"

    @property
    def temperature(self) -> object:
        """What the twin shows; None before the first value."""
        twin = self.house.weft.path.twins.get(MAIN, DeviceId("pump-7"))
        latest = twin.telemetry.get("temperature")
        return None if latest is None else latest.value


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A pump with a secret, a pre-shared key, and a certificate in files."""
    async with running_house(tmp_path / "data") as house:
        await house.add_type("pump", PUMP_TYPE)
        pump = await house.device("pump-7", "pump")
        issued = await house.key(pump)
        made = await house.weft.identity.credentials.issue_certificate(OPERATOR, pump)
        certificate = made.certificate
        assert certificate.private_key_pem is not None
        (tmp_path / "ca.pem").write_text(certificate.root_pem)
        (tmp_path / "device.pem").write_text(certificate.certificate_pem + certificate.chain_pem)
        (tmp_path / "device.key").write_text(certificate.private_key_pem)
        token = (await house.add_secret(pump)).token
        name = issued.credential.credential_id
        yield Site(house, tmp_path, pump, token, name, issued.key)

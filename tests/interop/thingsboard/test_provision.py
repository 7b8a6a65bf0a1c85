"""ThingsBoard's Python clients, unchanged, ask for an identity and use it at once."""

from pathlib import Path

import pytest
from tests.interop.clients import client
from tests.interop.support import MAIN, OPERATOR, running_weft, until

from weft.model.ids import DeviceId
from weft.registry.claims import NewClaim

pytestmark = pytest.mark.timeout(120)

SCRIPT = Path(__file__).parent / "clients" / "provision.py"


async def test_pr_1_a_claim_lets_two_devices_in_and_not_the_third(tmp_path: Path) -> None:
    """The first over MQTT as the user `provision`, the second over HTTP."""
    async with running_weft(tmp_path) as weft:
        claims = weft.weft.identity.claims
        issued = await claims.create(OPERATOR, NewClaim("batch", 2, approve=True))
        arguments = (
            weft.host,
            str(weft.mqtt_port),
            weft.http_url,
            issued.claim.claim_id,
            issued.token,
        )
        async with client("clients", SCRIPT, *arguments) as factory:
            given = await factory.hear("mqtt")
            assert (given["status"], given["kind"]) == ("SUCCESS", "ACCESS_TOKEN")
            assert (await factory.hear("sent"))["code"] == 0
            assert (await factory.hear("http"))["connected"] is True
            assert (await factory.hear("refused"))["status"] == "FAILURE"
        twins = weft.weft.path.twins
        await until(lambda: twins.get(MAIN, DeviceId("pump-1")).telemetry)
        assert weft.weft.identity.devices.find(MAIN, "pump-3") is None

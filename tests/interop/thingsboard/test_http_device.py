"""ThingsBoard's Python HTTP client, unchanged, as a device of ours."""

from pathlib import Path

import pytest
from tests.interop.clients import client
from tests.interop.support import MAIN, OPERATOR, running_weft, until

from weft.model.command import CommandState
from weft.model.ids import DeviceId

pytestmark = pytest.mark.timeout(120)

SCRIPT = Path(__file__).parent / "clients" / "http_device.py"
PUMP = DeviceId("pump-7")


async def test_a_device_over_http_reports_asks_and_is_called(tmp_path: Path) -> None:
    async with running_weft(tmp_path) as weft:
        token = (await weft.add_device(PUMP)).token
        twins, commands = weft.weft.path.twins, weft.weft.path.commands
        async with client("clients", SCRIPT, weft.http_url, token) as pump:
            assert (await pump.hear("connected"))["well"] is True
            # It names its keys as no ThingsBoard reads them, and so gets all there are.
            assert (await pump.hear("attributes"))["found"] == {"client": {"firmware": "1.2"}}
            assert (await pump.hear("answered"))["to"]["event"] == "leak"
            assert twins.get(MAIN, PUMP).telemetry["temperature"].value == 21.5
            waiting = weft.weft.path.thingsboard._waiting
            await until(lambda: len(waiting.get((MAIN, PUMP), ())) == 2, 40)
            await twins.desire(OPERATOR, PUMP, {"interval": 5}, version=0)
            assert (await pump.hear("changed"))["attributes"] == {"interval": 5}
            sent = await commands.send(OPERATOR, PUMP, "open", {"percent": 40})
            assert (await pump.hear("called"))["call"]["id"] == sent.position
            ended = await commands.wait(MAIN, PUMP, sent.request_id, wait_s=30)
            assert ended.state is CommandState.SUCCEEDED
            # What the client posts as an answer is a call of its own form, and kept as it is.
            assert ended.output == {"method": "done", "params": {"open": 40}}

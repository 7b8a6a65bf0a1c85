"""Events, put together: a whole Weft raises an alarm and the receiver hears of it, kill or not."""

from pathlib import Path

from tests.app.support import HOT, add_pump, eventually, send, served
from tests.connectors.farside import Reply, far_side

from weft.app.compose import MACHINE
from weft.model.subscription import NewSubscription, Topic


async def test_an_alarm_reaches_its_receiver_also_over_a_restart(tmp_path: Path) -> None:
    """The receiver is away when it is raised; Weft restarts; then it is told, once."""
    up = [False]
    async with far_side(lambda _a: Reply(202 if up[0] else 503, b"")) as side:
        pauses = ("events.pause_s=0.01", "events.pause_max_s=0.1")
        settings = ('events.allow=["127.0.0.1/32"]', *pauses)
        async with served(tmp_path, *settings) as weft:
            pump = await add_pump(weft)
            await weft.path.rules.create(MACHINE, HOT)
            new = NewSubscription(
                "cmms", side.url, topics=(Topic.ALARM, Topic.TELEMETRY), handshake=False
            )
            await weft.business.events.subscriptions.create(MACHINE, new)
            await send(weft, pump, b'{"temperature": 99.0}')

            async def asked() -> int:
                return len(side.asked)

            await eventually(asked)
        up[0] = True
        async with served(tmp_path, *settings):

            async def told() -> bool:
                types = {one.json()["type"] for one in side.asked}
                return {"weft.alarm.raised", "weft.telemetry"} <= types

            await eventually(told)

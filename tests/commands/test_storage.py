"""Storage: what has ended is forgotten in time; what is open never."""

from tests.commands.support import ACME, ALICE, PUMP, Station

from weft.commands.settings import CommandSettings
from weft.model.command import CommandState

SENT, DELIVERED = CommandState.SENT, CommandState.DELIVERED


async def test_old_outcomes_are_forgotten_and_open_commands_never() -> None:
    station = Station(CommandSettings(keep_days=2, ttl_max_s=10**8))
    await station.pump()
    done = await station.commands.send(ALICE, PUMP, "restart")
    kept = await station.commands.send(ALICE, PUMP, "restart", ttl_s=10**8)
    station.answer(done, {})
    await station.commands.checkpoint()
    station.clock.turn(4 * 24 * 3600)
    assert await station.commands.forget_old() == 1
    assert [one.request_id for one in await station.commands.list(ACME, PUMP)] == [kept.request_id]

"""The past, put together: a rule is replayed in a whole Weft, over journal and DuckDB."""

from pathlib import Path

from tests.app.support import HOT, add_pump, eventually, opened, send, served

from weft.app.compose import MACHINE, MAIN
from weft.app.past import make_replays
from weft.rules.past.model import Asked, Replay, ReplayState
from weft.rules.past.run import Run
from weft.rules.past.settings import ReplaySettings

YEAR = 365 * 86_400 * 10**9


async def test_a_rule_is_replayed_beside_live(tmp_path: Path) -> None:
    """What was heard a moment ago is the past already; other tenants have none of it."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        for degrees in (20, 95, 20):
            await send(weft, pump, b'{"temperature": %d}' % degrees)
        now = weft.clock.now()
        asked = Asked(HOT["name"], HOT, 0, now - YEAR, now + YEAR, 0)
        begun = await weft.replays.start(MACHINE, asked)

        async def ended() -> Replay | None:
            replay = await weft.replays.get(MAIN, begun.replay_id)
            return replay if replay.state is ReplayState.DONE else None

        replay = await eventually(ended)
        assert (replay.counts.raised, replay.samples) == (1, 3)


async def test_what_the_journal_has_forgotten_is_in_the_history_of_the_disk(
    tmp_path: Path,
) -> None:
    """Trimmed to nothing; the same alarm all the same."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        for degrees in (20, 95, 20):
            await send(weft, pump, b'{"temperature": %d}' % degrees)
    async with opened(tmp_path) as weft:
        await weft.stores.journal.trim(before=weft.stores.journal.head + 1)
        made = make_replays(weft.stores, weft.identity, weft.path, weft.clock, weft.config)
        now = weft.clock.now()
        asked = Asked(HOT["name"], HOT, 0, now - YEAR, now + YEAR, 0)
        run = Run(made._given, MAIN, asked, ReplaySettings())
        await run.run()
        (firing,) = run.side.firings
        assert [one.values for one in firing.evidence] == [{"temperature": 95.0}]


async def test_data_that_came_late_is_worked_out_in_a_whole_weft(tmp_path: Path) -> None:
    """A chore asks once a minute; here it is asked at once, and finds what was late."""
    async with served(tmp_path) as weft:
        pump = await add_pump(weft)
        await weft.path.rules.create(MACHINE, HOT)
        start = weft.clock.now() // 10**6 - 10_000
        for after_ms, degrees in ((0, 20), (3_000, 20), (1_000, 95)):
            values = b'{"temperature": %d}' % degrees
            await send(weft, pump, b'{"ts": %d, "values": %s}' % (start + after_ms, values))
        await weft.path.pipeline.settle()
        await weft.late.sweep()
        (replay,) = await weft.replays.list(MAIN)
        assert (replay.asked.late, replay.asked.devices) == (True, ("pump-7",))

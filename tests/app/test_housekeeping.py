"""Housekeeping: old messages go, and never one that is still needed."""

from pathlib import Path

from tests.app.support import add_pump, opened, send, served

from weft.app.compose import Weft
from weft.app.housekeeping import Housekeeping
from weft.model.moments import NS_PER_S
from weft.supervision import FakeClock, SystemClock

DAY_S = 86_400.0


async def fill(weft: Weft, count: int) -> None:
    """Send so many messages."""
    pump = await add_pump(weft)
    for number in range(count):
        await send(weft, pump, b'{"temperature": %d}' % number)


def in_a_week(weft: Weft) -> None:
    """Let eight days pass for housekeeping."""
    clock = FakeClock(SystemClock().now())
    clock.turn(8 * DAY_S)
    weft.clock = clock


async def test_messages_are_kept_as_long_as_configured(tmp_path: Path) -> None:
    """A week by default: today's stay."""
    async with served(tmp_path) as weft:
        await fill(weft, 10)
        await weft.path.pipeline.checkpoint()
        await Housekeeping(weft).trim_journal()
        assert weft.stores.journal.tail == 1


async def test_old_messages_go_once_everybody_has_them(tmp_path: Path) -> None:
    """Then the journal is short again, and what was made of them stays."""
    async with served(tmp_path) as weft:
        await fill(weft, 10)
        await weft.path.pipeline.checkpoint()
        await weft.path.history.flush()
        in_a_week(weft)
        needed = weft.path.pipeline.durable_position + 1
        await Housekeeping(weft).trim_journal()
        assert weft.stores.journal.tail == min(needed, weft.stores.journal.head + 1)
        assert weft.stores.journal.tail > 1


async def test_what_a_projection_has_not_stored_stays_however_old_it_is(tmp_path: Path) -> None:
    """No checkpoint yet: a crash now needs every message again."""
    async with opened(tmp_path) as weft:
        before = weft.path.pipeline.durable_position
    async with served(tmp_path) as weft:
        await fill(weft, 10)
        slowest = min(projection.position for projection in weft.path.pipeline._projections)
        in_a_week(weft)
        await Housekeeping(weft).trim_journal()
        assert before <= slowest
        assert weft.stores.journal.tail <= weft.path.pipeline.durable_position + 1


async def test_a_journal_over_its_size_loses_the_oldest_first(tmp_path: Path) -> None:
    """A small disk: the newest are kept, and those that are needed."""
    async with served(tmp_path, "journal.keep_bytes=1000") as weft:
        await fill(weft, 50)
        await weft.path.pipeline.checkpoint()
        head = weft.stores.journal.head
        await Housekeeping(weft).trim_journal()
        assert 1 < weft.stores.journal.tail <= weft.path.pipeline.durable_position + 1
        assert weft.stores.journal.head == head


async def test_a_moment_in_the_past_trims_nothing(tmp_path: Path) -> None:
    """A clock that was set back does not cost a message."""
    async with served(tmp_path) as weft:
        await fill(weft, 3)
        weft.clock = FakeClock(NS_PER_S)
        await Housekeeping(weft).trim_journal()
        assert weft.stores.journal.tail == 1


async def test_certificates_are_renewed_while_weft_runs(tmp_path: Path) -> None:
    """Opened 300 days ago and never restarted: the server's is new, and health is well."""
    async with opened(tmp_path) as weft:
        authority = weft.identity.authority
        before = authority.state().server_expires_at
        clock = FakeClock(SystemClock().now())
        clock.turn(300 * DAY_S)
        authority._clock = clock
        await Housekeeping(weft).renew_certificates()
        assert authority.state().server_expires_at > before
        assert weft.health()["certificates"] == "ok"


async def test_an_intermediate_that_waits_for_the_root_is_told_in_health(tmp_path: Path) -> None:
    """The root's key is in a safe, and somebody has to fetch it within twenty months."""
    async with opened(tmp_path) as weft:
        authority = weft.identity.authority
        sealed = authority.export_root("a long sentence")
        authority.take_root_offline(sealed, "a long sentence")
        clock = FakeClock(SystemClock().now())
        clock.turn(4 * 365 * DAY_S)
        authority._clock = clock
        await Housekeeping(weft).renew_certificates()
        assert "weft ca renew-intermediate" in weft.health()["certificates"]

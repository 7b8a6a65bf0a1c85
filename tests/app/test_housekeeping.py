"""Housekeeping: old messages go, and never one that is still needed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.app.support import add_pump, eventually, opened, send, served, temperatures
from tests.connectors.support import alarm

from weft.app import housekeeping as housekeeping_module
from weft.app.compose import Weft
from weft.app.housekeeping import Housekeeping
from weft.errors import StorageError, Unavailable, WeftError
from weft.model.alarm import AlarmState
from weft.model.moments import NS_PER_S
from weft.rules.kinds import ALARMS, TRACES
from weft.rules.tracing import AlarmTrace
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


class Log:
    """Keeps the errors that were logged, by name, with their fields."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, dict[str, Any]]] = []

    def error(self, event: str, **fields: Any) -> None:
        self.errors.append((event, fields))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    found = Log()
    monkeypatch.setattr(housekeeping_module, "log", found)
    return found


async def test_a_bug_in_a_chore_does_not_end_the_server(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Presence divides by zero each second: devices are heard, kept and swept all the same."""
    async with opened(tmp_path) as weft:
        tries: list[int] = []

        async def broken() -> None:
            tries.append(1 // 0)

        monkeypatch.setattr(weft.identity.presence, "checkpoint", broken)
        weft.housekeeping = Housekeeping(weft)
        async with weft.running():
            await eventually(lambda: asyncio.sleep(0, log.errors))
            await fill(weft, 3)
            # The chore behind it in the same turn makes history durable, without being asked.
            assert await eventually(lambda: temperatures(weft))
            assert weft.health()["journal"] == "ok"
            word = weft.health()["housekeeping"]
    assert word.startswith("presence: Weft itself failed here (ZeroDivisionError).")
    assert "Report the traceback" in word
    [(event, fields)] = log.errors
    assert (event, fields["chore"]) == ("housekeeping_broke", "presence")
    assert fields["exc_info"].__traceback__ is not None


@pytest.mark.parametrize("kind", [StorageError, Unavailable])
async def test_a_full_disk_is_told_as_such_and_is_no_bug(
    tmp_path: Path, log: Log, kind: type[WeftError]
) -> None:
    """What the store said stands in the log once, and in health for as long as it is so."""
    async with opened(tmp_path) as weft:
        full = [True, True]

        async def checkpoint() -> None:
            if full:
                full.pop()
                raise kind("no space left")

        weft.path.history.checkpoint = checkpoint  # type: ignore[method-assign]
        weft.housekeeping = Housekeeping(weft)
        for _turn in range(2):
            await weft.housekeeping.every_second.take_turn()
            assert weft.health()["housekeeping"].startswith("history checkpoint: no space left")
        await weft.housekeeping.every_second.take_turn()
        assert weft.health()["housekeeping"] == "ok"
    assert [event for event, _fields in log.errors] == ["housekeeping_failed"]


async def test_old_traces_of_alarms_are_forgotten_each_hour(tmp_path: Path) -> None:
    """A month is configured; the alarm was over two months ago."""
    async with opened(tmp_path, "rules.keep_traces_days=30") as weft:
        now = SystemClock().now()
        ended = {"state": AlarmState.CLEARED, "cleared_at": now - 60 * 86_400 * NS_PER_S}
        one = alarm(1, raised_at=now - 61 * 86_400 * NS_PER_S, **ended)
        records = weft.stores.records
        await records.write(lambda w: w.put(ALARMS, one.tenant, one.alarm_id, one))
        await records.write(lambda w: w.put(TRACES, one.tenant, one.alarm_id, AlarmTrace()))
        chores = dict(Housekeeping(weft)._each_hour())
        await chores["old traces of alarms"]()
        assert await records.read(lambda r: r.count(TRACES, one.tenant)) == 0

"""A run: it ends when it is cancelled or full, and says how far it is."""

import pytest
from tests.rules.past.support import Past
from tests.rules.support import MAIN, START, S, hot

from weft.rules.past import run as module
from weft.rules.past.run import Progress, Run, journal_begin, past_rule
from weft.rules.past.settings import ReplaySettings


def test_progress_is_a_share_of_what_was_there_at_the_start() -> None:
    """And never more than all of it."""
    assert Progress().percent == 100.0
    assert Progress(done=1, total=3).percent == 33.3
    assert Progress(done=4, total=3).percent == 100.0


async def test_a_cancelled_run_reads_no_further() -> None:
    """From the journal, and from history."""
    past = Past()
    for second in range(5):
        await past.hear(second, {"temperature": 60.0})
    for forget in (1, 6):
        past.forget(forget)
        run = Run(past.given, MAIN, past.asked(hot()), ReplaySettings(share=1.0))
        run.progress.cancelled = True
        await run.run()
        assert run.progress.samples < 5


async def test_a_run_that_raises_too_much_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that flaps fills no memory."""
    monkeypatch.setattr(module, "MAX_FIRINGS", 3)
    past = Past()
    for second in range(20):
        await past.hear(second, {"temperature": 60.0 + 30.0 * (second % 2)})
    run = Run(past.given, MAIN, past.asked(hot()), ReplaySettings(share=1.0))
    await run.run()
    assert run.side.is_full
    assert len(run.side.firings) == 3


async def test_the_journal_begins_where_it_has_not_forgotten() -> None:
    """0 while it has everything; the end of time when it has nothing."""
    past = Past()
    for second in range(3):
        await past.hear(second, {"temperature": 60.0})
    assert await journal_begin(past.given) == 0
    past.forget(2)
    assert await journal_begin(past.given) == START + S
    past.forget(4)
    assert await journal_begin(past.given) == 2**63 - 1


def test_named_devices_narrow_what_the_rule_watches() -> None:
    """They never widen it."""
    past = Past()
    around = past.plant.around
    rule = past_rule(hot(selector={"devices": ["pump-7"]}), MAIN, around, ("pump-7", "pump-8"))
    assert rule.document.selector.devices == ("pump-7",)
    nobody = past_rule(hot(selector={"devices": ["pump-7"]}), MAIN, around, ("pump-8",))
    assert nobody.document.selector.devices == ("",)

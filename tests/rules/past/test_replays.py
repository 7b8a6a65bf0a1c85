"""Replays: kept, run once, compared with what there was, and nothing else is written."""

import pytest
from msgspec.structs import replace
from tests.rules.past.support import Past
from tests.rules.support import ALICE, HOOK, MAIN, ORDER, START, S, device, hot

from weft.errors import Conflict, Invalid, NotFound, QuotaExceeded
from weft.model.ids import TenantId
from weft.rules.past.model import REPLAYS, Against, ReplayState, Verdict
from weft.rules.past.settings import ReplaySettings

DEGREES = (60.0, 90.0, 95.0, 60.0, 60.0, 85.0, 60.0)


async def heard(past: Past) -> None:
    """A pump is hot twice, ten seconds apart each sample."""
    for place, degrees in enumerate(DEGREES):
        await past.hear(10 * place, {"temperature": degrees})


async def test_a_replay_of_what_live_had_finds_the_same() -> None:
    """The alarms that were recorded, each met by one of the replay."""
    past = Past()
    await past.plant.rules.create(ALICE, hot())
    await heard(past)
    replay = await past.replay(hot())
    assert replay.state is ReplayState.DONE
    counts = replay.counts
    assert (counts.raised, counts.same, counts.added, counts.missing) == (2, 2, 0, 0)
    found = await past.replays.findings(MAIN, replay.replay_id)
    alarms = await past.plant.raised()
    assert [one.recorded for one in found] == [alarm.alarm_id for alarm in alarms]
    assert [one.evidence for one in found] == [alarm.evidence for alarm in alarms]


async def test_nothing_is_sent_and_nothing_but_the_replay_is_written() -> None:
    """A rule with a work order and a webhook: no alarm, no action, no order, one audit entry."""
    past = Past()
    await heard(past)
    replay = await past.replay(hot(actions=[ORDER, HOOK]))
    found = await past.replays.findings(MAIN, replay.replay_id)
    assert [one.actions for one in found] == [2, 2]
    plant = past.plant
    assert (await plant.raised(), await plant.outbox(), await plant.orders()) == ([], [], [])
    assert await plant.audited() == ["rule.replay"]


async def test_history_tells_what_the_journal_has_forgotten() -> None:
    """The journal keeps the newest three messages; the replay finds what it found before."""
    past = Past()
    await past.plant.rules.create(ALICE, hot())
    await heard(past)
    whole = await past.replay(hot())
    past.forget(5)
    rest = await past.replay(hot())
    assert (rest.counts, rest.samples) == (whole.counts, len(DEGREES))
    first, second = await past.replays.findings(MAIN, rest.replay_id)
    assert first.evidence[0].position < 0  # it stands in no journal any more
    assert second.evidence[0].position == 6
    past.forget(len(DEGREES) + 1)
    assert (await past.replay(hot())).counts == whole.counts


async def test_a_sample_that_came_late_is_told_once() -> None:
    """Measured before the journal begins, received after: history alone tells it."""
    past = Past()
    await past.hear(0, {"temperature": 60.0})
    await past.hear(20, {"temperature": 60.0})
    await past.hear(10, {"temperature": 90.0}, received=30)
    past.forget(2)
    replay = await past.replay(hot())
    assert (replay.samples, replay.counts.raised) == (3, 1)


async def test_windows_are_filled_before_the_time_begins() -> None:
    """The mean of five minutes is known at the first sample: what came before is read."""
    past = Past()
    for minute in range(-10, 3):
        await past.hear(60 * minute, {"temperature": 90.0})
    document = hot(when="mean(temperature, 5m) > 80 && count(temperature, 5m) >= 5")
    replay = await past.replay(document, start=START, end=START + 60 * S)
    (finding,) = await past.replays.findings(MAIN, replay.replay_id)
    assert finding.raised_at < START  # it stands since before, and is in the time all the same
    cold = await past.replay(document, start=START, end=START + 60 * S, warm_up_ns=0)
    assert cold.counts.raised == 0


async def test_another_version_is_replayed_beside() -> None:
    """What the one raises and the other does not, though nothing was recorded."""
    past = Past()
    await heard(past)
    replay = await past.replay(
        hot(when="temperature > 92"),
        against=Against.VERSION,
        against_version=1,
        against_document=hot(),
    )
    found = await past.replays.findings(MAIN, replay.replay_id)
    assert [one.verdict for one in found] == [Verdict.SAME, Verdict.MISSING]
    assert [one.recorded for one in found] == [None, None]


async def test_only_the_devices_that_are_named_are_replayed() -> None:
    """Of two hot pumps one; a name that the rule does not watch finds nothing."""
    past = Past(device(), device("pump-8"))
    for name in ("pump-7", "pump-8"):
        await past.hear(0, {"temperature": 90.0}, name=name)
    assert (await past.replay(hot())).counts.subjects == 2
    assert (await past.replay(hot(), devices=("pump-8",))).counts.subjects == 1
    assert (await past.replay(hot(), devices=("fan-1",))).counts.subjects == 0


async def test_a_replay_that_is_cancelled_keeps_no_findings() -> None:
    """What it had found so far would be taken for an answer."""
    past = Past()
    await heard(past)
    begun = await past.replays.start(ALICE, past.asked(hot()))
    ended = await past.replays.cancel(ALICE, begun.replay_id)
    assert ended.state is ReplayState.CANCELLED
    await past.replays.do(begun)
    assert (await past.replays.get(MAIN, begun.replay_id)).state is ReplayState.CANCELLED
    assert await past.replays.findings(MAIN, begun.replay_id) == []
    with pytest.raises(Conflict, match="cancelled already"):
        await past.replays.cancel(ALICE, begun.replay_id)


async def test_tn_3_tenants_have_their_turns() -> None:
    """TN-3: four of one tenant wait; another's, asked for later, is the second to be run."""
    past = Past()
    for _ in range(4):
        await past.replays.start(ALICE, past.asked(hot()))
    other = TenantId("other")
    bob = replace(ALICE, tenant=other)
    for _ in range(2):
        await past.replays.start(bob, past.asked(hot()))
    taken = [await past.plant.records.write(past.replays._take) for _ in range(7)]
    order = [one.tenant for one in taken if one is not None]
    assert order == [MAIN, other, MAIN, other, MAIN, MAIN]


async def test_what_a_crash_has_ended_begins_anew() -> None:
    """The record says running, and nobody runs it."""
    past = Past()
    await heard(past)
    begun = await past.replays.start(ALICE, past.asked(hot()))
    await past.plant.records.write(past.replays._take)
    assert (await past.replays.get(MAIN, begun.replay_id)).state is ReplayState.RUNNING
    await past.plant.records.write(past.replays._queue_again)
    again = await past.plant.records.write(past.replays._take)
    assert again is not None
    await past.replays.do(again)
    assert (await past.replays.get(MAIN, begun.replay_id)).counts.raised == 2


async def test_too_many_that_wait_are_refused_and_old_ones_are_forgotten() -> None:
    """A script that asks in a loop fills neither the queue nor the disk."""
    past = Past(settings=ReplaySettings(queued_max=2, kept=2, share=1.0))
    await heard(past)
    ended = await past.replay(hot())
    for _ in range(2):
        await past.replays.start(ALICE, past.asked(hot()))
    with pytest.raises(QuotaExceeded, match="2 replays are waiting"):
        await past.replays.start(ALICE, past.asked(hot()))
    with pytest.raises(NotFound):
        await past.replays.get(MAIN, ended.replay_id)
    assert len(await past.plant.all(REPLAYS)) == 2


async def test_a_document_that_cannot_run_is_refused_before_it_is_kept() -> None:
    """As on save."""
    past = Past()
    wrong = replace(past.asked(hot()), document=hot(when="hot > 1"))
    with pytest.raises(Invalid):
        await past.replays.start(ALICE, wrong)
    assert await past.plant.all(REPLAYS) == []

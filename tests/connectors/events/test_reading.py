"""Reading: both sources in order, and what is no longer kept is counted."""

from pathlib import Path

from tests.connectors.events.support import Desk
from tests.connectors.support import alarm

from weft.connectors.events.reading import PAGE, next_part
from weft.model.message import Operation
from weft.model.subscription import Topic


async def test_only_the_topics_asked_for_come(tmp_path: Path) -> None:
    """Who asked for alarms hears no telemetry, and is behind it all the same."""
    desk = Desk(tmp_path)
    made = await desk.subscribe("https://x.example/", topics=(Topic.ALARM, Topic.EVENT))
    await desk.put(alarm())
    await desk.say(b"{}")
    await desk.say(b"{}", Operation.EVENT)
    part = await next_part(desk.records, desk.journal, made.subscription, made.progress)
    assert [one.topic for one in part.changes] == [Topic.ALARM, Topic.EVENT]
    assert (part.sequence, part.position, part.missed, part.more) == (1, 2, 0, False)


async def test_a_trimmed_journal_is_told(tmp_path: Path) -> None:
    """A receiver was away for longer than messages are kept."""
    desk = Desk(tmp_path)
    made = await desk.subscribe("https://x.example/", topics=(Topic.TELEMETRY,))
    for _ in range(3):
        await desk.say(b"{}")
    await desk.journal.trim(before=3)
    part = await next_part(desk.records, desk.journal, made.subscription, made.progress)
    assert ([one.sequence for one in part.changes], part.missed) == ([3], 2)


async def test_a_long_queue_comes_in_pages(tmp_path: Path) -> None:
    """Nothing of it is held at once."""
    desk = Desk(tmp_path)
    made = await desk.subscribe("https://x.example/")
    await desk.put(*(alarm(number) for number in range(PAGE + 1)))
    part = await next_part(desk.records, desk.journal, made.subscription, made.progress)
    assert (len(part.changes), part.more) == (PAGE, True)
